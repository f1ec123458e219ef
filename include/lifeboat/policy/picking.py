"""Decides object by object what a policy takes, of what a cluster lists.

Pure, and in the path of every object that a dump lists: rules are looked up once a page, and a rule
that asks for nothing costs one comparison.

Precedence: an excluded kind beats all; then the filter of the namespace (a plain name before globs,
globs in their order), in it the entry of the kind (its name before `*.group` before `*`); without a
filter, the labels of `select`. Outside namespaces the entry of the kind in `clusterFilters`, else
the labels of `select`. Opting out beats everything and is judged elsewhere (`selection.opted_out`),
so that a point can name it.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lifeboat.policy import selectors
from lifeboat.policy.filters import ObjectFilter
from lifeboat.policy.globs import any_matches
from lifeboat.policy.patterns import EVERY_KIND
from lifeboat.policy.select import Select
from lifeboat.policy.selection import kind_named, kind_taken
from lifeboat.ports.cluster import Kind

NAMESPACES = "namespaces"
CLUSTER_SCOPE = ""
"""Stands for a namespace where there is none."""


@dataclass(frozen=True)
class Rule:
    """What is asked of an object. `source` is the field of the policy that says so."""

    source: str
    alternatives: tuple[selectors.LabelSelector, ...] = ()
    names: re.Pattern[str] | None = None
    excluded: re.Pattern[str] | None = None
    asks: bool = field(init=False)

    def __post_init__(self) -> None:
        asks = bool(self.alternatives or self.names or self.excluded)
        object.__setattr__(self, "asks", asks)

    def takes(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether the object is selected, opting out aside."""
        if not self.asks:
            return True
        if self.names and not self.names.match(name):
            return False
        if self.excluded and self.excluded.match(name):
            return False
        for one in self.alternatives:  # a loop: twice as fast as any() over few
            if one.matches(labels):
                return True
        return not self.alternatives


class Picker:
    """One policy over the namespaces that it selects in one cluster."""

    def __init__(self, select: Select, namespaces: Iterable[str]) -> None:
        self._select = select
        source = "select.anyLabels" if select.any_labels else "select.labels"
        self._common = _rule(source, select.labels, select.any_labels)
        self._filtered: dict[int, list[str]] = {}
        plain = []
        for namespace in namespaces:
            number = _filter_of(select, namespace)
            if number is None:
                plain.append(namespace)
            else:
                self._filtered.setdefault(number, []).append(namespace)
        self._plain = dict.fromkeys(plain, self._common)
        self._rules: dict[str, Mapping[str, Rule]] = {}

    def rules(self, kind: Kind) -> Mapping[str, Rule]:
        """What is asked of the kind's objects, by namespace (CLUSTER_SCOPE outside namespaces).
        Where nothing is taken, there is no entry; what others need is not part of it."""
        known = self._rules.get(kind.resource)
        if known is None:
            known = self._rules[kind.resource] = self._decide(kind)
        return known

    def narrowed(self, kind: Kind) -> Rule | None:
        """The rule of `clusterFilters` for the kind; it binds what others need, too."""
        number = _entry_of(self._select.cluster_filters, kind)
        if number is None:
            return None
        return _filter_rule(f"clusterFilters[{number}]", self._select.cluster_filters[number])

    def why_not(self, kind: Kind, namespace: str, name: str, labels: Mapping[str, str]) -> str:
        """Why an object of a selected namespace is not taken; empty when it is."""
        rules = self.rules(kind)
        if namespace in rules:
            rule = rules[namespace]
            return "" if rule.takes(name, labels) else f"{rule.source} leaves it out"
        if not kind_taken(self._select, kind):
            return f"select.kinds leaves out {kind.resource}"
        number = _filter_of(self._select, namespace)
        return f"select.namespaceFilters[{number}] does not list {kind.resource}"

    def _decide(self, kind: Kind) -> Mapping[str, Rule]:
        if not kind_taken(self._select, kind):
            return {}
        if not kind.namespaced:
            # Namespace objects go with their namespaces, by name.
            if not self._select.whole_cluster_scope or kind.resource == NAMESPACES:
                return {}
            return {CLUSTER_SCOPE: self.narrowed(kind) or self._common}
        if not self._filtered:
            return self._plain
        rules = dict(self._plain)
        for number, namespaces in self._filtered.items():
            objects = self._select.namespace_filters[number].objects
            entry = _entry_of(objects, kind)
            if entry is not None:
                source = f"namespaceFilters[{number}].objects[{entry}]"
                rules.update(dict.fromkeys(namespaces, _filter_rule(source, objects[entry])))
        return rules


def _filter_of(select: Select, namespace: str) -> int | None:
    """The number of the filter that a namespace falls under."""
    filters = select.namespace_filters
    for number, one in enumerate(filters):
        if namespace in one.namespaces:
            return number
    for number, one in enumerate(filters):
        if any_matches(one.namespaces, namespace):
            return number
    return None


def _entry_of(entries: tuple[ObjectFilter, ...], kind: Kind) -> int | None:
    """The number of the entry for a kind: the one that names it most closely, then the first."""
    found = [
        (_closeness(name), -number)
        for number, entry in enumerate(entries)
        for name in entry.kinds
        if kind_named(name, kind)
    ]
    return -max(found)[1] if found else None


def _closeness(name: str) -> int:
    if name == EVERY_KIND:
        return 0
    return 1 if name.startswith(EVERY_KIND) else 2


def _filter_rule(source: str, entry: ObjectFilter) -> Rule:
    return _rule(
        f"select.{source}", entry.labels, entry.any_labels, entry.names, entry.excluded_names
    )


def _rule(
    source: str,
    labels: str,
    any_labels: tuple[str, ...],
    names: tuple[str, ...] = (),
    excluded: tuple[str, ...] = (),
) -> Rule:
    texts = (labels,) if labels else any_labels
    return Rule(source, tuple(map(selectors.parse, texts)), _pattern(names), _pattern(excluded))


def _pattern(globs: tuple[str, ...]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(fnmatch.translate, globs))) if globs else None
