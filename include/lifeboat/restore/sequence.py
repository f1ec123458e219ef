"""The order of a plan's kinds: the waves of every restore, and what a policy declares over them.

A kind that is to wait comes later: in the wave of what it waits for if that is a later one, and
there in a step of its own. Nothing ever comes earlier, since its own wave is where what it needs is
there. What a whole restore stands on (definitions, namespaces, cluster-wide settings, claims)
cannot wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter
from typing import NamedTuple

from lifeboat.errors import UsageError
from lifeboat.policy.recovery import Precedence, circle_in
from lifeboat.policy.selection import kind_named
from lifeboat.ports.cluster import Kind
from lifeboat.restore.order import CONFIG, TITLES, wave_of


class Turn(NamedTuple):
    """When a kind comes: its wave, and its step in it. Steps run one after the other."""

    wave: int
    step: int


def turns(kinds: Mapping[str, Kind], declared: Iterable[Precedence]) -> dict[str, Turn]:
    """The turn of each kind, by `Deployment.apps`, in the order of turns.

    Raises UsageError for a circle that shows only once names mean kinds, and for a kind that cannot
    wait.
    """
    waits: dict[str, set[str]] = {name: set() for name in kinds}
    for pair in declared:
        for then in _meant(pair.then, kinds):
            waits[then] |= set(_meant(pair.first, kinds)) - {then}
    circle = circle_in((first, then) for then, firsts in waits.items() for first in firsts)
    if circle:
        raise UsageError(f"restore.order goes in a circle: {' → '.join(circle)}")
    found: dict[str, Turn] = {}
    for name in TopologicalSorter(waits).static_order():
        found[name] = _turn(name, [found[first] for first in waits[name]])
    return dict(sorted(found.items(), key=lambda one: (one[1], one[0])))


def _turn(name: str, firsts: list[Turn]) -> Turn:
    own = wave_of(name)
    wave = max([own, *(turn.wave for turn in firsts)])
    if own < CONFIG and wave > own:
        raise UsageError(
            f"restore.order has {name} wait for another kind, but everything else needs it",
            hint=f"{TITLES[own]} always come before what they could wait for",
        )
    return Turn(wave, max((turn.step + 1 for turn in firsts if turn.wave == wave), default=0))


def _meant(name: str, kinds: Mapping[str, Kind]) -> list[str]:
    return [found for found, kind in kinds.items() if kind_named(name, kind)]
