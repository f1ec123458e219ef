"""The checks of a test restore. Each says what it saw; one that cannot run did not pass (P4).

To add one: a function here, its name in CHECKS and in the policy's model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lifeboat.clock import monotonic
from lifeboat.errors import LifeboatError, NotFound
from lifeboat.point.facts import CheckResult
from lifeboat.restore.apply import cleaned_body, reader_of, target_of
from lifeboat.restore.model import RESTORED, RestorePlan, VolumesResult
from lifeboat.restore.parts import items_of
from lifeboat.steps.context import Context

_NAMED = 5  # how many offenders a sentence names before it only counts


@dataclass(frozen=True)
class Tested:
    """What a check may look at: the plan that was applied, the volumes' account, and what was not
    ready when waiting ended."""

    context: Context
    plan: RestorePlan
    volumes: VolumesResult
    not_ready: tuple[str, ...]


_Finding = tuple[str, str]  # outcome, detail
_Check = Callable[[Tested], _Finding]


def run_checks(names: Iterable[str], tested: Tested) -> tuple[CheckResult, ...]:
    """Run the named checks in order; an error of a check is its result, not the end of the run."""
    results = []
    for name in names:
        began = monotonic()
        try:
            outcome, detail = CHECKS[name](tested)
        except LifeboatError as error:
            if error.retryable:
                raise
            outcome, detail = "impossible", error.message
        seconds = monotonic() - began
        results.append(CheckResult(name, outcome, detail, seconds))  # type: ignore[arg-type]
    return tuple(results)


def workloads_ready(tested: Tested) -> _Finding:
    """Every restored workload reported all its pods ready within the time allowed."""
    if tested.not_ready:
        return "failed", _some("not ready", tested.not_ready)
    kinds = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod")
    restored = items_of(tested.context.vault, tested.plan, RESTORED)
    workloads = sum(item.kind.kind in kinds for item in restored)
    return "passed", f"{workloads} workloads ready"


def objects_complete(tested: Tested) -> _Finding:
    """Every object of the plan is there and holds everything the point holds of it."""
    cluster, plan = tested.context.cluster, tested.plan
    reader, target = reader_of(tested.context, plan), target_of(plan)
    missing, different, seen = [], [], 0
    for item in items_of(tested.context.vault, plan, RESTORED):
        seen += 1
        wanted = cleaned_body(reader, item, target).body
        try:
            live = cluster.get(item.kind, item.namespace or None, item.name)
        except NotFound:
            missing.append(item.title)
            continue
        where = difference(wanted, live)
        if where:
            different.append(f"{item.title} at {where}")
    if missing or different:
        both = [*(f"{title} is missing" for title in missing), *different]
        return "failed", _some("incomplete", both)
    return "passed", f"{seen} objects there and equal"


def volume_bytes_equal(tested: Tested) -> _Finding:
    """Every restored volume held the very bytes of the snapshot, before a workload touched it."""
    if not tested.plan.volumes:
        return "passed", "the point holds no volumes"
    failed, impossible = [], []
    for volume in tested.volumes.volumes:
        if volume.error:
            failed.append(f"{volume.title}: {volume.error}")
        elif not volume.captured_digest or not volume.content_digest:
            impossible.append(volume.title)
        elif volume.captured_digest != volume.content_digest:
            failed.append(f"{volume.title}: the bytes differ from the snapshot's")
    if failed:
        return "failed", _some("wrong", failed)
    if impossible:
        return "impossible", _some("cannot be read from outside a pod", impossible)
    return "passed", f"{len(tested.volumes.volumes)} volumes equal to their snapshots"


def difference(wanted: object, live: object, path: str = "") -> str:
    """Where `live` lacks something that `wanted` holds: a field path, empty when it lacks nothing.
    What only the live object has (defaults, status, new ids) is no difference."""
    if isinstance(wanted, dict):
        if not isinstance(live, dict):
            return path or "."
        for key, value in wanted.items():
            if value not in (None, {}, []) or live.get(key):
                found = difference(value, live.get(key), f"{path}.{key}")
                if found:
                    return found
        return ""
    if isinstance(wanted, list):
        if not isinstance(live, list) or len(live) < len(wanted):
            return path or "."
        pairs = enumerate(zip(wanted, live, strict=False))
        places = (difference(a, b, f"{path}[{n}]") for n, (a, b) in pairs)
        return next(filter(None, places), "")
    return "" if wanted == live else path


def _some(what: str, names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{len(names)} {what}: {'; '.join(names[:_NAMED])}{more}"


CHECKS: dict[str, _Check] = {
    "workloadsReady": workloads_ready,
    "objectsComplete": objects_complete,
    "volumeBytesEqual": volume_bytes_equal,
}
