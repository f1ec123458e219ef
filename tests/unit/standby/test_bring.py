"""What bringing a point does in a world in memory: what the real clusters are too slow to say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lifeboat.errors import NotApproved, UsageError
from lifeboat.point.manifest import Run
from lifeboat.point.standby import StandbyEvent
from lifeboat.policy.model import ClusterEntry
from lifeboat.policy.standby import Standby
from lifeboat.policy.still import still
from lifeboat.restore.run import resources
from lifeboat.restore.transforms.transforms import TransformText
from lifeboat.standby.approval import ensure_answerable, ensure_may_agree
from lifeboat.standby.failover import begin as begin_failover
from lifeboat.standby.failover import bring, take_over
from lifeboat.standby.runbook import Wish
from lifeboat.standby.sides import Sides
from lifeboat.standby.sync import Asked, begin, came_through, points_waiting, start, sync
from lifeboat.steps.backup import backup
from tests.support.kinds import JOB
from tests.support.manifests import manifest
from tests.support.world import POLICY, World

THERE = "there"
WITH = f"{POLICY}standby: {{cluster: dr, mapping: {{shop: {THERE}}}, volumes: none}}\n"


class Standing(World):
    """The standby is the same cluster, under other names."""

    def __init__(self) -> None:
        super().__init__(WITH)
        self.cluster.kinds.append(JOB)
        body = manifest(JOB, "migrate", spec={"template": {"spec": {"containers": []}}})
        self.cluster.create(JOB, "shop", body)

    def back_up(self) -> str:
        self.tick(minutes=1)
        made = backup(self.context(), Run(f"run {self.now}", "cli"), lambda _: None)
        assert made is not None
        return made.point

    def sync(self) -> StandbyEvent:
        return sync(self.context(), "latest", Asked("r"), lambda _: None, no_transform)

    def sides(self, approval: str = "required") -> Sides:
        context = self.context()
        wanted = Standby.model_validate({"cluster": "dr", "approval": approval})
        policy = context.instance.policy.model_copy(update={"standby": wanted})
        instance = replace(context.instance, policy=policy)
        entry = ClusterEntry(name="dr", in_cluster=True)
        return Sides(instance, entry, context.vault, lambda *_: self.context(), no_transform)

    def jobs_there(self) -> set[str]:
        """Names of the Jobs that the standby has."""
        return set(self.cluster.objects(JOB, THERE))


def no_transform(name: str) -> TransformText:
    raise AssertionError(name)


@pytest.fixture
def world() -> Standing:
    return Standing()


def test_a_job_that_ended_since_is_not_there_to_run_again(world: Standing) -> None:
    world.back_up()
    assert world.sync().whole
    assert "migrate" in world.jobs_there()
    live = world.cluster.get(JOB, "shop", "migrate")
    live["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    world.cluster.put(JOB, live)
    world.back_up()
    assert world.sync().whole
    assert "migrate" not in world.jobs_there()


def test_what_a_killed_task_left_undone_is_not_called_brought(world: Standing) -> None:
    world.back_up()
    context = world.context()
    began = begin(context, "latest", Asked("r"), no_transform)
    assert not came_through(context, began)
    plan = start(context, began, lambda _: None)
    resources(context, plan, lambda _: None)
    assert not came_through(context, began), "nobody accounted for the volumes"


def test_points_that_wait(world: Standing) -> None:
    assert points_waiting(world.context()) == 0
    for _ in range(2):
        world.back_up()
    assert points_waiting(world.context()) == 2
    world.sync()
    world.back_up()
    assert points_waiting(world.context()) == 1


def test_a_takeover_as_it_is_needs_something_there_and_says_what_is_lost(world: Standing) -> None:
    world.back_up()
    sides, wish = world.sides(), Wish("over", as_it_is=True)
    begin_failover(sides, wish)
    with pytest.raises(UsageError, match="no point was ever brought there"):
        bring(sides, wish, "", lambda _: None)


def test_a_half_brought_standby_says_so_when_it_takes_over(world: Standing) -> None:
    world.back_up()
    world.sync()
    world.back_up()
    begin(world.context(), "latest", Asked("killed"), no_transform)
    sides, wish = world.sides(), Wish("over", as_it_is=True)
    begin_failover(sides, wish)
    notes = bring(sides, wish, "", lambda _: None)
    assert notes == ["what lies there is between two points: the last one did not come through"]
    active = take_over(sides, wish, notes)
    assert active.head is not None
    assert active.head.notes[0].startswith("lost: what was written after 2026-")
    assert take_over(sides, wish, notes).number == active.number, "once"


def test_who_may_agree(world: Standing) -> None:
    ensure_may_agree(world.sides(), "ada", "ada")
    two = world.sides("second-person")
    ensure_may_agree(two, "ada", "bob")
    for who in ("ada", ""):
        with pytest.raises(NotApproved, match="may not agree to it alone"):
            ensure_may_agree(two, "ada", who)
    with pytest.raises(NotApproved, match="nobody knows who asked"):
        ensure_answerable(two, "")


def test_a_still_capture_is_the_policy_without_what_needs_pods(world: Standing) -> None:
    instance, entry = world.context().instance, ClusterEntry(name="dr", in_cluster=True)
    made = still(instance, entry, {"shop": THERE})
    assert made.id == "shop.dr"
    assert made.policy.select.namespaces.include == (THERE,)
    assert (made.policy.standby, made.policy.may_freeze) == (None, False)
    assert still(instance, entry, {"shop": "shop"}).policy.select == instance.policy.select
