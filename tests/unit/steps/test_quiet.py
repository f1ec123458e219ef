"""Other DAGs are held for the snapshots, and let go: after crashes, retries, time-outs."""

from __future__ import annotations

import pytest

from lifeboat.errors import AirflowUnreachable, NotFound, NotQuiet
from lifeboat.point.manifest import Manifest, Run, read_manifest
from lifeboat.steps.backup import backup
from lifeboat.steps.commit import commit_point
from lifeboat.steps.context import Context
from lifeboat.steps.dump import dump_shard
from lifeboat.steps.enumerate import enumerate_scope
from lifeboat.steps.prune import working_documents
from lifeboat.steps.quiet import busy, confirm, held, hold, release
from lifeboat.steps.scope import Scope
from lifeboat.steps.settle import settle
from lifeboat.steps.snapshot import batches, start_batch
from tests.support.fake_flows import FakeDag, FakeFlows
from tests.support.world import POLICY, World

POINT, LATER = "20261122T120000Z-00000001", "20261122T130000Z-00000002"


class Held:
    """A world, and the DAGs `load` (free) and `report` (paused by somebody)."""

    def __init__(self, mode: str, on_timeout: str = "fail") -> None:
        quiesce = f"quiesce: {{dags: [load, report], mode: {mode}, onTimeout: {on_timeout}}}\n"
        self.world = World(policy=POLICY + quiesce)
        self.flows = FakeFlows(self.world.clock, {"load": FakeDag(), "report": FakeDag(True)})
        self.context = self.world.context()

    @property
    def paused(self) -> list[str]:
        return sorted(name for name, dag in self.flows.dags.items() if dag.paused)


def test_pausing_ends_as_it_began() -> None:
    there = Held("pause")
    asked = hold(there.context, there.flows, POINT)
    assert (asked.paused, there.paused) == (("load",), ["load", "report"])
    assert release(there.context, there.flows, POINT) == ["load"]
    assert there.paused == ["report"]
    assert release(there.context, there.flows, POINT) == ["load"]


def test_a_retry_does_not_take_our_own_pause_for_somebody_s() -> None:
    there = Held("pause")
    there.flows.faults.fail_next("busy", AirflowUnreachable("gone"))
    hold(there.context, there.flows, POINT)
    with pytest.raises(AirflowUnreachable):
        busy(there.context, there.flows)
    assert hold(there.context, there.flows, POINT).paused == ("load",)
    release(there.context, there.flows, POINT)
    assert there.paused == ["report"]


def test_killed_between_the_record_and_the_pause() -> None:
    there = Held("pause")
    there.flows.faults.fail_next("set_paused", AirflowUnreachable("gone"))
    with pytest.raises(AirflowUnreachable):
        hold(there.context, there.flows, POINT)
    assert there.paused == ["report"]
    hold(there.context, there.flows, POINT)
    assert there.paused == ["load", "report"]
    release(there.context, there.flows, POINT)
    assert there.paused == ["report"]


def test_the_next_run_lets_go_what_a_dead_one_held() -> None:
    there = Held("pause")
    hold(there.context, there.flows, POINT)
    asked = hold(there.context, there.flows, LATER)
    assert (asked.paused, asked.inherited) == (("load",), (POINT,))
    release(there.context, there.flows, LATER)
    assert there.paused == ["report"]
    there.flows.set_paused("load", paused=True)  # by a person, now
    third = hold(there.context, there.flows, "20261122T140000Z-00000003")
    assert (third.paused, third.inherited) == ((), ())


def test_what_is_to_be_unpaused_is_not_forgotten_by_prune() -> None:
    there = Held("pause")
    made = point_of(there, released=False)
    there.world.tick(days=8)
    left = working_documents(there.context)
    assert any(key.endswith(f"{made.point}/quiet.since") for key in left)
    assert not any(key.endswith("quiet.asked") for key in left)
    release(there.context, there.flows, made.point)
    assert any(key.endswith("quiet.asked") for key in working_documents(there.context))


def test_an_unknown_dag_stops_before_anything_is_paused() -> None:
    there = Held("pause")
    del there.flows.dags["report"]
    with pytest.raises(NotFound, match="report"):
        hold(there.context, there.flows, POINT)
    assert there.paused == []
    assert release(there.context, there.flows, POINT) == []


def test_waiting_pauses_nothing_and_waits_for_whole_runs() -> None:
    there = Held("wait")
    there.flows.start("load", "run-1")
    assert hold(there.context, there.flows, POINT).paused == ()
    assert there.paused == ["report"]
    assert busy(there.context, there.flows) == ["load: run run-1"]
    there.flows.finish("load", "run-1")
    assert busy(there.context, there.flows) == []


def test_a_paused_run_counts_only_while_its_task_is_under_way() -> None:
    there = Held("pause")
    there.flows.start("load", "run-1")
    hold(there.context, there.flows, POINT)
    assert busy(there.context, there.flows) == ["load: task load of run-1"]
    there.flows.finish("load", "run-1")
    assert busy(there.context, there.flows) == []


def test_who_is_busy_for_too_long_fails_the_run_or_is_named() -> None:
    with pytest.raises(NotQuiet, match="still busy: load: run run-1"):
        held(Held("wait").context, POINT, ["load: run run-1"])
    there = Held("wait", "warn")
    made = point_of(there, still_busy=["load: run run-1"])
    assert made.quiet
    assert made.quiet.busy == ("load: run run-1",)
    assert "quiesce: was busy when the snapshots began: load: run run-1" in made.warnings


def test_the_point_says_who_stood_still_and_since_when() -> None:
    there = Held("pause")
    made = point_of(there)
    assert made.quiet
    assert (made.quiet.dags, made.quiet.mode) == (("load", "report"), "pause")
    assert (made.quiet.since, made.quiet.until) == ("2026-11-22T12:00:00Z", "2026-11-22T12:05:00Z")
    assert made.warnings == ()
    assert read_manifest(there.context.vault, made.instance, made.point) == made


def test_a_run_that_began_meanwhile_is_named() -> None:
    there = Held("wait")
    there.world.tick(hours=-1)
    there.flows.start("load", "early")
    there.flows.finish("load", "early")
    there.world.tick(hours=1)
    made = point_of(there, meanwhile="late")
    assert made.quiet
    assert made.quiet.disturbed == ("load: run late",)
    assert made.warnings == ("quiesce: began before the snapshots were there: load: run late",)
    assert made.complete


def test_nobody_to_tell_whether_it_stayed_quiet() -> None:
    there = Held("pause")
    made = point_of(there, unconfirmed=True)
    assert made.quiet
    assert (made.quiet.since, made.quiet.until) == ("2026-11-22T12:00:00Z", "")
    assert made.warnings == ("quiesce: nobody could tell whether load, report stayed quiet",)


def test_the_command_line_says_that_it_held_nobody() -> None:
    made = backup(Held("pause").context, Run("run-1", "cli"), lambda _: None)
    assert made is not None
    assert made.quiet
    assert made.quiet.since == ""
    assert made.warnings == (
        "quiesce: nobody held load, report: only a run of Airflow's, with volumes, does",
    )


def test_without_the_section_a_manifest_is_as_before() -> None:
    made = backup(World().context(), Run("run-1", "cli"), lambda _: None)
    assert made is not None
    assert not made.quiet


def point_of(
    there: Held,
    still_busy: list[str] | None = None,
    *,
    meanwhile: str = "",
    unconfirmed: bool = False,
    released: bool = True,
) -> Manifest:
    """A point whose snapshots are taken while the DAGs are held; they are there 5 minutes later."""
    context = there.context
    scope = enumerate_scope(context, Run("run-1", "manual"))
    for shard in scope.shards:
        dump_shard(context, scope, shard.id)
    hold(context, there.flows, scope.point)
    held(context, scope.point, still_busy or [])
    _snapshot(context, scope)
    there.world.tick(minutes=5)
    if meanwhile:
        there.flows.start("load", meanwhile)
    if not unconfirmed:
        confirm(context, there.flows, scope.point)
    if released:
        release(context, there.flows, scope.point)
    return commit_point(context, scope)


def _snapshot(context: Context, scope: Scope) -> None:
    for batch in batches(scope):
        settle(context, scope, start_batch(context, scope, batch.volumes, 1).tickets)
