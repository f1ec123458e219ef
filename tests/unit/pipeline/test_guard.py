"""The watch in the triggerer: there before anything is held, and it brings back what is held too
long, whatever becomes of the run's tasks and of the policy's file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from airflow.sdk.exceptions import TaskDeferred

from lifeboat.clock import rfc3339
from lifeboat.errors import ClusterUnreachable, NotReady, PolicyError, UsageError
from lifeboat.pipeline import freeze_tasks, guard, opening, quiet_tasks, triggers, waiting
from lifeboat.pipeline.guard import GuardOperator, GuardTrigger
from lifeboat.pipeline.triggers import LookTrigger
from lifeboat.steps import watch
from lifeboat.steps.freeze import freeze, still_frozen
from lifeboat.steps.quiet import confirm, held, hold, is_held, quiet_facts
from lifeboat.steps.scope import Scope
from tests.support.fake_flows import FakeDag, FakeFlows
from tests.support.frozen_world import FrozenWorld

POLICY = """
maxFreeze: 2m
hooks:
  - exec: {namespace: shop, labels: app=db, pre: {command: [lock]}, post: {command: [unlock]}}
quiesce: {dags: [load], mode: pause, timeout: 10m}
"""
CLUSTERS = """
clusters: [{name: local, kubeconfig: /kube}]
vaults: [{name: main, url: "file:///vault", key: env:KEY}]
"""
SHOP, BACKUP = "shop.local", "backup.shop.local"


class Watched:
    """A run over a world, and Airflow's DAGs; `states` are those of the run's tasks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = FrozenWorld(POLICY)
        self.scope: Scope = self.world.scope()
        self.flows = FakeFlows(self.world.clock, {"load": FakeDag(), BACKUP: FakeDag()})
        self.states: dict[str, str] = {}
        monkeypatch.setattr(guard, "open_decided", lambda *_: self.context)
        monkeypatch.setattr(guard, "open_flows", lambda _: self.flows)
        for module in (guard, freeze_tasks):
            monkeypatch.setattr(module, "open_instance", lambda *_: self.context)
        monkeypatch.setattr(guard, "pull", lambda *_: self.scope.point)
        monkeypatch.setattr(freeze_tasks, "scope_of", lambda _: self.scope)
        monkeypatch.setattr(guard, "PATIENCE_SECONDS", 0.0)
        monkeypatch.setattr(guard, "_states", lambda: self.states)
        monkeypatch.setattr(opening, "get_current_context", lambda: {"ti": Mock()})

    @property
    def context(self) -> Any:
        return self.world.context()

    def trigger(self, what: Any = "freeze", number: int = 0) -> GuardTrigger:
        return GuardTrigger(what, SHOP, self.scope.point, "local", "main", number)

    def on(self, what: Any = "freeze") -> bool:
        return watch.is_on(self.context, what, self.scope.point)

    def end(self, what: Any = "freeze") -> None:
        watch.end(self.context, what, self.scope.point)

    def quiesce(self) -> Any:
        return freeze_tasks.QuiesceOperator(task_id="quiesce", instance=SHOP).execute({})

    def limit(self) -> GuardOperator:
        return GuardOperator(
            task_id="freeze_limit",
            instance=SHOP,
            what="freeze",
            holder="quiesce",
            ender="unquiesce",
        )


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


def test_nothing_is_frozen_before_somebody_watches(run: Watched) -> None:
    with pytest.raises(TaskDeferred) as waits:
        run.quiesce()
    assert isinstance(waits.value.trigger, LookTrigger)
    assert run.world.log == []
    assert not run.trigger()._look(idle=False)
    assert run.quiesce() == ["pod shop/db-0 (main)", "pod shop/db-1 (main)"]


def test_a_triggerer_that_never_comes_is_told_and_nothing_was_frozen(run: Watched) -> None:
    task = freeze_tasks.QuiesceOperator(task_id="quiesce", instance=SHOP)
    with pytest.raises(NotReady, match="the triggerer"):
        task.guarded({}, None, since="2026-11-22T10:00:00Z")
    assert run.world.log == []


def test_the_trigger_thaws_a_little_after_the_limit_and_ends_with_the_run(run: Watched) -> None:
    trigger = run.trigger()
    trigger._look(idle=False)
    run.quiesce()
    run.world.tick(minutes=2, seconds=9)
    assert not trigger._look(idle=False)
    assert len(still_frozen(run.context, run.scope.point)) == 2
    run.world.tick(seconds=1)
    assert not trigger._look(idle=False), "quiesce may be tried again"
    assert still_frozen(run.context, run.scope.point) == []
    run.end()
    assert trigger._look(idle=False)


def test_what_would_not_thaw_is_tried_again_until_only_a_person_can_help(run: Watched) -> None:
    trigger = run.trigger()
    trigger._look(idle=False)
    run.quiesce()
    run.end()
    run.world.tick(minutes=3)
    run.world.pods.answers["unlock"] = ClusterUnreachable("gone")
    for _ in range(2):
        with pytest.raises(NotReady, match="not thawed"):
            trigger._look(idle=False)
    run.world.tick(minutes=15)
    assert trigger._look(idle=False)


def test_the_trigger_says_at_once_that_it_is_there_and_fires_when_the_watch_is_over(
    run: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(guard, "FIRST_LOOK_SECONDS", 0.0)
    looks = []
    look = run.trigger()._look

    def looked(idle: bool) -> bool:
        looks.append(run.on())
        if len(looks) == 2:
            raise PolicyError([])  # a person mends it meanwhile
        if len(looks) == 3:
            run.end()
        return look(idle)

    trigger = run.trigger()
    monkeypatch.setattr(trigger, "_look", looked)

    async def events() -> list[Any]:
        return [event async for event in trigger.run()]

    assert len(asyncio.run(events())) == 1
    assert looks == [False, True, True]


def test_the_task_waits_until_the_thaw_is_over_and_tells_how(
    run: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "lifeboat")
    run.states = {"quiesce": "running", "unquiesce": "None"}
    with pytest.raises(TaskDeferred) as waits:
        run.limit().execute({})
    assert waits.value.trigger.serialize()[1] == {
        "what": "freeze",
        "instance": SHOP,
        "point": run.scope.point,
        "cluster": "local",
        "vault": "main",
        "number": 0,
    }
    run.trigger()._look(idle=False)
    run.quiesce()
    run.states = {"quiesce": "success"}
    with pytest.raises(TaskDeferred):
        run.limit().execute({})
    run.world.tick(minutes=3)
    run.trigger()._look(idle=False)
    run.end()
    run.states["unquiesce"] = "success"
    run.limit().execute({})
    assert "as long as maxFreeze allows" in caplog.text


def test_a_run_whose_freeze_never_began_is_not_waited_for(run: Watched) -> None:
    run.end()  # the teardown was there first
    run.states = {"quiesce": "failed", "unquiesce": "success"}
    run.limit().execute({})


def test_a_run_that_is_cleared_is_watched_anew(run: Watched) -> None:
    run.trigger()._look(idle=False)
    run.end()
    assert not run.on()
    with pytest.raises(TaskDeferred) as waits:
        run.limit().execute({})
    again = waits.value.trigger
    assert isinstance(again, GuardTrigger)
    assert again.number == 1
    again._look(idle=False)
    assert run.on()


def test_an_idle_watch_ends_and_is_begun_anew_by_its_task(run: Watched) -> None:
    trigger = run.trigger()
    assert not trigger._look(idle=False)
    assert trigger._look(idle=True)
    assert not run.on(), "whoever would freeze now waits for the next one"


def test_a_frozen_run_is_never_idle(run: Watched) -> None:
    trigger = run.trigger()
    trigger._look(idle=False)
    freeze(run.context, run.scope)
    assert not trigger._look(idle=True)
    assert run.on()


def test_no_dag_is_paused_before_somebody_watches(
    run: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "open_instance", lambda *_: run.context)
    for module in (quiet_tasks, triggers):
        monkeypatch.setattr(module, "open_flows", lambda _: run.flows)
    monkeypatch.setattr(quiet_tasks, "_point", lambda: run.scope.point)
    task = quiet_tasks.HoldOperator(task_id="hold_dags", instance=SHOP)
    with pytest.raises(TaskDeferred) as waits:
        task.execute({})
    assert (waits.value.method_name, run.flows.is_paused("load")) == ("guarded", False)
    run.trigger("hold")._look(idle=False)
    since = rfc3339(run.world.now)
    assert task.guarded({}, None, since=since) == ["load"]
    assert run.flows.is_paused("load")


def test_a_backup_that_is_paused_lets_other_dags_go_and_says_so(run: Watched) -> None:
    trigger, point = run.trigger("hold"), run.scope.point
    trigger._look(idle=False)
    hold(run.context, run.flows, point)
    held(run.context, point, [])
    assert not trigger._look(idle=False)
    assert run.flows.is_paused("load")
    run.flows.set_paused(BACKUP, paused=True)
    trigger._look(idle=False)
    assert not run.flows.is_paused("load")
    run.flows.set_paused("load", paused=True)
    trigger._look(idle=False)
    assert run.flows.is_paused("load"), "a person paused it, and is not fought with"
    confirm(run.context, run.flows, point)
    _, warnings = quiet_facts(run.context, point)
    assert any(f"{BACKUP} was paused" in warning for warning in warnings)
    assert is_held(run.context, point), "the run itself ends it"


def test_other_dags_are_let_go_when_they_were_held_as_long_as_they_may_be(run: Watched) -> None:
    trigger, point = run.trigger("hold"), run.scope.point
    hold(run.context, run.flows, point)
    run.flows.dags.pop(BACKUP)
    run.flows.dags[BACKUP] = FakeDag()
    run.world.tick(hours=1, minutes=9)
    trigger._look(idle=False)
    assert run.flows.is_paused("load")
    run.world.tick(hours=24)
    trigger._look(idle=False)
    assert not run.flows.is_paused("load")


def test_a_backup_that_is_gone_lets_other_dags_go(run: Watched) -> None:
    hold(run.context, run.flows, run.scope.point)
    run.flows.dags.pop(BACKUP)
    run.trigger("hold")._look(idle=False)
    assert not run.flows.is_paused("load")


def test_states_are_asked_of_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"r": {"quiesce": "success"}}
    ti = SimpleNamespace(get_task_states=lambda dag_id, run_ids: asked)
    run = SimpleNamespace(dag_id="d", run_id="r")
    monkeypatch.setattr(guard, "get_current_context", lambda: {"ti": ti, "dag_run": run})
    assert guard._states() == {"quiesce": "success"}


def test_the_policy_s_file_is_not_asked_only_what_the_run_wrote_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = FrozenWorld(POLICY)
    scope = world.scope()
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "shop.yaml").write_text("clusters: [")
    (tmp_path / "clusters.yaml").write_text(CLUSTERS)
    monkeypatch.setenv("LIFEBOAT_INCLUDE", str(tmp_path))
    monkeypatch.setattr("lifeboat.wiring.unlock", lambda *_: world.context().vault)
    monkeypatch.setattr("lifeboat.wiring.open_context", lambda instance, _: instance)
    found: Any = opening.open_decided(SHOP, scope.point, "local", "main")
    assert found.policy_text == world.policy
    assert (found.id, found.cluster.kubeconfig) == (SHOP, "/kube")
    with pytest.raises(UsageError, match="no vault other any more"):
        opening.open_decided(SHOP, scope.point, "local", "other")
