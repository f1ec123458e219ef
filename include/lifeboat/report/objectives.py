"""How each instance stands against its objectives: the newest point, the newest proof, the gaps.

Pure: it is told what the catalog holds and what time it is; it reads nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lifeboat.report.coverage import Standing

State = Literal["protected", "late", "never", "unreadable"]


@dataclass(frozen=True)
class Unprotected:
    """Something that a point leaves out (P6): what it is, in one line, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class NewestPoint:
    """The newest good point. Times are RFC 3339, age and window in seconds; `apart` tells how far
    apart in time its objects and volumes are."""

    point: str
    captured_at: str
    age_seconds: int
    objects: int
    volumes: int
    complete: bool
    apart: tuple[str, ...] = ()


@dataclass(frozen=True)
class NewestProof:
    """The newest point that a test restore proved, with its measured recovery time."""

    point: str
    captured_at: str
    proven_at: str
    rto_seconds: float


@dataclass(frozen=True)
class InstanceStatus:
    """One row of the Recovery page.

    `state`: protected (newest good point within the RPO), late (older than the RPO), never (no good
    point yet), unreadable (the vault could not be read; `error` says why).
    `last_failed_proof` is the reason the newest test restore did not pass, empty when it did.
    `coverage` says whether some point was proven in time.
    """

    instance: str
    policy: str
    cluster: str
    state: State
    rpo_seconds: int
    rto_seconds: int
    newest: NewestPoint | None
    proof: NewestProof | None
    points: int
    unprotected: tuple[Unprotected, ...] = ()
    last_failed_proof: str = ""
    error: str = ""
    backup_dag: str = ""
    test_restore_dag: str = ""
    coverage: Standing = "untested"
