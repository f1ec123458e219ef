"""Whether a run captures, and which gaps it records: schedule, outage, backfill, runs run anew."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import pytest

from lifeboat.clock import parse_rfc3339, rfc3339
from lifeboat.point import catalog, layout
from lifeboat.point.facts import read_gaps
from lifeboat.point.ident import moment_of
from lifeboat.point.manifest import Manifest, Run
from lifeboat.steps.admit import Admission, admit
from lifeboat.steps.backup import backup
from lifeboat.steps.enumerate import enumerate_scope
from lifeboat.steps.gaps import FAILED_RUN, NO_RUN
from lifeboat.steps.prune import execute_prune, plan_prune
from tests.support.kinds import VOLUME
from tests.support.world import DRIVER, World

INSTANCE = "shop.local"
POLICY = """
clusters: [local]
schedule: {every: 4h}
objectives: {rpo: 5h}
select: {namespaces: {include: [shop]}}
retention: {keep: {last: 2}}
"""


def quiet(_: str) -> None:
    """Nobody listens."""


@pytest.fixture
def world() -> World:
    """At 12:00, which is a tick of every four hours."""
    return World(policy=POLICY)


def run_at(world: World, hour: float, trigger: str = "scheduled") -> Run:
    """The run of a tick of this day; hours may be negative, or more than 24."""
    tick = world.now.replace(hour=0) + timedelta(hours=hour)
    prefix = "backfill" if trigger == "backfill" else "scheduled"
    return Run(f"{prefix}__{tick.isoformat()}", trigger, rfc3339(tick), f"backup.{INSTANCE}")


def made(world: World, run: Run) -> Manifest | None:
    return backup(world.context(), run, quiet)


def gaps(world: World) -> list[tuple[int, str, float]]:
    """Hour of the tick from the first one's day on, cause, hours without a point."""
    found = read_gaps(world.context().vault, INSTANCE)
    return [(parse_rfc3339(gap.tick).hour, gap.cause, gap.seconds / 3600) for gap in found]


def points(world: World) -> list[str]:
    return catalog.point_ids(world.context().vault, INSTANCE)


def test_an_hour_after_hour_schedule_has_no_gaps(world: World) -> None:
    for hour in (12, 16, 20):
        assert admit(world.context(), run_at(world, hour)).kind == "capture"
        assert made(world, run_at(world, hour))
        world.tick(hours=4)
        world.now = world.now.replace(hour=world.now.hour)
    assert gaps(world) == []


def test_the_first_run_after_an_outage_records_what_was_missed(world: World) -> None:
    """Airflow makes one run, for the newest tick."""
    made(world, run_at(world, 12))
    first = run_at(world, 28)
    world.tick(hours=17)
    assert "3 missed intervals" in admit(world.context(), first).message
    assert made(world, first)
    assert gaps(world) == [(16, NO_RUN, 17.0), (20, NO_RUN, 17.0), (0, NO_RUN, 17.0)]


def test_runs_of_an_old_tick_and_of_the_newest_make_one_point_and_every_gap(world: World) -> None:
    """Airflow makes the run of the tick that it had noted before, and then that of the newest."""
    made(world, run_at(world, 12))
    noted, newest, after = (run_at(world, hour) for hour in (16, 28, 32))
    world.tick(hours=17)
    admission = admit(world.context(), noted)
    assert (admission.kind, "3 missed intervals" in admission.message) == ("catch-up", True)
    assert made(world, noted)
    world.tick(minutes=1)
    assert admit(world.context(), newest).kind == "captured then"
    assert made(world, newest) is None
    assert gaps(world) == [(16, NO_RUN, 17.0), (20, NO_RUN, 17.0), (0, NO_RUN, 17.0)]
    assert len(points(world)) == 2
    world.tick(hours=3)
    assert admit(world.context(), after).kind == "capture"
    assert len(gaps(world)) == 3


def test_a_point_made_by_hand_is_no_catch_up_of_the_interval_that_is_not_over(
    world: World,
) -> None:
    made(world, run_at(world, 12))
    newest = run_at(world, 16)
    world.tick(hours=4, minutes=30)
    made(world, Run("manual__1", "manual"))
    world.tick(minutes=1)
    assert admit(world.context(), newest).kind == "capture"


def test_points_made_by_hand_within_an_outage_hide_no_gap(world: World) -> None:
    made(world, run_at(world, 12))
    newest = run_at(world, 28)
    world.tick(hours=10)
    made(world, Run("manual__1", "manual"))
    world.tick(hours=7)
    made(world, newest)
    assert [hour for hour, _, _ in gaps(world)] == [16, 0]


def test_a_late_run_within_the_objective_is_a_gap_and_captures_nothing() -> None:
    world = World(policy=POLICY.replace("rpo: 5h", "rpo: 24h"))
    made(world, run_at(world, 12))
    late, newest = run_at(world, 16), run_at(world, 20)
    world.tick(hours=9)
    assert admit(world.context(), late).kind == "gap"
    assert admit(world.context(), newest).kind == "capture"
    assert [hour for hour, _, _ in gaps(world)] == [16]


def test_a_run_that_began_and_made_nothing_is_another_cause(world: World) -> None:
    made(world, run_at(world, 12))
    runs = run_at(world, 16), run_at(world, 20)
    world.tick(hours=4)
    begin(world, runs[0])
    world.tick(hours=4)
    made(world, runs[1])
    assert gaps(world) == [(16, FAILED_RUN, 8.0)]


def begin(world: World, run: Run) -> None:
    """A run that dies once it has claimed its point."""
    enumerate_scope(world.context(), run)


def test_a_new_instance_has_missed_nothing(world: World) -> None:
    assert "missed" not in admit(world.context(), run_at(world, 12)).message
    assert gaps(world) == []


@pytest.mark.parametrize("backwards", [False, True])
def test_a_backfill_captures_one_point_at_most_whatever_its_direction(
    world: World, backwards: bool
) -> None:
    made(world, run_at(world, 12))
    runs = [run_at(world, hour, "backfill") for hour in (16, 20, 24, 28)]
    world.tick(hours=20)
    found = backfilled(world, runs[::-1] if backwards else runs)
    assert [one.kind for one in found] == ["catch-up", "gap", "gap", "gap"]
    assert len(points(world)) == 2
    assert [hour for hour, _, _ in gaps(world)] == [16, 20, 0, 4]
    assert {cause for _, cause, _ in gaps(world)} == {NO_RUN}


def backfilled(world: World, runs: Sequence[Run]) -> list[Admission]:
    """Each run asks before any of them has committed: Airflow runs them side by side."""
    found = [admit(world.context(), run) for run in runs]
    for run, admission in zip(runs, found, strict=True):
        if admission.capture:
            made(world, run)
    return found


def test_an_interval_that_is_not_over_is_no_gap(world: World) -> None:
    made(world, run_at(world, 12))
    older, newest = (run_at(world, hour, "backfill") for hour in (16, 20))
    world.tick(hours=9)
    assert [one.kind for one in backfilled(world, [older, newest])] == ["catch-up", "covered"]
    assert [hour for hour, _, _ in gaps(world)] == [16]
    assert admit(world.context(), newest).kind == "captured then"


def test_a_fresh_point_covers_every_backfilled_interval(world: World) -> None:
    runs = [run_at(world, hour, "backfill") for hour in (0, 4)]
    point = made(world, run_at(world, 12))
    assert point is not None
    assert [one.kind for one in backfilled(world, runs)] == ["gap", "gap"]
    found = read_gaps(world.context().vault, INSTANCE)
    assert {gap.covered_by for gap in found} == {point.point}
    assert [gap.seconds for gap in found] == [12 * 3600, 8 * 3600]


def test_an_interval_that_was_captured_is_no_gap_and_is_left_alone(world: World) -> None:
    """Reprocess completed: the run comes again under its old id. Also once its point is pruned."""
    runs = [run_at(world, hour) for hour in (12, 16, 20)]
    for run in runs:
        made(world, run)
        world.tick(hours=4)
    execute_prune(world.context(), plan_prune(world.context()))
    there = points(world)
    assert len(there) == 2
    again = [Run(run.run_id, "backfill", run.scheduled_for, run.dag) for run in runs]
    found = backfilled(world, again)
    assert {one.kind for one in found} == {"captured then"}
    assert "was removed since" in found[0].message
    assert there[0] in found[1].message
    assert (points(world), gaps(world)) == (there, [])


def test_runs_that_failed_and_come_again_capture_one_point_under_a_new_name(world: World) -> None:
    """Reprocess failed: what the old runs began to capture days ago is not gone on with."""
    made(world, run_at(world, 12))
    runs = [run_at(world, hour) for hour in (16, 20, 24)]
    world.tick(hours=4)
    for run in runs:
        begin(world, run)
        world.tick(hours=4)
    again = [Run(run.run_id, "backfill", run.scheduled_for, run.dag) for run in runs]
    assert [one.kind for one in backfilled(world, again)] == ["catch-up", "gap", "gap"]
    _, caught_up = points(world)
    assert moment_of(caught_up) == world.now
    assert {cause for _, cause, _ in gaps(world)} == {FAILED_RUN}
    retried = admit(world.context(), again[0])
    assert (retried.capture, len(points(world))) == (False, 2)


def test_a_retry_of_the_run_that_catches_up_goes_on_with_its_point(world: World) -> None:
    run = run_at(world, 4, "backfill")
    begin_again = partial(admit, world.context(), run)
    assert begin_again().kind == "catch-up"
    begin(world, run)
    assert begin_again().kind == "continued"
    assert made(world, run)
    assert len(points(world)) == 1


@pytest.mark.parametrize("trigger", ["scheduled", "manual", "asset"])
def test_a_cleared_run_leaves_its_incomplete_point_and_makes_one_of_its_own(
    world: World, trigger: str
) -> None:
    """Cleared as often as it takes, also while the reason is still there."""
    run = run_at(world, 12) if trigger == "scheduled" else Run("by-hand", trigger)
    lacking = unprotected(world, run)
    stored = world.store.twin(world.clock)
    world.tick(hours=1)
    admission = admit(world.context(), run)
    assert (admission.kind, admission.capture) == ("capture", True)
    assert f"point {lacking.point}, which this run made, leaves something out" in admission.message
    still = made(world, run)
    assert still is not None
    assert not still.complete
    world.tick(hours=1)
    protect(world)
    begin_again(world, run)
    assert admit(world.context(), run).kind == "continued", "its attempts agree on the new one"
    whole = made(world, run)
    assert whole is not None
    assert whole.complete
    assert points(world) == [lacking.point, still.point, whole.point]
    assert world.store.get(layout.manifest(INSTANCE, lacking.point)) == stored.get(
        layout.manifest(INSTANCE, lacking.point)
    )


def test_a_cleared_run_whose_incomplete_point_was_pruned_goes_on_with_its_whole_one(
    world: World,
) -> None:
    run = Run("by-hand", "manual")
    lacking = unprotected(world, run)
    world.tick(hours=1)
    protect(world)
    whole = made(world, run)
    assert whole is not None
    world.store.blobs.pop(layout.manifest(INSTANCE, lacking.point))
    world.store.put_new(layout.tombstone(INSTANCE, lacking.point), b"{}")
    admission = admit(world.context(), run)
    assert admission.kind == "continued"
    assert made(world, run) == whole


def test_a_run_of_which_only_a_part_is_done_again_goes_on_with_its_incomplete_point(
    world: World,
) -> None:
    """What it has dumped is of that point, and no other would be whole without."""
    run = run_at(world, 12)
    lacking = unprotected(world, run)
    protect(world)
    admission = admit(world.context(), run, lambda: False)
    assert (admission.kind, admission.claim) == ("continued", run.run_id)
    assert enumerate_scope(world.context(), run, admission.claim).point == lacking.point


def test_a_cleared_run_whose_point_is_whole_makes_no_other(world: World) -> None:
    run = run_at(world, 12)
    point = made(world, run)
    assert point is not None
    world.tick(hours=2)
    assert admit(world.context(), run).kind == "continued"
    assert made(world, run) == point
    assert points(world) == [point.point]


def test_a_cleared_run_that_caught_up_with_an_incomplete_point_catches_up_again(
    world: World,
) -> None:
    """Both of a backfill's own run and of one that took over the id of a scheduled run."""
    old = run_at(world, 4)
    begin(world, old)
    for run in (run_at(world, 8, "backfill"), Run(old.run_id, "backfill", old.scheduled_for)):
        world.tick(hours=12)
        lacking = unprotected(world, run)
        assert admit(world.context(), run).kind == "catch-up"
        protect(world)
        whole = made(world, run)
        assert whole is not None
        assert whole.complete
        assert points(world)[-2:] == [lacking.point, whole.point]
        world.tick(minutes=1)
        assert admit(world.context(), run).kind in ("continued", "gap"), "it has caught up"


def unprotected(world: World, run: Run) -> Manifest:
    """The point of a run while a volume has no driver that could snapshot it."""
    world.cluster.patch(VOLUME, None, "pv-1", {"spec": {"csi": None}})
    manifest = made(world, run)
    assert manifest is not None
    assert not manifest.complete
    world.tick(minutes=1)
    return manifest


def protect(world: World) -> None:
    csi = {"driver": DRIVER, "volumeHandle": "disk-1"}
    world.cluster.patch(VOLUME, None, "pv-1", {"spec": {"csi": csi}})


def begin_again(world: World, run: Run) -> None:
    """A cleared run that dies once it has claimed its point."""
    enumerate_scope(world.context(), run, admit(world.context(), run).claim)


def test_asked_for_by_hand_it_captures_whatever_there_is(world: World) -> None:
    made(world, run_at(world, 12))
    assert admit(world.context(), Run("manual__1", "manual")).kind == "capture"
    assert admit(world.context(), Run("asset__1", "asset")).kind == "capture"
