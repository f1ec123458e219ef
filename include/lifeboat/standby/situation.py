"""What a person has to know before one cluster takes over from the other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from lifeboat.clock import parse_rfc3339, rfc3339
from lifeboat.point import catalog
from lifeboat.point.standby import Mode, read_standing
from lifeboat.policy.fields import format_duration
from lifeboat.standby.sides import Sides, why_unreachable


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """`primary` and `standby`: why they do not answer, empty when they do. Points as they are named
    in the vault, with the moment to which each was captured (RFC 3339); empty: none. What was
    written after `captured` is in no point. `whole`: nothing is missing of what was brought."""

    instance: str
    cluster: str
    mode: Mode
    since: str
    primary: str
    standby: str
    newest: str
    captured: str
    brought: str
    brought_captured: str
    whole: bool
    missing: tuple[str, ...]
    now: str

    def lines(self) -> Iterator[str]:
        """For people."""
        since = f" since {self.since}" if self.since else ""
        yield f"standby {self.cluster} of {self.instance} is {self.mode}{since}"
        yield f"primary {_answers(self.primary)}"
        yield f"standby {_answers(self.standby)}"
        if not self.newest:
            yield "there is no complete point"
            return
        yield f"newest point {self.newest}, captured to {self.captured}, {self._ago(self.captured)}"
        if not self.brought:
            yield "in the standby: no point yet"
        elif self.brought == self.newest:
            yield "in the standby: this very point"
        else:
            ago = self._ago(self.brought_captured)
            yield f"in the standby: {self.brought}, captured to {self.brought_captured}, {ago}"
        yield from (f"not in the standby: {line}" for line in self.missing)
        if self.mode == "warm":
            yield f"an unplanned failover loses what was written after {self.captured}"

    def _ago(self, moment: str) -> str:
        seconds = (parse_rfc3339(self.now) - parse_rfc3339(moment)).total_seconds()
        return f"{format_duration(timedelta(seconds=max(0, int(seconds))))} ago"


def look(sides: Sides, now: datetime) -> Situation:
    """Asks both clusters and the vault; changes nothing."""
    instance, cluster = sides.instance.id, sides.entry.name
    standing = read_standing(sides.vault, instance, cluster)
    newest, brought = catalog.newest(sides.vault, instance), standing.brought
    return Situation(
        instance=instance,
        cluster=cluster,
        mode=standing.mode,
        since=standing.turned.at if standing.turned else "",
        primary=why_unreachable(sides.primary),
        standby=why_unreachable(sides.standby),
        newest=newest.point if newest else "",
        captured=newest.captured_to if newest else "",
        brought=brought.point if brought else "",
        brought_captured=brought.captured if brought else "",
        whole=bool(brought and brought.whole and not standing.touched),
        missing=brought.missing if brought else (),
        now=rfc3339(now),
    )


def _answers(why_not: str) -> str:
    return f"does NOT answer: {why_not}" if why_not else "answers"
