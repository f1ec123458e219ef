"""A backfilled run of upkeep works on the point that stood at its interval."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from lifeboat.clock import parse_rfc3339, rfc3339
from lifeboat.errors import Damaged
from lifeboat.pipeline import opening, past_tasks, upkeep_tasks
from lifeboat.point import catalog
from lifeboat.point.facts import Gap, Tombstone, record_gap, record_tombstone
from lifeboat.point.liveness import needed_by
from lifeboat.point.manifest import read_manifest
from lifeboat.report.standing import standing_at
from tests.support.copies import INSTANCE, Pair
from tests.support.task_run import run_context
from tests.support.vaults import stocked


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Pair:
    """A world and its empty copy behind the tasks."""
    pair = Pair(stocked())
    vault = pair.world.context().vault
    monkeypatch.setattr(upkeep_tasks, "open_instance", lambda _: pair.world.context())
    for module in (upkeep_tasks, past_tasks):
        monkeypatch.setattr(module, "open_copies", lambda _: (vault, [pair.there()]))
    return pair


def points(pair: Pair) -> list[str]:
    """Ids in the first vault, oldest first."""
    return catalog.point_ids(pair.world.context().vault, INSTANCE)


def captured(pair: Pair, place: int) -> datetime:
    vault = pair.world.context().vault
    return parse_rfc3339(read_manifest(vault, INSTANCE, points(pair)[place]).captured_to)


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    """The tasks are those of a backfilled run."""
    context = partial(run_context, "backfill", moment)
    monkeypatch.setattr(opening, "get_current_context", context)


def test_the_point_of_then_is_copied_and_read_from_end_to_end(
    kept: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *later = points(kept)
    at(monkeypatch, captured(kept, 0) + timedelta(seconds=1))
    told = upkeep_tasks.reconcile(INSTANCE)
    assert (told["point"], told["met"], told["copied"]) == (first, True, ["offsite"])
    assert kept.points() == [first]
    read = upkeep_tasks.scrub(INSTANCE, "1")
    assert (read["point"], read["places"]) == (first, 2)
    assert read["bytes"] > 0
    assert later
    with pytest.raises(AirflowSkipException, match="decided now"):
        upkeep_tasks.prune(INSTANCE)


def test_damage_to_the_point_of_then_is_found_whatever_share_is_read(
    kept: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = kept.world.context().vault
    ends = points(kept)[0], points(kept)[-1]
    oldest, newest = (read_manifest(vault, INSTANCE, point) for point in ends)
    only_newest = needed_by(vault, [newest]).keys - needed_by(vault, [oldest]).keys
    packs = sorted(key for key in only_newest if key.startswith("packs/"))
    kept.world.store.delete(packs[0])
    at(monkeypatch, captured(kept, 0) + timedelta(seconds=1))
    assert upkeep_tasks.scrub(INSTANCE, "1")["point"] == oldest.point
    at(monkeypatch, captured(kept, -1) + timedelta(seconds=1))
    with pytest.raises(Damaged):
        upkeep_tasks.scrub(INSTANCE, "1")


def test_before_the_first_point_there_is_nothing_to_read(
    kept: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, captured(kept, 0) - timedelta(days=1))
    assert upkeep_tasks.reconcile(INSTANCE)["point"] == ""
    assert kept.points() == []
    with pytest.raises(AirflowSkipException, match="no point stood then"):
        upkeep_tasks.scrub(INSTANCE, "100")


def test_the_report_tells_age_gaps_and_what_is_gone(kept: Pair) -> None:
    vault = kept.world.context().vault
    captured_at = captured(kept, -1)
    moment = captured_at + timedelta(hours=3)
    tick = captured_at + timedelta(hours=1)
    record_gap(vault, INSTANCE, "20991231T000000Z", Gap(rfc3339(tick), "", "outage"))
    removed = f"{captured_at + timedelta(hours=2):%Y%m%dT%H%M%SZ}-00000000"
    record_tombstone(vault, INSTANCE, Tombstone(removed, "", ("last",)))
    stood = standing_at(vault, INSTANCE, moment, timedelta(hours=2))
    assert (stood.point, stood.met, stood.proven) == (points(kept)[-1], False, False)
    assert (stood.age_seconds, stood.gaps, stood.gone) == (3 * 3600, 1, (removed,))
    assert standing_at(vault, INSTANCE, moment, timedelta(hours=3)).met
