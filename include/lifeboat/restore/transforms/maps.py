"""The built-in maps: what is called otherwise in the target, wherever an object names it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from lifeboat.point.pod_specs import CONTAINERS, at, pod_spec
from lifeboat.ports.cluster import Json
from lifeboat.restore.transforms.model import Maps

_OLD_CLASS = "volume.beta.kubernetes.io/storage-class"
_HUB = "docker.io"
_ROUTES = frozenset(
    f"{kind}.gateway.networking.k8s.io"
    for kind in ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")
)


def apply_maps(body: Json, group_kind: str, maps: Maps) -> None:
    """Changes the object in place."""
    spec = pod_spec(body, group_kind)
    if maps.storage_classes:
        _classes(body, group_kind, spec, maps.storage_classes)
    if maps.images:
        _images(spec, maps.images)
    if maps.zones:
        _zones(body, group_kind, spec, maps.zones)
    if maps.node_selectors:
        _node_selectors(spec, maps.node_selectors)
    if maps.hosts:
        _hosts(body, group_kind, maps.hosts)


def _classes(body: Json, group_kind: str, spec: Json, classes: Mapping[str, str]) -> None:
    for claim in _claims(body, group_kind, spec):
        _rename(claim.get("spec") or {}, "storageClassName", classes.get)
        _rename(at(claim, ("metadata", "annotations")), _OLD_CLASS, classes.get)


def _claims(body: Json, group_kind: str, spec: Json) -> Iterator[Json]:
    """The object itself where it is a claim or a volume, and all templates of claims in it."""
    if group_kind in ("PersistentVolumeClaim", "PersistentVolume"):
        yield body
    if group_kind == "StatefulSet.apps":
        yield from at(body, ("spec",)).get("volumeClaimTemplates") or ()
    for volume in spec.get("volumes") or ():
        yield at(volume, ("ephemeral", "volumeClaimTemplate"))


def _images(spec: Json, images: Mapping[str, str]) -> None:
    for held in CONTAINERS:
        for container in spec.get(held) or ():
            _rename(container, "image", lambda image: _renamed_image(image, images))


def _renamed_image(image: str, images: Mapping[str, str]) -> str | None:
    """The longest beginning that fits wins, of the image as it is written, else in full."""
    for written in (image, _in_full(image)):
        fitting = [start for start in images if _begins(written, start)]
        if fitting:
            start = max(fitting, key=len)
            return images[start] + written[len(start) :]
    return None


def _begins(image: str, start: str) -> bool:
    """Whole parts of the name only: `example.com/shop` is no beginning of `example.com/shops`."""
    rest = image.removeprefix(start)
    return image.startswith(start) and (not rest or start.endswith("/") or rest[0] in "/:@")


def _in_full(image: str) -> str:
    """`nginx:1` as `docker.io/library/nginx:1` (github.com/distribution/reference)."""
    host, slash, _ = image.partition("/")
    if slash and ("." in host or ":" in host or host == "localhost"):
        return image
    return f"{_HUB}/{image}" if slash else f"{_HUB}/library/{image}"


def _zones(body: Json, group_kind: str, spec: Json, zones: Mapping[str, str]) -> None:
    _zone_labels(spec.get("nodeSelector") or {}, zones)
    affinity = at(spec, ("affinity", "nodeAffinity"))
    required = at(affinity, ("requiredDuringSchedulingIgnoredDuringExecution",))
    terms = list(required.get("nodeSelectorTerms") or ())
    preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    terms += [at(one, ("preference",)) for one in preferred]
    if group_kind == "PersistentVolume":
        terms += at(body, ("spec", "nodeAffinity", "required")).get("nodeSelectorTerms") or ()
    for term in terms:
        _zone_values(term.get("matchExpressions") or (), zones)
    if group_kind in ("PersistentVolume", "PersistentVolumeClaim"):
        _zone_labels(at(body, ("metadata", "labels")), zones)
    if group_kind == "StorageClass.storage.k8s.io":
        for term in body.get("allowedTopologies") or ():
            _zone_values(term.get("matchLabelExpressions") or (), zones)


def is_zone(label: str) -> bool:
    """`topology.kubernetes.io/zone`, its old name, and those of drivers."""
    return label.endswith("/zone")


def _zone_labels(labels: Json, zones: Mapping[str, str]) -> None:
    for label in labels:
        if is_zone(label):
            _rename(labels, label, zones.get)


def _zone_values(expressions: Iterable[Json], zones: Mapping[str, str]) -> None:
    for expression in expressions:
        if is_zone(expression.get("key", "")) and expression.get("values"):
            renamed = (zones.get(value, value) for value in expression["values"])
            expression["values"] = list(dict.fromkeys(renamed))


def _node_selectors(spec: Json, wanted: Mapping[str, str | None]) -> None:
    labels = spec.get("nodeSelector") or {}
    for label, value in tuple(labels.items()):
        entry = f"{label}={value}"
        if entry not in wanted:
            continue
        del labels[label]
        new = wanted[entry]
        if new is not None:
            name, _, content = new.partition("=")
            labels[name] = content


def _hosts(body: Json, group_kind: str, hosts: Mapping[str, str]) -> None:
    spec = at(body, ("spec",))
    if group_kind == "Ingress.networking.k8s.io":
        for rule in spec.get("rules") or ():
            _rename(rule, "host", lambda host: _renamed_host(host, hosts))
        for entry in spec.get("tls") or ():
            _rename_all(entry, "hosts", hosts)
    elif group_kind == "Gateway.gateway.networking.k8s.io":
        for listener in spec.get("listeners") or ():
            _rename(listener, "hostname", lambda host: _renamed_host(host, hosts))
    elif group_kind in _ROUTES:
        _rename_all(spec, "hostnames", hosts)
    elif group_kind == "Route.route.openshift.io":
        _rename(spec, "host", lambda host: _renamed_host(host, hosts))


def _renamed_host(host: str, hosts: Mapping[str, str]) -> str | None:
    """The host itself, else the longest `*.` that it lies below."""
    if host in hosts:
        return hosts[host]
    below = [key for key in hosts if key.startswith("*.") and host.endswith(key[1:])]
    if not below:
        return None
    key = max(below, key=len)
    return host.removesuffix(key[1:]) + hosts[key][1:]


def _rename_all(holder: Json, name: str, hosts: Mapping[str, str]) -> None:
    if holder.get(name):
        holder[name] = [_renamed_host(host, hosts) or host for host in holder[name]]


def _rename(holder: Json, name: str, renamed: Callable[[Any], Any]) -> None:
    """In place, where there is a text and another name for it."""
    text = holder.get(name)
    new = renamed(text) if isinstance(text, str) else None
    if new is not None:
        holder[name] = new
