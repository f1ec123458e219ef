"""Puts the fleet into the words and figures that the Recovery page shows.

Pure: from InstanceStatus and the present moment to strings. Templates only place them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from lifeboat.clock import parse_rfc3339
from lifeboat.report.objectives import InstanceStatus, NewestPoint, NewestProof, State, Unprotected
from lifeboat.web.access import Sight
from lifeboat.web.clusters import ClusterView, cluster_view
from lifeboat.web.reader import Snapshot
from lifeboat.web.words import ago, count, duration, moment

STATE_WORDS: dict[State, str] = {
    "unreadable": "Unreadable",
    "never": "Never",
    "late": "Late",
    "protected": "Protected",
}
"""What a state is called on its badge, worst first."""

_TROUBLES: dict[State, str] = {
    "late": "late",
    "never": "never backed up",
    "unreadable": "unreadable",
}

PROOF_WINDOW = timedelta(days=7)
LISTED = 50
"""Unprotected things named in a row; the rest is in `lifeboat show`."""


@dataclass(frozen=True)
class PointView:
    """The newest point. `percent` is its age as a share of the RPO, at most 100."""

    point: str
    age: str
    captured: str
    captured_iso: str
    percent: int
    objective: str
    contents: str
    complete: bool
    apart: tuple[str, ...]


@dataclass(frozen=True)
class ProofView:
    """The newest proven point. `percent` is the measured RTO as a share of the objective."""

    point: str
    proven: str
    proven_at: str
    proven_iso: str
    captured: str
    captured_iso: str
    percent: int
    rto: str
    objective: str
    within: bool


@dataclass(frozen=True)
class Row:
    """One instance. `rank` sorts worst first; `age_seconds` is -1 without a point."""

    instance: str
    policy: str
    cluster: str
    state: State
    state_word: str
    rank: int
    age_seconds: int
    newest: PointView | None
    proof: ProofView | None
    failed_proof: str
    unprotected: tuple[Unprotected, ...]
    unprotected_count: int
    unprotected_words: str
    points: str
    error: str
    rpo: str
    rto: str
    backup_dag: str
    test_restore_dag: str
    may_back_up: bool
    may_restore: bool
    restorable: bool

    @property
    def unlisted(self) -> int:
        """How many unprotected things are not named in `unprotected`."""
        return self.unprotected_count - len(self.unprotected)


@dataclass(frozen=True)
class Chip:
    """A filter: its key, its words, how many rows it matches."""

    key: str
    words: str
    rows: int


@dataclass(frozen=True)
class FleetView:
    """Everything the page shows; `rows` worst first."""

    summary: str
    chips: tuple[Chip, ...]
    rows: tuple[Row, ...]
    taken_at: str
    problems: tuple[str, ...]
    failure: str
    clusters: tuple[ClusterView, ...]


def fleet_view(sight: Sight, snapshot: Snapshot) -> FleetView:
    """The page's content for one visitor, of the snapshot that `sight` is taken from."""
    taken_at = snapshot.taken_at
    ordered = sorted(sight.instances, key=_worst_first)
    rows = tuple(_row(rank, status, sight, taken_at) for rank, status in enumerate(ordered))
    return FleetView(
        "" if snapshot.failure else summary(ordered, taken_at),
        _chips(ordered),
        rows,
        f"{taken_at:%H:%M:%S} UTC",
        snapshot.problems if sight.may_restore else _withheld(snapshot.problems),
        snapshot.failure,
        tuple(cluster_view(cluster, taken_at) for cluster in sight.clusters),
    )


def summary(instances: list[InstanceStatus], now: datetime) -> str:
    """`7 of 9 protected, 1 late, 1 never backed up; 4 proven in the last 7 days`."""
    if not instances:
        return "Nothing is protected yet"
    total = len(instances)
    tally = {state: sum(row.state == state for row in instances) for state in STATE_WORDS}
    protected = tally["protected"]
    first = f"All {total} protected" if protected == total else f"{protected} of {total} protected"
    parts = [first] + [f"{tally[s]} {words}" for s, words in _TROUBLES.items() if tally[s]]
    recent = sum(
        row.proof is not None and now - parse_rfc3339(row.proof.proven_at) <= PROOF_WINDOW
        for row in instances
    )
    return f"{', '.join(parts)}; {recent or 'none'} proven in the last {PROOF_WINDOW.days} days"


def _withheld(problems: tuple[str, ...]) -> tuple[str, ...]:
    """They name policies that the visitor may not be allowed to know of."""
    if not problems:
        return ()
    return (f"{count(len(problems), 'mistake')}; who may start restores sees which.",)


def _chips(instances: list[InstanceStatus]) -> tuple[Chip, ...]:
    states = [
        Chip(state, words, sum(row.state == state for row in instances))
        for state, words in STATE_WORDS.items()
    ]
    failed = Chip(
        "failed-proof", "Test restore failed", sum(bool(row.last_failed_proof) for row in instances)
    )
    found = [chip for chip in [*states[:-1], failed, states[-1]] if chip.rows]
    return (Chip("", "All", len(instances)), *found)


def _worst_first(status: InstanceStatus) -> tuple[int, float, str]:
    """Trouble by kind, within a kind by how far the RPO is used up, then by name."""
    if status.state != "protected":
        kind = list(STATE_WORDS).index(status.state)
    elif status.last_failed_proof:
        kind = 10
    elif status.proof is None:
        kind = 11
    else:
        kind = 12
    used = status.newest.age_seconds / max(1, status.rpo_seconds) if status.newest else 0.0
    return kind, -used, status.instance


def _row(rank: int, status: InstanceStatus, sight: Sight, now: datetime) -> Row:
    missing = len(status.unprotected)
    return Row(
        instance=status.instance,
        policy=status.policy,
        cluster=status.cluster,
        state=status.state,
        state_word=STATE_WORDS[status.state],
        rank=rank,
        age_seconds=status.newest.age_seconds if status.newest else -1,
        newest=_point(status.newest, status.rpo_seconds) if status.newest else None,
        proof=_proof(status.proof, status.rto_seconds, now) if status.proof else None,
        failed_proof=status.last_failed_proof,
        unprotected=status.unprotected[:LISTED],
        unprotected_count=missing,
        unprotected_words=f"{missing:,} left out" if missing else "Nothing",
        points=count(status.points, "point"),
        error=status.error,
        rpo=duration(status.rpo_seconds),
        rto=duration(status.rto_seconds),
        backup_dag=status.backup_dag,
        test_restore_dag=status.test_restore_dag,
        may_back_up=status.backup_dag in sight.may_back_up,
        may_restore=sight.may_restore,
        restorable=status.state != "never",
    )


def _point(newest: NewestPoint, rpo_seconds: int) -> PointView:
    over = newest.age_seconds - rpo_seconds
    objective = duration(rpo_seconds)
    return PointView(
        point=newest.point,
        age=ago(newest.age_seconds),
        captured=moment(parse_rfc3339(newest.captured_at)),
        captured_iso=newest.captured_at,
        percent=_percent(newest.age_seconds, rpo_seconds),
        objective=f"{duration(over)} past the RPO of {objective}"
        if over > 0
        else f"RPO\N{NO-BREAK SPACE}{objective}",
        contents=f"{count(newest.objects, 'object')}, {count(newest.volumes, 'volume')}",
        complete=newest.complete,
        apart=newest.apart,
    )


def _proof(proof: NewestProof, rto_seconds: int, now: datetime) -> ProofView:
    proven, captured = parse_rfc3339(proof.proven_at), parse_rfc3339(proof.captured_at)
    within = proof.rto_seconds <= rto_seconds
    objective = duration(rto_seconds)
    return ProofView(
        point=proof.point,
        proven=ago((now - proven).total_seconds()),
        proven_at=moment(proven),
        proven_iso=proof.proven_at,
        captured=moment(captured),
        captured_iso=proof.captured_at,
        percent=_percent(proof.rto_seconds, rto_seconds),
        rto=duration(proof.rto_seconds),
        objective=f"RTO\N{NO-BREAK SPACE}{objective}" if within else f"over the RTO of {objective}",
        within=within,
    )


def _percent(part: float, whole: float) -> int:
    return min(100, max(0, round(100 * part / max(1, whole))))
