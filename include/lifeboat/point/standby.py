"""The log of a standby: small numbered events beside the points, never edited (docs/format.md).

An event is created if absent under the next number, so that of two who act at once one is refused:
whoever is not the last in the log has lost the turn. Each event repeats what the standby is and
which earlier event brought what lies there, so that the newest one tells everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from itertools import takewhile
from typing import Any, Literal

import msgspec

from lifeboat.errors import BlobExists, NotStandingBy
from lifeboat.point import layout
from lifeboat.point.facts import CheckResult, Phase
from lifeboat.ports.store import BlobStat
from lifeboat.vault.vault import Vault

Mode = Literal["warm", "failing-over", "active", "failing-back"]
Word = Literal[
    "syncing", "synced", "failing-over", "active", "failed-over", "failing-back", "warm",
    "failed-back",
]  # fmt: skip
_MODES: dict[Word, Mode] = {
    "failing-over": "failing-over",
    "active": "active",
    "failed-over": "active",
    "failing-back": "failing-back",
    "warm": "warm",
    "failed-back": "warm",
}
"""`active` comes before the first replica does, `warm` before the primary's first: from then on the
other side may have newer data. `failed-over` and `failed-back` are the reports of it."""


class StandbyEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event. `mode` is what the standby is after it; `turned` the number of the event that made
    it so, `brought` that of the `synced` whose point lies there (0: none); `touched`: something was
    begun since and did not end, so that it is between two points.

    `at` RFC 3339; `run` and `by`: whose doing. Of `syncing` and `synced`: `point`, `captured` (to
    when), `restore` (the plan's id), `shape` (digest of how the policy wanted it), `transforms`
    (those of both ways as they were written, by name: their files may be gone when they are
    needed), `namespaces` (source to target), `whole`, and `missing`: what was not brought, a line
    each. Of the others:
    `point`, `planned`, `since` (when the standby began to run the application), `notes` (what a
    person has to know, first what is lost), `phases`, `failed` (what did not come up), `checks`
    (what the policy's checks saw once it ran).
    """

    instance: str
    cluster: str
    number: int
    event: Word
    mode: Mode
    turned: int
    brought: int
    touched: bool
    at: str
    run: str = ""
    by: str = ""
    point: str = ""
    captured: str = ""
    restore: str = ""
    shape: str = ""
    transforms: dict[str, str] = {}
    namespaces: dict[str, str] = {}
    whole: bool = False
    missing: tuple[str, ...] = ()
    planned: bool = False
    since: str = ""
    notes: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    phases: tuple[Phase, ...] = ()
    checks: tuple[CheckResult, ...] = ()


class Standing(msgspec.Struct, frozen=True):
    """How a standby stands: its newest event, the one that made it what it is, and the one that
    brought what lies there. All None before the first event."""

    head: StandbyEvent | None = None
    turned: StandbyEvent | None = None
    brought: StandbyEvent | None = None

    @property
    def mode(self) -> Mode:
        return self.head.mode if self.head else "warm"

    @property
    def touched(self) -> bool:
        return self.head is not None and self.head.touched

    @property
    def number(self) -> int:
        """The newest event's; 0 before the first."""
        return self.head.number if self.head else 0


def newest_number(vault: Vault, instance: str, cluster: str) -> int:
    """One listing; 0 before the first event."""
    last = ""
    for stat in vault.store.list(layout.standby(instance, cluster)):
        last = stat.key
    return int(layout.last_segment(last)) if last else 0


def read_standing(vault: Vault, instance: str, cluster: str) -> Standing:
    """One listing and at most three documents."""
    number = newest_number(vault, instance, cluster)
    if not number:
        return Standing()
    read = partial(_read, vault, instance, cluster)
    head = read(number)
    return Standing(
        head,
        read(head.turned) if head.turned else None,
        read(head.brought) if head.brought else None,
    )


def append(
    vault: Vault, instance: str, cluster: str, before: Standing, word: Word, **fields: Any
) -> Standing:
    """Write the event that follows `before`, which was read earlier; how it stands now.

    Raises NotStandingBy when somebody else wrote one meanwhile: nothing was changed then.
    """
    number, head = before.number + 1, before.head
    changes = word in _MODES and _MODES[word] != before.mode
    brings = word == "synced" and bool(fields.get("point"))
    forgets = word == "warm" and changes
    event = StandbyEvent(
        instance=instance,
        cluster=cluster,
        number=number,
        event=word,
        mode=_MODES.get(word, before.mode),
        turned=number if changes else head.turned if head else 0,
        brought=number if brings else 0 if forgets or not head else head.brought,
        touched=word == "syncing" or (before.touched and not brings and not forgets),
        **fields,
    )
    try:
        vault.put_document(layout.standby_event(instance, cluster, number), event)
    except BlobExists:
        raise NotStandingBy(
            f"standby {cluster} of {instance} moved on while this was decided",
            hint=f"look how it stands: lifeboat standby show {instance}",
        ) from None
    turned = event if changes else before.turned
    brought = event if brings else None if forgets else before.brought
    return Standing(event, turned, brought)


def past_syncs(vault: Vault, instance: str, before: datetime) -> Iterator[str]:
    """Keys of what syncs left that ended before a moment: their events, with the plans and results
    of their restores. Numbers go on after the newest event, which stays with the two that it names;
    so do failovers and failbacks, the history of what people did."""
    prefix = f"{layout.instance_root(instance)}standby/"
    logs: dict[str, list[BlobStat]] = {}
    for stat in vault.store.list(prefix):
        logs.setdefault(stat.key.removeprefix(prefix).partition("/")[0], []).append(stat)
    for cluster, stats in logs.items():
        now = read_standing(vault, instance, cluster)
        needed = [one for one in (now.head, now.turned, now.brought) if one]
        for stat in takewhile(lambda one: one.created < before, stats):
            number = int(layout.last_segment(stat.key))
            if number in {one.number for one in needed}:
                continue
            event = _read(vault, instance, cluster, number)
            if event.event not in ("syncing", "synced"):
                continue
            if event.restore and event.restore not in {one.restore for one in needed}:
                left = vault.store.list(layout.restore_part(instance, event.restore, ""))
                yield from (one.key for one in left)
            yield stat.key


def _read(vault: Vault, instance: str, cluster: str, number: int) -> StandbyEvent:
    return vault.get_document(layout.standby_event(instance, cluster, number), StandbyEvent)
