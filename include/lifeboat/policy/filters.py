"""Filters within a selection, as a person writes them: by namespace, kind, name and labels.

The meaning is that of Velero's fine-grained filters (`namespacedFilterPolicies`,
`clusterScopedFilterPolicy`); `lifeboat.policy.picking` applies it. Form only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pydantic import Field, model_validator

from lifeboat.policy.fields import Strict, refuse
from lifeboat.policy.patterns import (
    EVERY_KIND,
    Globs,
    KindNames,
    NameGlobs,
    Selector,
    Selectors,
    exclusive_labels,
)


class ObjectFilter(Strict):
    """Some kinds, and which of their objects."""

    kinds: KindNames = Field(
        min_length=1,
        description="The kinds, written as in select.kinds. * stands for every kind that no other"
        " entry of the same filter names (not in clusterFilters). Each kind once.",
        examples=[["configmaps", "secrets"]],
    )
    names: NameGlobs = Field(
        default=(),
        description="Only objects whose name is one of these names or globs. Default empty: any.",
        examples=[["app-*"]],
    )
    excluded_names: NameGlobs = Field(
        default=(),
        description="Names or globs to leave out; they win over names. Default none.",
        examples=[["*-tmp"]],
    )
    labels: Selector = Field(
        default="",
        description="Only objects whose labels match this selector. select.labels does not count"
        " here. Default empty: any labels.",
        examples=["app=web,tier!=cache"],
    )
    any_labels: Selectors = Field(
        default=(),
        description="Only objects whose labels match one of these selectors; not beside labels."
        " Default empty: any labels.",
    )

    @model_validator(mode="after")
    def _one_way_of_labels(self) -> ObjectFilter:
        exclusive_labels(self.labels, self.any_labels)
        return self


class NamespaceFilter(Strict):
    """What is taken of some of the selected namespaces: nothing but what is listed here."""

    namespaces: Globs = Field(
        min_length=1,
        description="Names or globs of selected namespaces. A plain name beats every glob, whatever"
        " the order; among globs the first that matches counts.",
        examples=[["shop-data", "team-*"]],
    )
    objects: tuple[ObjectFilter, ...] = Field(
        min_length=1,
        description="What is taken, and nothing else. select.kinds still bounds it: an excluded"
        " kind stays out.",
    )

    @model_validator(mode="after")
    def _each_kind_once(self) -> NamespaceFilter:
        kinds_once(self.objects, ("objects",))
        return self


def kinds_once(objects: tuple[ObjectFilter, ...], at: tuple[str | int, ...]) -> None:
    """Refuses a kind that two entries name: it would be unclear which one decides."""
    for index, number, first in _repeats([kind.lower() for kind in o.kinds] for o in objects):
        raise refuse(
            f"each kind in one entry: entry {first + 1} names it already",
            found=repr(objects[index].kinds[number]),
            at=(*at, index, "kinds", number),
        )


def namespaces_once(filters: tuple[NamespaceFilter, ...], at: tuple[str | int, ...]) -> None:
    """Refuses a pattern that two filters have: the second would never count."""
    for index, number, first in _repeats(entry.namespaces for entry in filters):
        raise refuse(
            f"each name or glob in one filter: filter {first + 1} has it already",
            found=repr(filters[index].namespaces[number]),
            at=(*at, index, "namespaces", number),
        )


def _repeats(lists: Iterable[Sequence[str]]) -> Iterator[tuple[int, int, int]]:
    """Words of a list that an earlier list has: the list, the place in it, the earlier list."""
    seen: dict[str, int] = {}
    for index, words in enumerate(lists):
        for number, word in enumerate(words):
            first = seen.setdefault(word, index)
            if first != index:
                yield index, number, first


def named_kinds_only(filters: tuple[ObjectFilter, ...], at: tuple[str | int, ...]) -> None:
    """Refuses * where a filter narrows only the kinds that it names."""
    for index, entry in enumerate(filters):
        if EVERY_KIND in entry.kinds:
            raise refuse(
                "kinds by name: kinds that no filter names keep the rules of select",
                found=repr(EVERY_KIND),
                at=(*at, index, "kinds", entry.kinds.index(EVERY_KIND)),
            )
