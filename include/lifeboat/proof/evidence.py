"""Why something did not come up: pods that are not ready with the end of their logs, and warnings
among the events. Bounded, and without the Secrets of the point.

Masked is every value of every Secret that the point holds, as it is, in base64 and line by line: a
log that quotes a password is common, a verdict that keeps it would be a leak (P8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from lifeboat.errors import LifeboatError
from lifeboat.point.facts import Evidence
from lifeboat.point.manifest import open_contents, read_manifest
from lifeboat.ports.cluster import Cluster, Json, Kind
from lifeboat.report.secrets import Mask, values_of
from lifeboat.steps.context import Context

_PODS, _CONTAINERS, _EVENTS, _LINES = 6, 3, 20, 15
_CHARACTERS = 4_000
_ALL_CHARACTERS = 24_000
_POD = Kind("", "v1", "pods", "Pod", namespaced=True)
_EVENT = Kind("", "v1", "events", "Event", namespaced=True)


def mask_of(context: Context, point: str) -> Mask:
    """Knows every Secret of the point."""
    contents = open_contents(
        context.vault, read_manifest(context.vault, context.instance.id, point)
    )
    reader, found = contents.reader(), set[str]()
    for entry in contents:
        if entry.group_kind == "Secret":
            found |= values_of(msgspec.json.decode(reader.read(entry.record, entry.place)))
    return Mask(frozenset(found))


def masking(context: Context, point: str) -> Callable[[str], str]:
    """As `mask_of`; where the Secrets cannot be read, it tells nothing but that."""
    try:
        return mask_of(context, point)
    except LifeboatError as error:
        why = f"not told, since the point's Secrets cannot be read to mask it: {error.message}"
        return lambda text: why if text else ""


def bounded(evidence: list[Evidence], mask: Callable[[str], str]) -> tuple[Evidence, ...]:
    """Masked, the end of each, and not more in all than a verdict should weigh."""
    kept, room = [], _ALL_CHARACTERS
    for one in evidence:
        text = mask(one.text)[-min(_CHARACTERS, room) :].strip() if room > 0 else ""
        if text:
            kept.append(Evidence(mask(one.what), text))
            room -= len(text)
    return tuple(kept)


def failing_pods(cluster: Cluster, namespaces: list[str]) -> list[Evidence]:
    """Pods that are not ready, a few of them, with the end of their logs, then the events."""
    found: list[Evidence] = []
    try:
        pods = [pod for name in namespaces for pod in _list(cluster, _POD, name)]
        for pod in [pod for pod in pods if not _well(pod)][:_PODS]:
            found += _about(cluster, pod)
        events = [event for name in namespaces for event in _list(cluster, _EVENT, name)]
        warnings = sorted(filter(_is_warning, events), key=_last_seen)[-_EVENTS:]
        if warnings:
            found.append(Evidence("events", "\n".join(map(_told, warnings))))
    except LifeboatError as error:
        found.append(Evidence("evidence", f"cannot be had: {error.message}"))
    return found


def said_by_job(cluster: Cluster, namespace: str, job: str) -> tuple[str, str]:
    """The end of the log of a Job's pod, and what keeps the pod from running, if anything."""
    selector = f"batch.kubernetes.io/job-name={job}"
    said, why = "", ""
    try:
        for pod in _list(cluster, _POD, namespace, selector):
            said = _log(cluster, pod, "")
            why = "; ".join(_waiting(pod))
    except LifeboatError as error:
        why = why or error.message
    return said, why


def _list(cluster: Cluster, kind: Kind, namespace: str, selector: str = "") -> Iterator[Json]:
    for page in cluster.list_pages(kind, namespace=namespace, label_selector=selector):
        yield from (msgspec.json.decode(raw) for raw in page.items)


def _well(pod: Json) -> bool:
    status = pod.get("status") or {}
    if status.get("phase") == "Succeeded":
        return True
    conditions = status.get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _about(cluster: Cluster, pod: Json) -> Iterator[Evidence]:
    title = f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']}"
    phase = (pod.get("status") or {}).get("phase", "unknown")
    yield Evidence(title, "; ".join([f"is {phase}, not ready", *_waiting(pod)]))
    for container in (pod["spec"].get("containers") or ())[:_CONTAINERS]:
        text = _log(cluster, pod, container["name"])
        if text:
            yield Evidence(f"log of {title} ({container['name']})", text)


def _waiting(pod: Json) -> Iterator[str]:
    status = pod.get("status") or {}
    told = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    for one in told:
        state = one.get("state") or {}
        for what in ("waiting", "terminated"):
            reason = (state.get(what) or {}).get("reason", "")
            if reason and reason != "Completed":
                yield f"container {one['name']}: {reason}, restarted {one.get('restartCount', 0)}"


def _log(cluster: Cluster, pod: Json, container: str) -> str:
    place = pod["metadata"]
    try:
        return cluster.log(place["namespace"], place["name"], lines=_LINES, container=container)
    except LifeboatError:
        return ""  # it never ran, or logs may not be read: its state says more


def _is_warning(event: Json) -> bool:
    return bool(event.get("type") == "Warning")


def _last_seen(event: Json) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


def _told(event: Json) -> str:
    about = event.get("involvedObject") or {}
    place = f"{about.get('kind', '')} {about.get('namespace', '')}/{about.get('name', '')}"
    return f"{place}: {event.get('reason', '')}: {event.get('message', '')}"
