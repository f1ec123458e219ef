"""How an instance stood at a moment of the past, by what the vault still knows of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from lifeboat.clock import parse_rfc3339, rfc3339
from lifeboat.point import catalog
from lifeboat.point.facts import read_gaps, readable_verdicts, removed_points
from lifeboat.point.ident import stamp
from lifeboat.vault.vault import Vault


class Standing(msgspec.Struct, frozen=True):
    """`point` is the newest complete one captured before `at` that is still there, empty for none;
    `gone` are newer ones of that time that were removed since. `met`: whether the point was within
    the objective then. `proven`: whether a test restore had proved it by then. `gaps` counts the
    recorded ones that lie between the point and `at`."""

    at: str
    point: str
    captured_to: str
    age_seconds: int
    met: bool
    proven: bool
    gaps: int
    gone: tuple[str, ...] = ()


def standing_at(vault: Vault, instance: str, at: datetime, objective: timedelta) -> Standing:
    """Reads the manifest of that point, its verdicts, and the gaps."""
    before = [p for p in catalog.point_ids(vault, instance) if p < stamp(at)]
    found, _ = catalog.readable(vault, instance, before[-_NEWEST:])
    good = [m for m in found if m.complete and parse_rfc3339(m.captured_to) <= at]
    point = good[-1].point if good else ""
    gone = sorted(p for p in removed_points(vault, instance) if point < p < stamp(at))
    if not good:
        return Standing(rfc3339(at), "", "", 0, met=False, proven=False, gaps=0, gone=tuple(gone))
    captured = parse_rfc3339(good[-1].captured_to)
    proofs = readable_verdicts(vault, instance, point)
    moment = rfc3339(at)  # in UTC, so that times sort as text
    return Standing(
        at=moment,
        point=point,
        captured_to=good[-1].captured_to,
        age_seconds=round((at - captured).total_seconds()),
        met=at - captured <= objective,
        proven=any(v.proven and v.ended <= moment for v in proofs),
        gaps=sum(good[-1].captured_to < gap.tick <= moment for gap in read_gaps(vault, instance)),
        gone=tuple(gone),
    )


_NEWEST = 50  # of so many points in a row one is whole, or it does not matter which


def standing_lines(standing: Standing) -> Iterator[str]:
    """For people."""
    if not standing.point:
        yield f"at {standing.at} no point stood that is still there"
    else:
        age = timedelta(seconds=standing.age_seconds)
        verdict = "within" if standing.met else "older than"
        yield f"at {standing.at} point {standing.point} stood, {age} old: {verdict} the objective"
        yield f"it was {'proven' if standing.proven else 'not proven'} by then"
    if standing.gaps:
        yield f"{standing.gaps} intervals before that moment are recorded as gaps"
    if standing.gone:
        yield f"newer points of that time were removed since: {', '.join(standing.gone[-5:])}"
