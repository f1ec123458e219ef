"""The checks of a test restore. Each says what it saw; one that cannot run did not pass (P4).

Lifeboat's own are here; those that users write run in means.py. To add one of our own: a function
here, its name in CHECKS and in the policy's model (policy/checks.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from lifeboat.clock import monotonic
from lifeboat.errors import HookFailed, LifeboatError, NotFound, NotReady
from lifeboat.point.facts import CheckResult, Evidence
from lifeboat.policy.checks import BuiltIn, Check
from lifeboat.proof.evidence import bounded, failing_pods, mask_of
from lifeboat.proof.finding import Finding, Tested
from lifeboat.proof.means import run_custom
from lifeboat.restore.apply import cleaned_body, reader_of, target_of
from lifeboat.restore.hooks import stored_hooks
from lifeboat.restore.model import NOT_RESTORED, RESTORED
from lifeboat.restore.parts import items_of

_NAMED = 5  # how many offenders a sentence names before it only counts


_Check = Callable[[Tested], Finding]


class Checked(msgspec.Struct, frozen=True):
    """What all checks of a test restore found; stored, so that no task hands logs to another."""

    results: tuple[CheckResult, ...]
    evidence: tuple[Evidence, ...]


def run_checks(checks: Sequence[Check], tested: Tested) -> Checked:
    """Run the checks in order; an error of a check is its result, not the end of the run. Where one
    did not pass, or something never got ready, the failing pods are looked at."""
    results, logs = [], []
    for check in checks:
        began = monotonic()
        found = _found(check, tested)
        seconds = monotonic() - began
        result = CheckResult(check.title, found.outcome, found.detail, seconds, found.figure)
        results.append(result)
        if found.outcome != "passed" and found.log:
            logs.append(Evidence(f"what {check.title} said", found.log))
    well = all(result.outcome == "passed" for result in results) and not tested.not_ready
    if well and all(check.builtin for check in checks):
        return Checked(tuple(results), ())  # nothing that could quote a Secret
    mask = mask_of(tested.context, tested.plan.request.point)
    namespaces = [] if well else sorted(tested.namespaces.values())
    pods = failing_pods(tested.context.cluster, namespaces)
    masked = (msgspec.structs.replace(one, detail=mask(one.detail)) for one in results)
    return Checked(tuple(masked), bounded([*logs, *pods], mask))


def _found(check: Check, tested: Tested) -> Finding:
    try:
        if check.builtin is not None:
            return CHECKS[check.builtin](tested)
        return run_custom(check, tested)
    except HookFailed as error:
        return Finding("failed", error.message)
    except LifeboatError as error:
        if error.retryable and not isinstance(error, NotReady):
            raise
        return Finding("impossible", error.message)


def workloads_ready(tested: Tested) -> Finding:
    """Every restored workload reported all its pods ready within the time allowed, and no hook
    that has to succeed failed."""
    hooked = stored_hooks(tested.context, tested.plan)
    if hooked and hooked.failed:
        return Finding("failed", _some("did not work", hooked.failed))
    if tested.not_ready:
        return Finding("failed", _some("not ready", tested.not_ready))
    kinds = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod")
    restored = items_of(tested.context.vault, tested.plan, RESTORED)
    workloads = sum(item.kind.kind in kinds for item in restored)
    return Finding("passed", f"{workloads} workloads ready", workloads)


def objects_complete(tested: Tested) -> Finding:
    """Every object that the point was asked for is there and holds everything the point holds of
    it; what could not even be tried is missing, too."""
    cluster, plan = tested.context.cluster, tested.plan
    reader, target = reader_of(tested.context, plan), target_of(plan)
    missing, different, seen = [], [], 0
    for item in items_of(tested.context.vault, plan, (*RESTORED, *NOT_RESTORED)):
        if item.action in NOT_RESTORED:
            missing.append(f"{item.title} is missing: {item.reason}")
            continue
        seen += 1
        wanted = cleaned_body(reader, item, target).body
        try:
            live = cluster.get(item.kind, item.namespace or None, item.name)
        except NotFound:
            missing.append(f"{item.title} is missing")
            continue
        where = difference(wanted, live)
        if where:
            different.append(f"{item.title} at {where}")
    if missing or different:
        return Finding("failed", _some("incomplete", [*missing, *different]))
    return Finding("passed", f"{seen} objects there and equal", seen)


def volume_bytes_equal(tested: Tested) -> Finding:
    """Every restored volume held the very bytes of the snapshot, before a workload touched it."""
    if not tested.plan.volumes:
        return Finding("passed", "the point holds no volumes")
    failed, impossible = [], []
    for volume in tested.volumes.volumes:
        if volume.error:
            failed.append(f"{volume.title}: {volume.error}")
        elif not volume.captured_digest or not volume.content_digest:
            impossible.append(volume.title)
        elif volume.captured_digest != volume.content_digest:
            failed.append(f"{volume.title}: the bytes differ from the snapshot's")
    if failed:
        return Finding("failed", _some("wrong", failed))
    if impossible:
        return Finding("impossible", _some("cannot be read from outside a pod", impossible))
    return Finding("passed", f"{len(tested.volumes.volumes)} volumes equal to their snapshots")


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


CHECKS: dict[BuiltIn, _Check] = {
    "workloadsReady": workloads_ready,
    "objectsComplete": objects_complete,
    "volumeBytesEqual": volume_bytes_equal,
}
