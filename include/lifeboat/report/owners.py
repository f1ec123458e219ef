"""What part of a point could come from Git or from charts again, and by whom."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter

import msgspec

from lifeboat.point.contents import Contents
from lifeboat.point.owned import THEIR_WORKLOADS, bringer
from lifeboat.policy.owners import TOOLS


class OwnedPart(msgspec.Struct, frozen=True, rename="camel"):
    """One namespace ("" is the cluster scope). `owners` counts objects by who brings them back;
    `made` are those that workloads make anew, and `only_here` the rest: without the point they are
    lost."""

    namespace: str
    objects: int
    owners: dict[str, int]
    made: int

    @property
    def only_here(self) -> int:
        return self.objects - self.made - sum(self.owners.values())


def read_owners(contents: Contents) -> list[OwnedPart]:
    """Reads every record once, in the order in which they are stored. Raises Damaged."""
    whose = {kind: bringer(kind, TOOLS) for kind in contents.kinds()}
    totals: Counter[str] = Counter()
    counts: dict[str, Counter[str]] = {}
    reader = contents.reader()
    rows = [entry for _, entry in contents.rows()]
    for entry in sorted(rows, key=attrgetter("place")):
        totals[entry.namespace] += 1
        found = counts.setdefault(entry.namespace, Counter())
        tells = whose[entry.group_kind]
        owner = tells(reader.read(entry.record, entry.place)) if tells else ""
        if owner:
            found[owner] += 1
    return [
        OwnedPart(
            namespace,
            totals[namespace],
            {owner: n for owner, n in sorted(found.items()) if owner != THEIR_WORKLOADS},
            found[THEIR_WORKLOADS],
        )
        for namespace, found in sorted(counts.items())
    ]


def describe_owners(parts: list[OwnedPart]) -> list[str]:
    """The whole in one line."""
    objects = sum(part.objects for part in parts)
    owned = sum(sum(part.owners.values()) for part in parts)
    made = sum(part.made for part in parts)
    share = 100 * owned // objects if objects else 0
    return [
        f"{owned} of {objects} objects ({share} %) could come from Git or charts, {made} are made"
        f" anew by their workloads, {objects - owned - made} are in the point alone"
    ]
