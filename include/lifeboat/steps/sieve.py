"""What of a listing counts: what the policy takes, or others need, and is not one of ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from lifeboat.point.owned import bringer
from lifeboat.policy.derived import ENDPOINTS, POD_CHANGED_AT, is_derived, may_be_derived
from lifeboat.policy.picking import CLUSTER_SCOPE, Picker
from lifeboat.policy.select import Select
from lifeboat.policy.selection import kind_named
from lifeboat.ports.cluster import Kind
from lifeboat.ports.marks import MANAGED
from lifeboat.steps.scope import Listing
from lifeboat.steps.strip import Stripped

Takes = Callable[[Stripped], bool]


_POD_CHANGED_AT = POD_CHANGED_AT.encode()


class Sieve:
    """One policy over the namespaces of a scope. `withheld` are objects that others need and a
    filter of the policy leaves out: their titles, with the filter. `owned` counts what is left to
    whoever brings it back, for each listing by owner and namespace."""

    def __init__(self, select: Select, namespaces: Iterable[str]) -> None:
        self._picker = Picker(select, namespaces)
        self._also = select.kinds.also
        self._tools = select.managed_by.left
        self.withheld: dict[str, str] = {}
        self.owned: dict[Listing, Counter[tuple[str, str]]] = {}

    def of(self, listing: Listing) -> Takes:
        """The test of one page of a listing. What opts out passes: it has to be named."""
        takes = self._of(listing)
        whose = bringer(listing.kind.group_kind, self._tools)
        if whose is None:
            return takes
        counts = self.owned.setdefault(listing, Counter())

        def leaves(item: Stripped) -> bool:
            if not takes(item):
                return False
            owner = whose(item.content)
            if owner:
                counts[owner, item.namespace] += 1
            return not owner

        return leaves

    def void(self, listing: Listing) -> None:
        """Forget what a listing brought: it is listed anew, or not at all."""
        self.owned.pop(listing, None)

    def _of(self, listing: Listing) -> Takes:
        if listing.only is not None:
            return self._needed(listing, frozenset(listing.only))
        rules = self._picker.rules(listing.kind)

        def takes(item: Stripped) -> bool:
            rule = rules.get(item.namespace)
            if rule is None or item.labels.get(MANAGED) == "true":
                return False
            return not rule.asks or rule.takes(item.name, item.labels)

        kind = listing.kind
        if not may_be_derived(kind) or any(kind_named(name, kind) for name in self._also):
            return takes
        return lambda item: takes(item) and not _is_derived(kind, item)

    def _needed(self, listing: Listing, wanted: frozenset[str]) -> Takes:
        """By name, less what the kind's own listing brings and what its filter withholds."""
        kind = listing.kind
        own = self._picker.rules(kind).get(CLUSTER_SCOPE)
        narrowed = self._picker.narrowed(kind)

        def takes(item: Stripped) -> bool:
            if item.name not in wanted or item.labels.get(MANAGED) == "true":
                return False
            if own is not None and own.takes(item.name, item.labels):
                return False
            if narrowed is not None and not narrowed.takes(item.name, item.labels):
                self.withheld[f"{kind.group_kind} {item.name}"] = narrowed.source
                return False
            return True

        return takes


def _is_derived(kind: Kind, item: Stripped) -> bool:
    return is_derived(kind, item.labels) or (
        kind.group_kind == ENDPOINTS and _POD_CHANGED_AT in item.content
    )
