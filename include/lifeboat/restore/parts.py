"""The objects of a plan, in parts of bounded size: written while planning, read one at a time.

A part is stored under its own digest before the plan that names it, so two planners that race each
leave whole parts, and the plan that is settled names only its own.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

import msgspec

from lifeboat.point import layout
from lifeboat.ports.cluster import Kind
from lifeboat.restore.model import ACTIONS, Action, PlanItem, PlanPart, RestorePlan
from lifeboat.vault.rows import Places, decode_places, encode_places
from lifeboat.vault.vault import Vault

PART_ITEMS = 2000


class _Rows(msgspec.Struct, array_like=True, frozen=True):
    """Items as columns; equal things are named by their position in small tables."""

    wave: int
    kinds: list[Kind]
    spaces: list[str]
    reasons: list[str]
    kind: list[int]
    source: list[int]
    space: list[int]
    name: list[str]
    action: list[int]
    reason: list[int]
    fields: dict[int, tuple[str, ...]]
    live: dict[int, str]
    places: Places
    owned: list[int] = []


class PartWriter:
    """Stores items as they are planned. Waves are to come in ascending order."""

    def __init__(self, vault: Vault, instance: str, restore: str) -> None:
        self._vault = vault
        self._instance = instance
        self._restore = restore
        self._open: list[PlanItem] = []
        self._turn = (0, 0)
        self.parts: list[PlanPart] = []

    def add(self, item: PlanItem, step: int = 0) -> None:
        """Queue one item; a full part, or one of an earlier wave or step, is stored."""
        turn = (item.wave, step)
        if self._open and (len(self._open) >= PART_ITEMS or self._turn != turn):
            self._store()
        self._open.append(item)
        self._turn = turn

    def close(self) -> tuple[PlanPart, ...]:
        """Store what is left; all parts in order."""
        if self._open:
            self._store()
        return tuple(self.parts)

    def _store(self) -> None:
        rows = _encode(self._open)
        digest = hashlib.sha256(msgspec.json.encode(rows)).hexdigest()
        actions = Counter(item.action for item in self._open)
        part = PlanPart(self._open[0].wave, digest, dict(sorted(actions.items())), len(rows.owned))
        key = layout.restore_items(self._instance, self._restore, digest)
        self._vault.settle_document(key, rows, _Rows)
        self.parts.append(part)
        self._open = []


def read_part(vault: Vault, plan: RestorePlan, part: PlanPart) -> list[PlanItem]:
    """The items of one part, in the order they are applied. Raises BlobMissing, Damaged."""
    key = layout.restore_items(plan.request.instance, plan.restore, part.digest)
    return _decode(vault.get_document(key, _Rows))


def items_of(
    vault: Vault, plan: RestorePlan, actions: Collection[Action] = ACTIONS
) -> Iterator[PlanItem]:
    """The items with one of these actions, in order; one part is held at a time, and parts without
    any are not read."""
    for part in plan.parts:
        if any(action in part.actions for action in actions):
            yield from (item for item in read_part(vault, plan, part) if item.action in actions)


def _encode(items: Sequence[PlanItem]) -> _Rows:
    kinds: dict[Kind, int] = {}
    spaces: dict[str, int] = {}
    reasons: dict[str, int] = {}
    return _Rows(
        wave=items[0].wave,
        kind=[kinds.setdefault(item.kind, len(kinds)) for item in items],
        source=[spaces.setdefault(item.source_namespace, len(spaces)) for item in items],
        space=[spaces.setdefault(item.namespace, len(spaces)) for item in items],
        name=[item.name for item in items],
        action=[ACTIONS.index(item.action) for item in items],
        reason=[reasons.setdefault(item.reason, len(reasons)) for item in items],
        fields={number: item.fields for number, item in _having(items, "fields")},
        live={number: item.live_version for number, item in _having(items, "live_version")},
        owned=[number for number, _ in _having(items, "owned")],
        places=encode_places([(item.record, item.place) for item in items]),
        kinds=list(kinds),
        spaces=list(spaces),
        reasons=list(reasons),
    )


def _having(items: Sequence[PlanItem], name: str) -> Iterable[tuple[int, PlanItem]]:
    return ((number, item) for number, item in enumerate(items) if getattr(item, name))


def _decode(rows: _Rows) -> list[PlanItem]:
    places, owned = decode_places(rows.places), frozenset(rows.owned)
    return [
        PlanItem(
            wave=rows.wave,
            kind=rows.kinds[rows.kind[number]],
            source_namespace=rows.spaces[rows.source[number]],
            namespace=rows.spaces[rows.space[number]],
            name=name,
            record=places[number][0],
            place=places[number][1],
            action=ACTIONS[rows.action[number]],
            reason=rows.reasons[rows.reason[number]],
            fields=rows.fields.get(number, ()),
            live_version=rows.live.get(number, ""),
            owned=number in owned,
        )
        for number, name in enumerate(rows.name)
    ]
