"""Services that objects outside namespaces name: who answers a webhook, a conversion, an API.

Such an object is the whole cluster's. Where a mapped restore makes it, it is the copy's: it asks
the Service in the mapped namespace. One that is there is shared with what it serves: as long as the
Service that it names is there, it goes on asking that one, whatever the mode. Pointed elsewhere, it
would have the copy answer for the live application.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from lifeboat.errors import LifeboatError, NotFound
from lifeboat.ports.cluster import Cluster, Json, Kind
from lifeboat.restore.model import TO_APPLY, PlanItem, RestoreRequest
from lifeboat.vault.packs import PackReader

_SERVICE = Kind("", "v1", "services", "Service", namespaced=True)
_NAMING = (
    "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
    "MutatingWebhookConfiguration.admissionregistration.k8s.io",
    "CustomResourceDefinition.apiextensions.k8s.io",
    "APIService.apiregistration.k8s.io",
)

Answering = Mapping[str, tuple[str, ...]]
"""By kind and name of a live object, the Services (`namespace/name`) that go on answering for
it."""


def answering_of(
    cluster: Cluster, kinds: Iterable[Kind], mapping: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """Of every live object, the Services in mapped namespaces that it names and that are there; one
    that may not be looked at counts as there. Raises what is retryable."""
    found: dict[str, tuple[str, ...]] = {}
    known: dict[str, bool] = {}
    naming = (kind for kind in kinds if kind.group_kind in _NAMING and kind.version)
    for kind in naming if mapping else ():
        for live in _listed(cluster, kind):
            places = [place for place, _, _ in _moving(live, mapping)]
            for place in places:
                known[place] = known[place] if place in known else _is_there(cluster, place)
            if any(known[place] for place in places):
                title = f"{kind.kind} {live['metadata']['name']}"
                found[title] = tuple(place for place in places if known[place])
    return found


def follow(body: Json, mapping: Mapping[str, str], answering: Answering) -> list[str]:
    """Points the object at the Services of the copy, and says so; at those that go on answering for
    it, it stays pointed."""
    kept = answering.get(_title(body), ())
    changes = []
    for place, moved, service in _moving(body, mapping):
        if place not in kept:
            service["namespace"] = moved.partition("/")[0]
            changes.append(f"service {place} became {moved}")
    return list(dict.fromkeys(changes))


def announced(item: PlanItem, reader: PackReader, request: RestoreRequest) -> list[str]:
    """A sentence for each Service whose namespace is mapped, of an item that names some."""
    naming = item.kind.group_kind in _NAMING and item.action in (*TO_APPLY, "skip")
    if not naming or not request.mapping or request.scratch:
        return []
    body: Json = msgspec.json.decode(reader.read(item.record, item.place))
    kept = request.answering.get(_title(body), ())
    told = []
    for place, moved, _ in _moving(body, request.mapping):
        if place in kept:
            told.append(f"{item.title} goes on asking service {place}, which is there, not {moved}")
        elif item.action in TO_APPLY:
            told.append(f"{item.title} is going to ask service {moved}, not {place}")
    return list(dict.fromkeys(told))


def _moving(body: Json, mapping: Mapping[str, str]) -> Iterator[tuple[str, str, Json]]:
    """The references whose namespace is mapped to another one: where each points, where the copy
    of that is, and the reference itself."""
    spec = body.get("spec") or {}
    conversion = (spec.get("conversion") or {}).get("webhook") or {}
    for holder in (spec, *(one.get("clientConfig") or {} for one in _asking(body, conversion))):
        service = holder.get("service") or {}
        space = service.get("namespace", "")
        if mapping.get(space, space) != space:
            name = service.get("name", "")
            yield f"{space}/{name}", f"{mapping[space]}/{name}", service


def _asking(body: Json, conversion: Json) -> Iterator[Json]:
    yield from body.get("webhooks") or []
    yield conversion


def _title(body: Json) -> str:
    return f"{body['kind']} {body['metadata']['name']}"


def _listed(cluster: Cluster, kind: Kind) -> Iterator[Json]:
    """A kind that may not be listed counts as absent, as everywhere in a plan, which names it."""
    try:
        for page in cluster.list_pages(kind):
            for raw in page.items:
                yield msgspec.json.decode(raw)
    except LifeboatError as error:
        if error.retryable:
            raise


def _is_there(cluster: Cluster, place: str) -> bool:
    space, _, name = place.partition("/")
    try:
        cluster.get(_SERVICE, space, name)
    except NotFound:
        return False
    except LifeboatError as error:
        if error.retryable:
            raise
    return True
