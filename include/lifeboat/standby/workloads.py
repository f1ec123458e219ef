"""Holds what runs in a cluster, and lets it go again, object by object (restore/hold.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from lifeboat.clock import poll_until
from lifeboat.errors import Forbidden, LifeboatError, NotFound
from lifeboat.ports.cluster import Cluster, Json, Kind
from lifeboat.restore.hold import HELD_FIRST, HELD_KINDS, hold_patch, is_held, release_patch
from lifeboat.restore.wait import why_not_ready

Mine = Callable[[Kind, Json], bool]
Say = Callable[[str], None]

GONE_SECONDS = 180.0
READY_SECONDS = 600.0
_PLURALS = {
    "Deployment.apps": "deployments",
    "StatefulSet.apps": "statefulsets",
    "ReplicaSet.apps": "replicasets",
    "ReplicationController": "replicationcontrollers",
    "DaemonSet.apps": "daemonsets",
    "Pod": "pods",
    "CronJob.batch": "cronjobs",
    "Job.batch": "jobs",
}
_BY_ITSELF = ("CronJob.batch", "Job.batch")


_VERBS = ("create", "get", "list", "patch")
"""What every cluster offers of these kinds; a policy takes none that cannot be listed and made."""


def _kind(group_kind: str) -> Kind:
    name, _, group = group_kind.partition(".")
    return Kind(group, "v1", _PLURALS[group_kind], name, namespaced=True, verbs=_VERBS)


_KINDS = tuple(_kind(name) for name in HELD_KINDS)


def everything(_: Kind, __: Json) -> bool:
    """For whoever lets go whatever is held."""
    return True


def fence(cluster: Cluster, namespaces: Iterable[str], mine: Mine, say: Say) -> list[str]:
    """Hold everything of `mine` that runs, what starts by itself first, and wait until its pods are
    gone. Returns what still runs, with the reason. Safe to repeat."""
    spaces, held = sorted(set(namespaces)), 0
    trouble: list[str] = []
    seen: list[Kind] = []
    for kind in reversed(_KINDS):
        try:
            for space, live in _owned_by_nobody(cluster, kind, spaces):
                if not mine(kind, live):
                    continue
                patch = hold_patch(live, kind.group_kind)
                if patch is not None:
                    held += _patched(cluster, kind, space, live, patch)
                elif kind.kind == "Pod" and not is_held(live) and not _over(live):
                    name = f"{space}/{live['metadata']['name']}"
                    trouble.append(f"pod {name} runs on: no controller, delete it by hand")
            seen.append(kind)
        except Forbidden as error:
            trouble.append(f"{kind.resource} were not held: {error.message.splitlines()[0]}")
    say(f"{held} workloads held in {', '.join(spaces) or 'no namespace'}")
    left = poll_until(lambda: _active(cluster, seen, spaces), seconds=GONE_SECONDS)
    return [*trouble, *left]


def release(
    cluster: Cluster, namespaces: Iterable[str], mine: Mine, say: Say, between: Callable[[], None]
) -> list[str]:
    """Let everything of `mine` go that is held: StatefulSets first, and when they are ready the
    others; `between` is called when all are up, and then what starts by itself is let go. Returns
    what was not ready in time, or cannot be let go. Safe to repeat."""
    spaces = sorted(set(namespaces))
    trouble: list[str] = []
    for turn in ((HELD_FIRST,), tuple(n for n in HELD_KINDS if n not in (HELD_FIRST, *_BY_ITSELF))):
        let_go = _let_go(cluster, turn, spaces, mine, trouble)
        say(f"{let_go} of {', '.join(name.partition('.')[0] for name in turn)} let go")
        wanted = [kind for kind in _KINDS if kind.group_kind in turn]
        late = poll_until(
            lambda wanted=wanted: _not_ready(cluster, wanted, spaces, mine),  # type: ignore[misc]
            seconds=READY_SECONDS,
        )
        trouble += [one for one in late if one not in trouble]
    between()
    resumed = _let_go(cluster, _BY_ITSELF, spaces, mine, trouble)
    say(f"{resumed} CronJobs and Jobs resumed")
    return trouble


def _let_go(
    cluster: Cluster, turn: Sequence[str], spaces: list[str], mine: Mine, trouble: list[str]
) -> int:
    count = 0
    for kind in (one for one in _KINDS if one.group_kind in turn):
        for space, live in _owned_by_nobody(cluster, kind, spaces):
            if not is_held(live) or not mine(kind, live):
                continue
            patch = release_patch(live, kind.group_kind)
            title = f"{kind.group_kind} {space}/{live['metadata']['name']}"
            if patch is None:
                trouble.append(f"{title}: what it had before nobody can read; set it by hand")
                continue
            try:
                count += _patched(cluster, kind, space, live, patch)
            except LifeboatError as error:
                if error.retryable:
                    raise
                trouble.append(f"{title} is still held: {error.message.splitlines()[0]}")
    return count


def _owned_by_nobody(
    cluster: Cluster, kind: Kind, spaces: Iterable[str]
) -> Iterator[tuple[str, Json]]:
    """What its controller makes is held through its controller. Namespaces that are not there hold
    nothing."""
    for space in spaces:
        for page in cluster.list_pages(kind, namespace=space):
            for raw in page.items:
                live: Json = msgspec.json.decode(raw)
                owners = live["metadata"].get("ownerReferences") or ()
                if not any(owner.get("controller") for owner in owners):
                    yield space, live


def _patched(cluster: Cluster, kind: Kind, space: str, live: Json, patch: Json) -> int:
    try:
        cluster.patch(kind, space, live["metadata"]["name"], patch)
    except NotFound:
        return 0
    return 1


def _active(cluster: Cluster, kinds: list[Kind], spaces: list[str]) -> list[str]:
    """Held workloads that still have pods."""
    found = []
    for kind in kinds:
        if kind.kind == "Pod" or kind.group_kind == "CronJob.batch":
            continue
        for space, live in _owned_by_nobody(cluster, kind, spaces):
            status = live.get("status") or {}
            pods = sum(
                status.get(name) or 0 for name in ("replicas", "currentNumberScheduled", "active")
            )
            if is_held(live) and pods:
                name = f"{kind.group_kind} {space}/{live['metadata']['name']}"
                found.append(f"{name} still has {pods} pods")
    return found


def _not_ready(cluster: Cluster, kinds: list[Kind], spaces: list[str], mine: Mine) -> list[str]:
    found = []
    for kind in kinds:
        for space, live in _owned_by_nobody(cluster, kind, spaces):
            why = why_not_ready(kind.kind, live) if mine(kind, live) else ""
            if why:
                found.append(f"{kind.group_kind} {space}/{live['metadata']['name']} {why}")
    return found


def _over(pod: Json) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
