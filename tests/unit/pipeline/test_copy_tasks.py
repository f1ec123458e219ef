"""The tasks that deal with copies, called as Airflow calls them, on folders."""

from __future__ import annotations

import pytest

from lifeboat.adapters.store_local import LocalStore
from lifeboat.pipeline import backup_tasks
from tests.support.copies import INSTANCE
from tests.unit.cli.test_copy import Places, copied, places

__all__ = ["copied", "places"]


@pytest.fixture(autouse=True)
def _here(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFEBOAT_INCLUDE", str(places.folder))


def points(places: Places, vault: str) -> list[str]:
    prefix = f"instances/{INSTANCE}/points/"
    listed = LocalStore(places.folder / vault).list(prefix)
    return [stat.key.removeprefix(prefix) for stat in listed]


def test_copy_catches_up_and_tells_how_much(copied: Places) -> None:
    copied.point("green")
    copied.point("white")
    told = backup_tasks.copy(INSTANCE, "offsite")
    assert told == {"vault": "offsite", "copied": 2, "points": 4}
    assert points(copied, "offsite") == copied.points
    assert points(copied, "office") == [copied.points[1]]
    assert backup_tasks.copy(INSTANCE, "offsite")["copied"] == 0


def test_prune_removes_from_each_copy_what_its_retention_does_not_keep(copied: Places) -> None:
    copied.point("green")
    for vault in ("offsite", "office"):
        backup_tasks.copy(INSTANCE, vault)
    assert len(points(copied, "office")) == 2
    assert backup_tasks.prune(INSTANCE) == {"kept": 3, "removed": 0}
    assert points(copied, "office") == copied.points[2:]
    assert points(copied, "offsite") == points(copied, "main") == copied.points
