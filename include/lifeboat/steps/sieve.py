"""What of a listing counts: what the policy takes, or others need, and is not one of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lifeboat.policy.picking import CLUSTER_SCOPE, Picker
from lifeboat.policy.select import Select
from lifeboat.ports.marks import MANAGED
from lifeboat.steps.scope import Listing
from lifeboat.steps.strip import Stripped

Takes = Callable[[Stripped], bool]


class Sieve:
    """One policy over the namespaces of a scope. `withheld` are objects that others need and a
    filter of the policy leaves out: their titles, with the filter."""

    def __init__(self, select: Select, namespaces: Iterable[str]) -> None:
        self._picker = Picker(select, namespaces)
        self.withheld: dict[str, str] = {}

    def of(self, listing: Listing) -> Takes:
        """The test of one page of a listing. What opts out passes: it has to be named."""
        if listing.only is not None:
            return self._needed(listing, frozenset(listing.only))
        rules = self._picker.rules(listing.kind)

        def takes(item: Stripped) -> bool:
            rule = rules.get(item.namespace)
            if rule is None or item.labels.get(MANAGED) == "true":
                return False
            return not rule.asks or rule.takes(item.name, item.labels)

        return takes

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
