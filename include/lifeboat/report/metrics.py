"""The figures of instances under the names that Prometheus and StatsD know them by.

Everything comes from the vault, so that it is as true without Airflow. One instance, one row of
labels: `policy` and `cluster`. Times are Unix seconds, lengths seconds, sizes bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from lifeboat.clock import parse_rfc3339
from lifeboat.policy.alerts import AlertsFile
from lifeboat.report.concerns import Sight, proof_due

METRICS: Mapping[str, str] = {
    "lifeboat_read_timestamp_seconds": "When these figures were read.",
    "lifeboat_vault_readable": "1 when the instance's part of the vault could be read, else 0.",
    "lifeboat_points": "Committed points, complete or not.",
    "lifeboat_failures": "Backups since the newest complete point that made none.",
    "lifeboat_damaged_packs": "Packs of the vault on record as damaged.",
    "lifeboat_rpo_seconds": "The recovery point objective.",
    "lifeboat_rto_seconds": "The recovery time objective.",
    "lifeboat_last_success_timestamp_seconds": "When the newest complete point was captured.",
    "lifeboat_last_success_age_seconds": "Age of the newest complete point.",
    "lifeboat_last_success_duration_seconds": "From the start of its capture to its commit.",
    "lifeboat_last_success_start_delay_seconds": "From its tick to the start of its capture.",
    "lifeboat_last_success_bytes": "What its objects are as JSON.",
    "lifeboat_last_success_new_bytes": "What its packs added to the vault.",
    "lifeboat_last_success_items": "Its objects.",
    "lifeboat_last_success_volumes": "Its snapshots of volumes.",
    "lifeboat_last_proof_timestamp_seconds": "When a point that still exists was last proven.",
    "lifeboat_last_proof_recovery_seconds": "The recovery time that this proof measured.",
    "lifeboat_last_proof_passed": "1 when the newest test restore proved its point, else 0.",
    "lifeboat_proof_due_timestamp_seconds": "Until when it has to be proven, with testRestore.",
    "lifeboat_standby_lag_seconds": "Age of what lies in its standby, while that stands by.",
    "lifeboat_standby_max_lag_seconds": "How old that may be.",
}
"""Every metric, all of them gauges, and what it means."""


@dataclass(frozen=True)
class Sample:
    """One value; `labels` are policy and cluster."""

    name: str
    labels: Mapping[str, str]
    value: float


def samples(sight: Sight, limits: AlertsFile, now: datetime) -> Iterator[Sample]:
    """The figures of one instance; what is not known is left out, never 0."""
    labels = {"policy": sight.status.policy, "cluster": sight.status.cluster}
    readable = sight.status.state != "unreadable"
    figures = [("read_timestamp_seconds", now.timestamp()), *_known(sight, readable)]
    if readable:
        figures += [*_of_points(sight), *_of_proofs(sight, limits), *_of_standby(sight)]
    for name, value in figures:
        yield Sample(f"lifeboat_{name}", labels, float(value))


def _known(sight: Sight, readable: bool) -> Iterator[tuple[str, float]]:
    yield "vault_readable", readable
    yield "rpo_seconds", sight.status.rpo_seconds
    yield "rto_seconds", sight.status.rto_seconds


def _of_points(sight: Sight) -> Iterator[tuple[str, float]]:
    status, newest = sight.status, sight.newest
    yield "points", status.points
    yield "failures", sight.failures
    yield "damaged_packs", sight.damaged_packs
    if newest and status.newest:
        started, ended = parse_rfc3339(newest.captured_from), parse_rfc3339(newest.committed)
        yield "last_success_timestamp_seconds", parse_rfc3339(newest.captured_to).timestamp()
        yield "last_success_age_seconds", status.newest.age_seconds
        yield "last_success_duration_seconds", (ended - started).total_seconds()
        yield "last_success_bytes", newest.object_bytes
        yield "last_success_new_bytes", newest.new_bytes
        yield "last_success_items", newest.objects
        yield "last_success_volumes", len(newest.volumes)
    if sight.delay_seconds is not None:
        yield "last_success_start_delay_seconds", sight.delay_seconds


def _of_proofs(sight: Sight, limits: AlertsFile) -> Iterator[tuple[str, float]]:
    proof, due = sight.status.proof, proof_due(sight, limits)
    if proof:
        yield "last_proof_timestamp_seconds", parse_rfc3339(proof.proven_at).timestamp()
        yield "last_proof_recovery_seconds", proof.rto_seconds
    if sight.verdict:
        yield "last_proof_passed", sight.verdict.proven
    if due:
        yield "proof_due_timestamp_seconds", due.timestamp()


def _of_standby(sight: Sight) -> Iterator[tuple[str, float]]:
    standby = sight.standby
    if standby is None or standby.state in ("failing-over", "active", "failing-back"):
        return  # what runs there is newer than any point, and no lag
    if standby.lag_seconds is not None:
        yield "standby_lag_seconds", standby.lag_seconds
    yield "standby_max_lag_seconds", standby.limit_seconds


def exposition(found: Iterable[Sample]) -> str:
    """Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/.
    Names of policies and clusters need no escaping."""
    by_name: dict[str, list[Sample]] = {}
    for sample in found:
        by_name.setdefault(sample.name, []).append(sample)
    lines = []
    for name in sorted(by_name):
        lines += [f"# HELP {name} {METRICS[name]}", f"# TYPE {name} gauge"]
        for sample in by_name[name]:
            labels = ",".join(f'{key}="{value}"' for key, value in sample.labels.items())
            lines.append(f"{name}{{{labels}}} {sample.value:.17g}")
    return "".join(f"{line}\n" for line in lines)
