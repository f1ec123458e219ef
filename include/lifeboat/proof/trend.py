"""How a measured recovery compares with earlier ones of the same instance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from lifeboat.point.facts import Verdict

LAST = 10
_FEWEST = 3
_REGRESSION = 1.5
"""Below that, a busy cluster explains it."""
_NOTABLE_SECONDS = 5.0
"""Nor is a regression what nobody would notice."""


@dataclass(frozen=True)
class Trend:
    """`median` of `count` earlier recoveries, in seconds; `ratio` to it, 0 when there are too few
    to compare with. `phase` is the one that grew most."""

    count: int
    median: float = 0.0
    ratio: float = 0.0
    slower: bool = False
    phase: str = ""

    def __str__(self) -> str:
        if not self.ratio:
            return f"nothing to compare with: {self.count} earlier proofs, {_FEWEST} are needed"
        what = f"the median of the last {self.count}, {self.median:.1f} s"
        if self.ratio >= 1.1:
            grown = f", most of it in {self.phase}" if self.phase else ""
            return f"{self.ratio:.1f}x slower than {what}{grown}"
        if self.ratio <= 0.9:
            return f"{1 / self.ratio:.1f}x faster than {what}"
        return f"about {what}"


def trend(verdict: Verdict, earlier: Iterable[Verdict], last: int = LAST) -> Trend:
    """Compare with the newest `last` earlier proofs into the same cluster; a test restore that
    failed says nothing about time."""
    proofs = [
        one
        for one in earlier
        if one.proven and one.test != verdict.test and one.cluster == verdict.cluster
    ]
    known = sorted(proofs, key=lambda one: one.ended)[-last:]
    if len(known) < _FEWEST:
        return Trend(len(known))
    middle = median(one.rto_seconds for one in known)
    ratio = verdict.rto_seconds / middle if middle else 0.0
    notable = verdict.rto_seconds - middle >= _NOTABLE_SECONDS
    slower = notable and ratio >= _REGRESSION
    return Trend(len(known), middle, ratio, slower, _grown(verdict, known))


def _grown(verdict: Verdict, known: list[Verdict]) -> str:
    """The phase that takes the most seconds more than its median."""
    worst, most = "", 0.0
    for phase in verdict.phases:
        before = [p.seconds for one in known for p in one.phases if p.name == phase.name]
        more = phase.seconds - median(before) if before else 0.0
        if more > most:
            worst, most = phase.name, more
    return worst
