"""The tasks that deal with copies, called as Airflow calls them, on folders."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowFailException

from lifeboat.adapters.store_local import LocalStore
from lifeboat.errors import Damaged
from lifeboat.pipeline import backup_tasks, opening, prune_tasks, trail, upkeep_tasks
from lifeboat.point.liveness import needed_by
from lifeboat.point.manifest import read_manifest
from tests.support.copies import INSTANCE, Pair, assert_whole
from tests.support.task_run import run_context
from tests.support.vaults import stocked
from tests.unit.cli.test_copy import Places, copied, places

__all__ = ["copied", "places"]


@pytest.fixture
def _here(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFEBOAT_INCLUDE", str(places.folder))
    monkeypatch.setattr(trail, "get_current_context", run_context)


def points(places: Places, vault: str) -> list[str]:
    prefix = f"instances/{INSTANCE}/points/"
    listed = LocalStore(places.folder / vault).list(prefix)
    return [stat.key.removeprefix(prefix) for stat in listed]


@pytest.mark.usefixtures("_here")
def test_copy_catches_up_and_tells_how_much(copied: Places) -> None:
    copied.point("green")
    copied.point("white")
    told = backup_tasks.copy(INSTANCE, "offsite")
    assert told == {"vault": "offsite", "copied": 2, "points": 4}
    assert points(copied, "offsite") == copied.points
    assert points(copied, "office") == [copied.points[1]]
    assert backup_tasks.copy(INSTANCE, "offsite")["copied"] == 0


@pytest.mark.usefixtures("_here")
def test_prune_removes_from_each_copy_what_its_retention_does_not_keep(copied: Places) -> None:
    copied.point("green")
    for vault in ("offsite", "office"):
        backup_tasks.copy(INSTANCE, vault)
    assert len(points(copied, "office")) == 2
    assert prune_tasks.prune(INSTANCE) == {"kept": 3, "removed": 0}
    assert points(copied, "office") == copied.points[2:]
    assert points(copied, "offsite") == points(copied, "main") == copied.points


@pytest.mark.usefixtures("_here")
def test_a_run_whose_copy_failed_says_so_and_keeps_its_point(
    copied: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = {("enumerate", "gap"): None, ("commit", "return_value"): {"point": copied.points[1]}}

    def pull(task: str, key: str = "return_value") -> object:
        return left.get((task, key))

    def errors_of(tasks: list[str]) -> list[str]:
        return ["copy: offsite does not answer"] if tasks == ["copy"] else []

    monkeypatch.setattr(backup_tasks, "pull", pull)
    monkeypatch.setattr(backup_tasks, "errors_of", errors_of)
    with pytest.raises(AirflowFailException, match="is whole, but a copy lacks something") as told:
        backup_tasks.report(INSTANCE)
    assert "copy: offsite does not answer" in str(told.value)
    left["prune", "return_value"] = {"kept": 1, "removed": 0}
    backup_tasks.report(INSTANCE)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Pair:
    """A world and its copy behind the tasks of upkeep."""
    pair = Pair(stocked())
    pair.copy()
    vault = pair.world.context().vault
    monkeypatch.setattr(upkeep_tasks, "open_instance", lambda _: pair.world.context())
    monkeypatch.setattr(upkeep_tasks, "open_copies", lambda _: (vault, [pair.there()]))
    monkeypatch.setattr(upkeep_tasks, "_tick", lambda: pair.world.now)
    monkeypatch.setattr(opening, "get_current_context", run_context)
    return pair


def test_upkeep_brings_back_what_the_copy_lost(kept: Pair) -> None:
    point = kept.points()[-1]
    vault = kept.there().vault
    for key in needed_by(vault, [read_manifest(vault, INSTANCE, point)]).keys:
        kept.place.delete(key)
    kept.place.put_new("packs/ab/abcdef0123456789", b"LBP1x")
    upkeep_tasks.reconcile(INSTANCE)
    for there in kept.points():
        assert_whole(vault, there)
    upkeep_tasks.reconcile(INSTANCE)  # what is an orphan can be told only now, of whole points
    kept.world.tick(days=2)
    assert upkeep_tasks.reconcile(INSTANCE) == {"orphans": 0, "removed": 1}
    assert kept.place.stat("packs/ab/abcdef0123456789") is None


def test_upkeep_fails_for_what_both_places_lost(
    kept: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    point = kept.points()[0]
    vault = kept.there().vault
    key = min(needed_by(vault, [read_manifest(vault, INSTANCE, point)]).keys)
    kept.place.delete(key)
    kept.world.store.delete(key)
    with pytest.raises(Damaged, match="offsite: points whose data is gone"):
        upkeep_tasks.reconcile(INSTANCE)
    for vault in ("main", "offsite"):
        assert f"{vault}: point {point}: {key} is missing" in caplog.text


def test_upkeep_reads_the_copy_again(kept: Pair, caplog: pytest.LogCaptureFixture) -> None:
    upkeep_tasks.scrub(INSTANCE, "100")
    key = next(stat.key for stat in kept.place.list("packs/"))
    data = kept.place.get(key)
    kept.place.delete(key)
    kept.place.put_new(key, data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(Damaged, match=r"offsite: .*damaged blobs: 1"):
        upkeep_tasks.scrub(INSTANCE, "100")
    assert f"offsite: {key}: " in caplog.text
