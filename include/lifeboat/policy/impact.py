"""What an edit of a policy's retention does to the points there are: pure, before anything goes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from lifeboat.policy.retention import RetentionPoint, decide
from lifeboat.policy.rules import Retention


@dataclass(frozen=True)
class Change:
    """One point that the two rules treat differently: what the old and what the new one says."""

    point: str
    captured_at: datetime
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class Impact:
    """`goes`: points that only the old rules keep; `stays`: that only the new ones keep. Each
    newest first. What both remove is no impact of the edit."""

    goes: tuple[Change, ...]
    stays: tuple[Change, ...]


def impact(
    points: Iterable[RetentionPoint], before: Retention, after: Retention, now: datetime
) -> Impact:
    """Compares the decisions of two rules about the same points at the same moment."""
    given = list(points)
    old, new = decide(given, before, now), decide(given, after, now)
    kept_by_old = {one.id: one.reasons for one in old.keep}
    kept_by_new = {one.id: one.reasons for one in new.keep}
    goes = tuple(
        Change(one.id, one.point.captured_at, kept_by_old[one.id], one.reasons)
        for one in new.remove
        if one.id in kept_by_old
    )
    stays = tuple(
        Change(one.id, one.point.captured_at, one.reasons, kept_by_new[one.id])
        for one in old.remove
        if one.id in kept_by_new
    )
    return Impact(goes, stays)
