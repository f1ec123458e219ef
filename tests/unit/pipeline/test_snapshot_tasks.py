"""The tasks that ask for snapshots in batches and settle them, called as Airflow calls them."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import DownstreamTasksSkipped

from lifeboat.errors import Forbidden, SnapshotFailed, Throttled
from lifeboat.pipeline import backup_tasks, freeze_tasks, opening, waiting
from lifeboat.pipeline.triggers import still_waiting
from lifeboat.steps.enumerate import enumerate_scope
from lifeboat.steps.snapshot import batches
from tests.support.kinds import SNAPSHOT
from tests.support.world import World
from tests.unit.steps.test_snapshot_batches import RUN, with_volumes


class Xcoms:
    """What tasks leave, each under its own name; of mapped ones a list, as Airflow gives it."""

    def __init__(self) -> None:
        self.task = ""
        self.try_number = 1
        self.left: dict[tuple[str, str], list[Any]] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.left.setdefault((self.task, key), []).append(value)

    def xcom_pull(self, task_ids: str, key: str = "return_value", **_: Any) -> Any:
        found = self.left.get((task_ids, key), [])
        return found[0] if task_ids == "enumerate" and found else found


class Flow:
    """The tasks of one run over a world with 30 volumes, in two batches."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world: World = with_volumes(30)
        self.ti = Xcoms()
        scope = enumerate_scope(self.world.context(), RUN)
        self.ti.left["enumerate", "point"] = [scope.point]
        self.batches = [
            {"title": batch.title, "volumes": list(batch.volumes)} for batch in batches(scope)
        ]
        for module in (opening, backup_tasks):
            monkeypatch.setattr(module, "get_current_context", lambda: {"ti": self.ti})
        for module in (backup_tasks, freeze_tasks, waiting):
            monkeypatch.setattr(module, "open_instance", lambda *_: self.world.context())

    def snapshot(self, number: int) -> int:
        self.ti.task = "snapshot"
        return backup_tasks.snapshot("shop.local", self.batches[number])

    def settle(self) -> Any:
        self.ti.task = "settle"
        return backup_tasks.SettleOperator(task_id="settle", instance="shop.local").execute({})


@pytest.fixture
def flow(monkeypatch: pytest.MonkeyPatch) -> Flow:
    return Flow(monkeypatch)


def test_all_batches_are_settled_together(flow: Flow, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "lifeboat")
    assert [flow.snapshot(0), flow.snapshot(1)] == [15, 15]
    assert "shop/disk-07: asked for snapshot lifeboat-" in caplog.text
    assert flow.settle() == {"snapshots": 30, "left_out": 0}
    assert "shop/disk-29: snapshot lifeboat-" in caplog.text


@pytest.mark.parametrize(("error", "raised"), [(Forbidden, SnapshotFailed), (Throttled, Throttled)])
def test_a_batch_that_fails_leaves_what_it_started(
    flow: Flow, error: type[Exception], raised: type[Exception]
) -> None:
    flow.snapshot(0)
    flow.world.cluster.fail_next("create", error("no"), resource=SNAPSHOT.resource)
    with pytest.raises(raised):
        flow.snapshot(1)
    assert flow.settle() == {"snapshots": 29, "left_out": 1}


def test_a_batch_that_was_killed_is_named_volume_by_volume(
    flow: Flow, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "lifeboat")
    flow.snapshot(0)
    assert flow.settle() == {"snapshots": 15, "left_out": 15}
    assert "volume shop/disk-29: its snapshot was never started" in caplog.text


def test_progress_names_as_many_as_a_person_reads() -> None:
    assert still_waiting(["shop/a (40 %)", "shop/b"]) == "2 still waiting: shop/a (40 %); shop/b"
    assert still_waiting([str(n) for n in range(25)]).endswith("; 19; and 5 more")
    assert still_waiting([]) == "nothing is waiting any more"


def test_where_nothing_asks_for_stillness_nothing_watches_and_nothing_thaws(flow: Flow) -> None:
    with pytest.raises(DownstreamTasksSkipped) as skipped:
        freeze_tasks.find_hooks("shop.local", ["quiesce", "freeze_limit", "unquiesce"])
    assert skipped.value.tasks == ["quiesce", "freeze_limit", "unquiesce"]


def test_what_asks_is_stilled(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lifeboat.steps.freeze.to_still", lambda *_: ["pod shop/db"])
    assert freeze_tasks.find_hooks("shop.local", ["unquiesce"]) == ["pod shop/db"]
