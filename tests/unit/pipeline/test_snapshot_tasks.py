"""The tasks that ask for snapshots in batches and settle them, called as Airflow calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped

from lifeboat.errors import Forbidden, SnapshotFailed, Throttled
from lifeboat.pipeline import backup_tasks, freeze_tasks, opening, quiet_tasks, waiting
from lifeboat.pipeline.triggers import still_waiting
from lifeboat.steps.commit import commit_point
from lifeboat.steps.dump import dump_shard
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


def test_a_stored_point_is_not_stilled_or_snapshotted_for_once_more(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever task of its run is cleared; here one volume is lacking, which could be cut now."""
    flow.snapshot(0)
    flow.world.cluster.fail_next("create", Forbidden("no"), resource=SNAPSHOT.resource)
    with pytest.raises(SnapshotFailed):
        flow.snapshot(1)
    flow.settle()
    context = flow.world.context()
    scope = enumerate_scope(context, RUN)
    for shard in scope.shards:
        dump_shard(context, scope, shard.id)
    assert len(commit_point(context, scope).volumes) == 29
    before = len(flow.world.cluster.objects(SNAPSHOT))
    monkeypatch.setattr("lifeboat.steps.freeze.freeze", lambda *_: pytest.fail("stilled"))
    monkeypatch.setattr("lifeboat.steps.quiet.hold", lambda *_: pytest.fail("held"))
    monkeypatch.setattr(quiet_tasks, "pull", lambda *_: scope.point)
    again: list[Callable[[], Any]] = [
        lambda: flow.snapshot(1),
        flow.settle,
        lambda: freeze_tasks.find_hooks("shop.local", []),
        lambda: freeze_tasks.QuiesceOperator(task_id="q", instance="shop.local").hold({}),
        lambda: quiet_tasks.HoldOperator(task_id="hold_dags", instance="shop.local").hold({}),
    ]
    for task in again:
        with pytest.raises(AirflowSkipException, match=f"point {scope.point} is stored"):
            task()
    assert len(flow.world.cluster.objects(SNAPSHOT)) == before


@pytest.mark.parametrize(
    ("states", "again"),
    [
        ({"enumerate": "running"}, True),
        ({"enumerate": "running", "dump_0": None, "volumes": None, "report": None}, True),
        ({"enumerate": "running", "dump_0": "failed", "volumes": "skipped"}, True),
        ({"enumerate": "running", "dump_0": "success", "dump_1": None, "volumes": None}, False),
        ({"enumerate": "running", "dump_0": None, "volumes": "success"}, False),
    ],
)
def test_a_run_is_done_again_where_nothing_of_its_point_stays(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, states: dict[str, str | None], again: bool
) -> None:
    """As Airflow tells the states of a run's tasks; a mapped one by its index."""
    monkeypatch.setattr(backup_tasks, "this_run", lambda: RUN)
    asked: list[tuple[str, list[str]]] = []

    def told(dag_id: str, run_ids: list[str]) -> dict[str, dict[str, str | None]]:
        asked.append((dag_id, run_ids))
        return {RUN.run_id: states}

    monkeypatch.setattr(flow.ti, "get_task_states", told, raising=False)
    assert backup_tasks._all_again() is again
    assert asked == [(RUN.dag, [RUN.run_id])]
