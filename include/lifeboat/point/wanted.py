"""Which objects of a point somebody asks for, in the names people use, and where they may lie.

A tree knows kinds by group, version and kind alone, so plurals are guessed as English forms them
and as Kubernetes names its own; short names belong to a cluster's discovery and are not known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from lifeboat.policy.selection import kind_named
from lifeboat.ports.cluster import Kind
from lifeboat.vault.rows import Key


@dataclass(frozen=True)
class Wanted:
    """Objects of any of `kinds` (`deployment`, `Deployments.apps`, …) in any of `namespaces`, of
    this `name`; what is empty does not restrict. The cluster scope is in no namespace."""

    kinds: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    name: str = ""

    def matches(self, key: Key) -> bool:
        """Whether the object of this key is asked for."""
        return (
            (not self.name or key[4] == self.name)
            and (not self.namespaces or key[3] in self.namespaces)
            and self.names(key[0], key[2])
        )

    def names(self, group: str, kind: str) -> bool:
        """Whether the kind is asked for."""
        return not self.kinds or _named(self.kinds, group, kind)

    def may_lie(self, first: Key, after: Key | None) -> bool:
        """Whether rows that are sorted, from `first` up to but without `after` (None: the end), may
        hold what is asked for; a leaf that may not is not read."""
        if after is None or first[:3] != after[:3]:
            return not self.kinds or any(_in_groups(n, first, after) for n in self.kinds)
        if not self.names(first[0], first[2]):
            return False
        if first[3] != after[3]:
            spaces = self.namespaces
            return not spaces or any(first[3] <= space <= after[3] for space in spaces)
        inside = not self.namespaces or first[3] in self.namespaces
        return inside and (not self.name or first[4] <= self.name < after[4])


EVERYTHING = Wanted()


def _in_groups(name: str, first: Key, after: Key | None) -> bool:
    """Whether a kind of this name may be among several kinds in a row. Groups are lower case."""
    _, dot, group = name.lower().partition(".")
    return not dot or (first[0] <= group and (after is None or group <= after[0]))


@lru_cache(maxsize=4096)
def _named(names: tuple[str, ...], group: str, kind: str) -> bool:
    served = Kind(group, "", _plural(kind.lower()), kind, namespaced=True)
    return any(kind_named(name, served) for name in names)


def _plural(word: str) -> str:
    """`ingresses`, `policies`, `gateways`; `endpoints` stays (k8s.io/apimachinery,
    `meta.UnsafeGuessKindToResource`)."""
    if word == "endpoints":
        return word
    if word.endswith("s"):
        return f"{word}es"
    if word.endswith("y") and word[-2:-1] not in tuple("aeiou"):
        return f"{word[:-1]}ies"
    return f"{word}s"
