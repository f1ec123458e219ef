"""Reads one instance's standing from its vault; `objectives` says what the fields mean."""

from __future__ import annotations

from datetime import datetime

from lifeboat.clock import parse_rfc3339
from lifeboat.errors import LifeboatError
from lifeboat.point import catalog
from lifeboat.point.capture import Capture, describe
from lifeboat.point.facts import Verdict, read_verdicts
from lifeboat.point.manifest import Manifest
from lifeboat.policy.instance import Instance
from lifeboat.report.coverage import WITHIN, Standing, judged
from lifeboat.report.objectives import (
    InstanceStatus,
    NewestPoint,
    NewestProof,
    State,
    Unprotected,
)
from lifeboat.vault.vault import Vault


def read_status(vault: Vault, instance: Instance, now: datetime) -> InstanceStatus:
    """One row for one instance; a vault that cannot be read is a row of its own, not an error."""
    try:
        return _status(vault, instance, now)
    except LifeboatError as error:
        return unreadable(instance, error)


def unreadable(instance: Instance, error: LifeboatError) -> InstanceStatus:
    """The row of an instance whose vault cannot be opened or read."""
    return _row(instance, "unreadable", None, None, 0, error=str(error), coverage="unreadable")


def _status(vault: Vault, instance: Instance, now: datetime) -> InstanceStatus:
    points = catalog.point_ids(vault, instance.id)
    newest = catalog.newest(vault, instance.id)
    verdicts = read_verdicts(vault, instance.id)
    state: State = "never"
    if newest is not None:
        age = (now - parse_rfc3339(newest.captured_to)).total_seconds()
        late = age > instance.policy.objectives.rpo.total_seconds()
        state = "late" if late else "protected"
    return _row(
        instance,
        state,
        _newest(newest, now) if newest else None,
        _proof(vault, instance, verdicts, set(points)),
        len(points),
        unprotected=_unprotected(newest) if newest else (),
        last_failed_proof=_last_failure(verdicts),
        coverage=judged(verdicts, instance, now, WITHIN).standing,
    )


def _row(
    instance: Instance,
    state: State,
    newest: NewestPoint | None,
    proof: NewestProof | None,
    points: int,
    *,
    unprotected: tuple[Unprotected, ...] = (),
    last_failed_proof: str = "",
    error: str = "",
    coverage: Standing = "untested",
) -> InstanceStatus:
    policy = instance.policy
    return InstanceStatus(
        instance=instance.id,
        policy=policy.name,
        cluster=instance.cluster.name,
        state=state,
        rpo_seconds=int(policy.objectives.rpo.total_seconds()),
        rto_seconds=int(policy.objectives.rto.total_seconds()),
        newest=newest,
        proof=proof,
        points=points,
        unprotected=unprotected,
        last_failed_proof=last_failed_proof,
        error=error,
        backup_dag=instance.backup_dag,
        test_restore_dag=instance.test_restore_dag if policy.test_restore else "",
        coverage=coverage,
    )


def _newest(manifest: Manifest, now: datetime) -> NewestPoint:
    age = now - parse_rfc3339(manifest.captured_to)
    return NewestPoint(
        point=manifest.point,
        captured_at=manifest.captured_to,
        age_seconds=int(age.total_seconds()),
        objects=manifest.objects,
        volumes=len(manifest.volumes),
        complete=manifest.complete,
        apart=tuple(describe(manifest.capture or Capture())),
    )


def _proof(
    vault: Vault, instance: Instance, verdicts: list[Verdict], points: set[str]
) -> NewestProof | None:
    """The newest point (by capture, which its id begins with) that was proven and still exists."""
    proven = [v for v in verdicts if v.proven and v.point in points]
    if not proven:
        return None
    best = max(proven, key=lambda verdict: (verdict.point, verdict.ended))
    manifest = catalog.find(vault, instance.id, best.point)
    return NewestProof(best.point, manifest.captured_to, best.ended, best.rto_seconds)


def _last_failure(verdicts: list[Verdict]) -> str:
    if not verdicts or verdicts[-1].proven:
        return ""
    last = verdicts[-1]
    failed = [f"{c.name}: {c.detail}" for c in last.checks if c.outcome != "passed"]
    return "; ".join([*failed, last.error] if last.error else failed)


def _unprotected(manifest: Manifest) -> tuple[Unprotected, ...]:
    ordered = sorted(manifest.left_out, key=lambda entry: (entry.severity != "loss", entry.what))
    return tuple(Unprotected(entry.what, entry.reason) for entry in ordered)
