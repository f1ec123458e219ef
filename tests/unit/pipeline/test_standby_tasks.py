"""When a standby's DAG brings a point, and when upkeep has points of the standby to look after."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from airflow.sdk.exceptions import DownstreamTasksSkipped

from lifeboat.pipeline import standby_tasks, trail, upkeep_tasks
from lifeboat.pipeline.restore_tasks import RESTORE_KEY
from lifeboat.point.manifest import Run
from lifeboat.point.standby import StandbyEvent
from lifeboat.policy.model import ClusterEntry
from lifeboat.standby.runbook import standing
from lifeboat.standby.sides import Sides
from lifeboat.standby.sync import Asked, sync
from lifeboat.steps.backup import backup
from tests.support.task_run import run_context
from tests.support.world import POLICY, World

WITH = (
    f"{POLICY}standby: {{cluster: dr, mapping: {{shop: there}}, volumes: none, everyPoints: 3}}\n"
)
SKIPPED = ["prepare"]


class Desk(World):
    """A standby that wants every third point."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(WITH)
        self.monkeypatch = monkeypatch
        monkeypatch.setattr(standby_tasks, "open_sides", lambda _: self.sides())

    def sides(self) -> Sides:
        context = self.context()
        return Sides(
            context.instance,
            ClusterEntry(name="dr", in_cluster=True),
            context.vault,
            lambda instance, _: replace(self.context(), instance=instance),
            lambda _: None,
        )

    def back_up(self) -> str:
        self.tick(minutes=1)
        made = backup(self.context(), Run(f"run {self.now}", "cli"), lambda _: None)
        assert made is not None
        return made.point

    def choose(self, kind: str) -> dict[str, Any]:
        """What the run's first task leaves. Raises DownstreamTasksSkipped."""
        given = run_context(kind)
        for module in (standby_tasks, trail):
            self.monkeypatch.setattr(module, "get_current_context", lambda: given)
        standby_tasks.choose("shop.local", "latest", SKIPPED)
        return {call.kwargs["key"]: call.kwargs["value"] for call in given["ti"].method_calls}

    def head(self) -> StandbyEvent | None:
        return standing(self.sides()).head


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(monkeypatch)


def test_points_start_it_by_the_number_that_the_policy_says(desk: Desk) -> None:
    for _ in range(2):
        desk.back_up()
        with pytest.raises(DownstreamTasksSkipped):
            desk.choose("asset_triggered")
    assert desk.head() is None, "nobody took the turn"
    newest = desk.back_up()
    left = desk.choose("asset_triggered")
    began = desk.head()
    assert began is not None
    assert (began.event, began.point, left[RESTORE_KEY]) == ("syncing", newest, began.restore)
    context = desk.sides().standby()
    assert sync(context, "latest", Asked("r"), lambda _: None, lambda _: None).point == newest
    desk.back_up()
    with pytest.raises(DownstreamTasksSkipped):
        desk.choose("asset_triggered")


@pytest.mark.parametrize("kind", ["scheduled", "manual"])
def test_a_clock_or_a_person_waits_for_no_number(desk: Desk, kind: str) -> None:
    newest = desk.back_up()
    desk.choose(kind)
    began = desk.head()
    assert began is not None
    assert (began.point, began.by) == (newest, "ada" if kind == "manual" else "")


def test_upkeep_asks_no_standby_where_nothing_was_captured(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = desk.context()
    monkeypatch.setattr(upkeep_tasks, "open_vault", lambda _: (context.instance, context.vault))
    with pytest.raises(DownstreamTasksSkipped):
        upkeep_tasks.holds_points("shop.dr", ["reconcile_standby"])
    desk.back_up()
    upkeep_tasks.holds_points("shop.local", ["reconcile_standby"])
