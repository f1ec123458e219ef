"""The tasks of upkeep: reconcile, scrub, prune, each of which looks after the copies as well, and
the copies in other regions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped
from typing_extensions import override

from lifeboat.errors import Damaged
from lifeboat.pipeline import backup_tasks, prune_tasks
from lifeboat.pipeline.opening import (
    complain,
    leaving_errors,
    open_copies,
    open_instance,
    open_vault,
    say,
)
from lifeboat.pipeline.past_tasks import look_back, past_moment, scrub_past
from lifeboat.pipeline.waiting import WaitingOperator
from lifeboat.point import layout

if TYPE_CHECKING:
    from datetime import datetime

    from lifeboat.pipeline.triggers import Plain
    from lifeboat.steps.context import Context, Custody
    from lifeboat.steps.reconcile import CleanTest, Reconciliation
    from lifeboat.steps.scrub import Scrubbed

T = TypeVar("T")

__all__ = ["CatchUpOperator", "holds_points", "prune", "reconcile", "scrub"]

_CATCH_UP = timedelta(hours=20)  # within the day that a run of upkeep may take


def holds_points(instance: str, otherwise_skip: list[str]) -> None:
    """Skips the upkeep of a standby's own points where there are none: nothing was ever captured
    there, and its cluster need not be asked."""
    _, vault = open_vault(instance)
    if next(iter(vault.store.list(layout.instance_root(instance))), None) is None:
        say(f"{instance} has no points")
        raise DownstreamTasksSkipped(tasks=otherwise_skip)  # type: ignore[no-untyped-call]


def reconcile(instance: str) -> dict[str, Any]:
    """Puts orphans on record and removes those that were long enough, in every place; brings back
    what a copy lost. Raises Damaged for points whose data is gone, once that is done."""
    from lifeboat.proof.run import clean_left, clean_up
    from lifeboat.steps.copy import bring_again
    from lifeboat.steps.reconcile import ensure_nothing_gone, gone_lines
    from lifeboat.steps.reconcile import reconcile as compare

    with leaving_errors():
        opened = open_instance(instance)
        past = past_moment()
        if past:
            return look_back(opened, past)
        found, removed = _put_in_order(opened, partial(clean_up, opened))
        wanted = opened.instance.policy.test_restore
        if wanted is not None and wanted.cluster:
            for name in clean_left(open_instance(instance, wanted.cluster)):
                say(f"{wanted.cluster}: removed {name}, left by a test restore")
        looks = {opened.instance.vault.name: found}
        first, copies = open_copies(instance)
        for there in copies:
            look, more = _put_in_order(there)
            removed += more
            if look.damaged:
                bring_again(first, there, look.damaged, say)
                look = compare(there)
            looks[there.instance.vault.name] = look
        for vault, look in looks.items():
            for line in gone_lines(look):
                complain(f"{vault}: {line}")
        _ensure_all(ensure_nothing_gone, looks)
    return {"orphans": len(found.orphans), "removed": removed}


def _put_in_order(
    place: Custody, clean_test: CleanTest | None = None
) -> tuple[Reconciliation, int]:
    """What was found in one place, and how much of it was removed."""
    from lifeboat.steps.reconcile import reconcile as compare
    from lifeboat.steps.reconcile import remove_orphans

    found = compare(place)
    removed = remove_orphans(place, found, clean_test)
    vault = place.instance.vault.name
    for orphan in found.orphans:
        since = f"on record since {orphan.since}" if orphan.since else "put on record"
        say(f"{vault}: orphan {orphan.what}: {orphan.reason} ({since})")
    for what in removed:
        say(f"{vault}: removed {what}")
    say(f"{vault}: orphans: {len(found.orphans)}, of which removed: {len(removed)}")
    return found, len(removed)


def scrub(instance: str, percent: str) -> dict[str, Any]:
    """Reads this turn's share again, of the vault and of each copy, and puts damaged packs of the
    vault on record for the next backup. Raises Damaged, naming blobs, points and objects."""
    from lifeboat.clock import rfc3339
    from lifeboat.steps.scrub import damage_lines, ensure_sound, record_damage, sample, turn_at
    from lifeboat.steps.scrub import scrub as read_again

    with leaving_errors():
        opened = open_instance(instance)
        past = past_moment()
        if past:
            return scrub_past(opened, past)
        interval = opened.instance.policy.upkeep.schedule.gap.length.total_seconds()
        turn = turn_at(_tick().timestamp(), interval)

        def look(place: Custody) -> Scrubbed:
            found = read_again(place.vault, instance, sample(int(percent), turn), say)
            vault = place.instance.vault.name
            say(f"{vault}: read {found.bytes} bytes in {found.frames} frames (turn {turn})")
            say(f"{vault}: the newest whole point is {found.newest_whole or 'none'}")
            for line in damage_lines(found):
                complain(f"{vault}: {line}")
            return found

        first = look(opened)
        for pack in record_damage(opened.vault, first, rfc3339(opened.clock())):
            say(f"pack {pack} is on record: the next point stores anew what it needs of it")
        looks = {opened.instance.vault.name: first}
        looks |= {copy.instance.vault.name: look(copy) for copy in open_copies(instance)[1]}
        _ensure_all(ensure_sound, looks)
    return {"points": first.points, "packs": first.packs, "bytes": first.bytes}


def prune(instance: str) -> dict[str, Any]:
    """Removes what the policy does not keep now; nothing for the past."""
    if past_moment():
        raise AirflowSkipException("what is to go is decided now, by the runs of today")
    return prune_tasks.prune(instance)


class CatchUpOperator(WaitingOperator):
    """Waits until every region that the policy names has its copies: a backup only looks once, and
    of each disk Azure copies one snapshot after the other. What is not there in time is no error:
    the next run goes on. Raises SnapshotFailed naming copies that failed."""

    look = "region_copies"

    @override
    def execute(self, context: Any) -> Any:
        if past_moment():
            raise AirflowSkipException("copies in regions are of now: the runs of today see to it")
        return super().execute(context)

    @override
    def arguments(self, opened: Context) -> Plain:
        return {}

    @override
    def limit(self, opened: Context) -> timedelta:
        return _CATCH_UP

    @override
    def finish(
        self, opened: Context, arguments: Plain, waiting: list[str], seconds: float
    ) -> dict[str, Any]:
        return backup_tasks.look_at_regions(opened)


def _ensure_all(ensure: Callable[[T], None], looks: dict[str, T]) -> None:
    """Every place is looked at before the first damage is raised, with that of all."""
    messages = []
    for vault, look in looks.items():
        try:
            ensure(look)
        except Damaged as error:
            messages.append(f"{vault}: {error}" if len(looks) > 1 else str(error))
    if messages:
        raise Damaged("\n".join(messages))


def _tick() -> datetime:
    """The moment that the run stands for: a run that starts late has the turn of its tick."""
    run = get_current_context()["dag_run"]
    moment = run.logical_date or run.run_after
    assert moment is not None  # every run is due at some moment
    return moment
