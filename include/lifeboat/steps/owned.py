"""What a point says of the objects that its dump left to those who bring them back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from lifeboat.point.manifest import LeftOut
from lifeboat.ports.cluster import Kind


def told(kind: Kind, counts: Mapping[tuple[str, str], int]) -> Iterator[LeftOut]:
    """A note for each owner; `counts` are of one listing, by owner and namespace."""
    totals: Counter[str] = Counter()
    spaces: dict[str, set[str]] = {}
    for (whose, namespace), count in counts.items():
        totals[whose] += count
        spaces.setdefault(whose, set()).add(namespace)
    for whose, count in sorted(totals.items()):
        names = sorted(spaces[whose])
        where = f"in namespace {names[0]}" if len(names) == 1 else f"in {len(names)} namespaces"
        if names == [""]:
            where = "outside namespaces"
        reason = f"{count} {where}, which come back with {whose}: managedBy leaves them out"
        yield LeftOut(f"{kind.group_kind} of {whose}", reason, severity="note")
