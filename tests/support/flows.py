"""The promises of lifeboat/ports/flows.py as functions, for a fake and for a real Airflow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

import pytest

from lifeboat.clock import parse_rfc3339
from lifeboat.errors import NotFound
from lifeboat.ports.flows import Flows


class FlowWorld(Protocol):
    """`dag` is idle and not paused, and has a task that is still under way when `start` returns."""

    flows: Flows
    dag: str

    def start(self) -> str:
        """The id of a run whose task is under way."""
        ...

    def finish(self) -> None:
        """Let it end, and wait for that. Unpauses the DAG if need be."""
        ...

    def now(self) -> str: ...


def pausing_is_seen_and_may_be_said_twice(world: FlowWorld) -> None:
    for paused in (True, True, False, False):
        world.flows.set_paused(world.dag, paused=paused)
        assert world.flows.is_paused(world.dag) is paused


def who_is_unknown_is_not_found(world: FlowWorld) -> None:
    nobody = "no.such.dag"
    since = parse_rfc3339(world.now())
    calls: list[Callable[[], object]] = [
        lambda: world.flows.is_paused(nobody),
        lambda: world.flows.set_paused(nobody, paused=True),
        lambda: world.flows.busy(nobody),
        lambda: world.flows.began_since(nobody, since),
        lambda: world.flows.trigger(nobody, "run", {}),
        lambda: world.flows.state(nobody, "run"),
        lambda: world.flows.succeeded_since(nobody, since),
        lambda: world.flows.redo(nobody, since),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()


def a_run_is_busy_until_it_ends_and_its_task_while_paused(world: FlowWorld) -> None:
    before = parse_rfc3339(world.now()) - timedelta(seconds=2)
    assert world.flows.busy(world.dag) == ()
    run = world.start()
    assert world.flows.busy(world.dag) == (f"run {run}",)
    world.flows.set_paused(world.dag, paused=True)
    (task,) = world.flows.busy(world.dag)
    assert task.startswith("task ")
    assert task.endswith(run)
    assert run in world.flows.began_since(world.dag, before)
    assert world.flows.began_since(world.dag, before + timedelta(days=1)) == ()
    assert run not in world.flows.succeeded_since(world.dag, before)
    world.finish()
    assert world.flows.busy(world.dag) == ()
    ended = parse_rfc3339(world.flows.succeeded_since(world.dag, before)[run])
    assert world.flows.succeeded_since(world.dag, ended + timedelta(days=1)) == {}


def a_run_of_an_id_is_started_once_and_tells_its_state(world: FlowWorld) -> None:
    before = parse_rfc3339(world.now()) - timedelta(seconds=2)
    run = world.start()
    assert world.flows.state(world.dag, run) in ("queued", "running")
    world.flows.trigger(world.dag, run, {"point": "again"})
    assert world.flows.began_since(world.dag, before).count(run) == 1
    world.finish()
    assert world.flows.state(world.dag, run) == "success"
    with pytest.raises(NotFound):
        world.flows.state(world.dag, "no-such-run")


CONTRACT: list[Callable[[FlowWorld], None]] = [
    pausing_is_seen_and_may_be_said_twice,
    who_is_unknown_is_not_found,
    a_run_is_busy_until_it_ends_and_its_task_while_paused,
    a_run_of_an_id_is_started_once_and_tells_its_state,
]
