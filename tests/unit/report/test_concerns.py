"""States worth telling: each told once when it begins and once when it ends, to each receiver."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from lifeboat.clock import rfc3339
from lifeboat.errors import NotDelivered, Problem, StoreUnavailable
from lifeboat.pipeline.watch_tasks import Round, Unreadable
from lifeboat.point import layout
from lifeboat.point.facts import CheckResult, Verdict, record_verdict
from lifeboat.point.ident import new_point_id
from lifeboat.point.manifest import Run
from lifeboat.policy.alerts import AlertsFile, Email, Receiver
from lifeboat.report.concerns import Change, Sight, concerns, look
from lifeboat.report.fleet import unreadable
from lifeboat.report.metrics import samples
from lifeboat.steps.backup import backup
from lifeboat.steps.prune import execute_prune, plan_prune
from lifeboat.steps.scope import Claim
from tests.support.world import POLICY, World

LIMITS = AlertsFile(
    failures=2,
    receivers=(
        Receiver(name="ops", webhook="env:OPS"),
        Receiver(name="boss", email=Email(to=("boss@example.com",)), about=("late",)),
    ),
)
TESTED = f"{POLICY}testRestore: {{schedule: {{cron: 0 4 * * 0}}}}\n"


def back_up(world: World, tick: datetime | None = None) -> None:
    """A complete point, by hand unless it is for a tick."""
    run = Run(f"run {world.now}", "scheduled" if tick else "manual", rfc3339(tick) if tick else "")
    assert backup(world.context(), run, lambda _: None)


def sight(world: World) -> Sight:
    context = world.context()
    return look(context.vault, context.instance, world.now)


def kinds(world: World) -> list[str]:
    return [one.kind for one in concerns(sight(world), LIMITS, world.now)]


def fail(world: World, run: str) -> None:
    """A run that claimed a point and made none; then more than its time passes."""
    vault, instance = world.context().vault, world.context().instance.id
    claim = Claim(new_point_id(world.now), Run(run, "scheduled"), rfc3339(world.now))
    vault.put_document(layout.claim(instance, run), claim)
    world.now += timedelta(hours=2)


def judge(world: World, *, proven: bool, seconds: float = 10.0) -> None:
    context = world.context()
    verdict = Verdict(
        test=f"t-{world.now:%H%M%S}",
        instance=context.instance.id,
        point=str(sight(world).newest and sight(world).newest.point),  # type: ignore[union-attr]
        started=rfc3339(world.now),
        ended=rfc3339(world.now),
        proven=proven,
        rto_seconds=seconds,
        phases=(),
        checks=(CheckResult("workloadsReady", "passed" if proven else "failed", "1 of 2", 1.0),),
        objective_seconds=3600.0,
    )
    record_verdict(context.vault, verdict)


def test_a_fresh_instance_and_one_in_time_are_no_concern() -> None:
    world = World()
    assert kinds(world) == []
    back_up(world)
    assert kinds(world) == []


def test_late_begins_when_the_objective_is_broken_not_when_a_run_fails() -> None:
    world = World(policy=POLICY.replace("rpo: 1h", "rpo: 5h"))
    back_up(world)
    fail(world, "one")
    assert kinds(world) == []
    world.now += timedelta(hours=4)
    assert kinds(world) == ["late"]
    back_up(world)
    assert kinds(world) == []


def test_failures_in_a_row_count_and_a_complete_point_ends_them() -> None:
    world = World(policy=POLICY.replace("rpo: 1h", "rpo: 3d"))
    back_up(world)
    for run in ("one", "two"):
        world.now += timedelta(minutes=1)
        assert kinds(world) == []
        fail(world, run)
    assert sight(world).failures == 0, "they may be under way for as long as the rpo"
    world.now += timedelta(days=3)
    assert sight(world).failures == 2
    assert "failing" in kinds(world)
    back_up(world)
    assert sight(world).failures == 0


def test_a_run_that_another_one_covers_is_no_failure() -> None:
    world = World()
    back_up(world)
    world.now += timedelta(minutes=1)
    context = world.context()
    covered = Claim("", Run("covered", "backfill"), rfc3339(world.now))
    context.vault.put_document(layout.claim(context.instance.id, "covered"), covered)
    world.now += timedelta(hours=3)
    assert sight(world).failures == 0


def test_proofs_damage_and_snapshots() -> None:
    world = World(policy=TESTED.replace("rpo: 1h", "rpo: 60d"))
    back_up(world)
    judge(world, proven=True, seconds=4000)
    assert kinds(world) == ["slow"]
    world.now += timedelta(hours=1)
    judge(world, proven=False)
    assert kinds(world) == ["unproven"]
    world.now += timedelta(hours=1)
    judge(world, proven=True)
    assert kinds(world) == []
    world.now += timedelta(days=32)
    assert kinds(world) == ["unproven"]
    context = world.context()
    context.vault.put_document(layout.damaged_pack(context.instance.id, "p" * 32), {"since": ""})
    back_up(world)
    assert kinds(world) == ["unproven", "damaged"]
    few = LIMITS.model_copy(update={"snapshots": 2})
    assert concerns(sight(world), few, world.now)[-1].kind == "snapshots"


class Told:
    """Receivers of one test: what each was told, and who cannot be reached."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.messages = 0
        self.away: set[str] = set()

    def __call__(self, receiver: Receiver, found: list[Change]) -> None:
        if receiver.name in self.away:
            raise NotDelivered("away")
        self.messages += 1
        self.lines += [(receiver.name, f"{one.kind} {one.state}") for one in found]


def watch(world: World, told: Told, before: Unreadable, *, broken: bool = False) -> None:
    found, vault = sight(world), world.context().vault
    if broken:
        found = Sight(found.instance, unreadable(found.instance, StoreUnavailable("away")))
    round_ = Round(LIMITS, world.now, before)
    round_.add(found, None if broken else vault)
    world.now += timedelta(minutes=5)
    round_.tell(told)


@pytest.fixture
def variable(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Airflow's Variables, as far as the watch uses them."""
    kept: dict[str, str] = {}

    def get(key: str, default: str = "") -> str:
        return kept.get(key, default)

    fake: Any = SimpleNamespace(get=get, set=kept.__setitem__)
    monkeypatch.setattr("lifeboat.pipeline.watch_tasks.Variable", fake)
    return kept


def test_each_receiver_is_told_once_that_it_began_and_once_that_it_ended() -> None:
    world, told, none = World(), Told(), Unreadable({})
    back_up(world)
    world.now += timedelta(hours=2)
    for _ in range(3):
        watch(world, told, none)
    assert told.lines == [("ops", "late entered"), ("boss", "late entered")]
    back_up(world)
    for _ in range(3):
        watch(world, told, none)
    assert told.lines[2:] == [("ops", "late left"), ("boss", "late left")]
    world.now += timedelta(hours=2)
    watch(world, told, none)
    assert told.lines[4:] == [("ops", "late entered"), ("boss", "late entered")]


def test_who_cannot_be_reached_is_told_by_a_later_round_and_nobody_twice() -> None:
    world, told, none = World(), Told(), Unreadable({})
    back_up(world)
    world.now += timedelta(hours=2)
    told.away = {"ops"}
    for _ in range(2):
        with pytest.raises(NotDelivered, match="ops"):
            watch(world, told, none)
    told.away = set()
    watch(world, told, none)
    assert told.lines == [("boss", "late entered"), ("ops", "late entered")]


def test_a_vault_that_cannot_be_read_is_told_once_too(variable: dict[str, str]) -> None:
    world, told = World(), Told()
    back_up(world)
    for _ in range(3):
        watch(world, told, Unreadable.read(), broken=True)
    assert told.lines == [("ops", "unreadable entered")]
    for _ in range(2):
        watch(world, told, Unreadable.read())
    assert told.lines[1:] == [("ops", "unreadable left")]
    assert variable == {"lifeboat_unreadable": '{"ops": []}'}


def test_a_mistake_in_the_files_is_told_once_too(variable: dict[str, str]) -> None:
    """An instance that no file gives any more is late for nobody."""
    told = Told()
    wrong = Problem("clusters.yaml", 3, "clusters[1]", "'kubeconfg'", "a known key")
    for problems in [(), (wrong, wrong), (wrong,), (), ()]:
        round_ = Round(LIMITS, World().now, Unreadable.read())
        round_.add_files(problems)
        round_.tell(told)
    assert told.lines == [("ops", "unreadable entered"), ("ops", "unreadable left")]
    assert variable == {"lifeboat_unreadable": '{"ops": []}'}


def test_one_message_a_round_whatever_happened(variable: dict[str, str]) -> None:
    world, told = World(), Told()
    back_up(world)
    found = sight(world)
    round_ = Round(LIMITS, world.now, Unreadable.read())
    for number in range(50):
        policy = found.instance.policy.model_copy(update={"name": f"p{number}"})
        one = replace(found.instance, policy=policy)
        round_.add(Sight(one, unreadable(one, StoreUnavailable("away"))), None)
    assert round_.tell(told) == 50
    assert told.messages == 1
    assert len(variable) == 1


def test_who_wants_what() -> None:
    instance = World().context().instance
    production = {"environment": "production"}
    of_production = Receiver(name="a", slack="env:A", labels=production)
    assert not of_production.wants(instance, "late")
    entry = instance.cluster.model_copy(update={"labels": {**production, "team": "x"}})
    assert of_production.wants(replace(instance, cluster=entry), "late")
    assert not Receiver(name="a", slack="env:A", criticality="high").wants(instance, "late")


def test_what_was_never_proven_is_told_though_its_first_points_are_gone() -> None:
    world = World(policy=TESTED.replace("rpo: 1h", "rpo: 60d"))
    begun = world.now
    for _ in range(32):
        back_up(world)
        assert kinds(world) == []
        context = world.context()
        execute_prune(context, plan_prune(context))
        world.now += timedelta(days=1)
    assert sight(world).status.points == 2
    (told,) = concerns(sight(world), LIMITS, world.now)
    due = rfc3339(begun + timedelta(days=31))
    assert told.text == f"no point was ever proven; a proof was due by {due}"
    judge(world, proven=True)
    assert kinds(world) == []


def test_nobody_who_wants_no_proofs_is_told_of_them() -> None:
    world = World(policy=POLICY.replace("rpo: 1h", "rpo: 900d"))
    back_up(world)
    world.now += timedelta(days=400)
    assert kinds(world) == []
    assert "lifeboat_proof_due_timestamp_seconds" not in names(world)


def names(world: World) -> set[str]:
    return {one.name for one in samples(sight(world), LIMITS, world.now)}


def test_nothing_unknown_is_zero() -> None:
    """`lifeboat metrics` over a vault that has everything: test_metrics.py beside the command."""
    world = World(policy=TESTED)
    known = {"read_timestamp_seconds", "vault_readable", "rpo_seconds", "rto_seconds"}
    counted = {"points", "failures", "damaged_packs"}
    assert names(world) == {f"lifeboat_{name}" for name in known | counted}
    back_up(world)
    assert names(world).isdisjoint({f"lifeboat_last_proof_{n}" for n in ("passed", "age_seconds")})
    assert "lifeboat_last_success_start_delay_seconds" not in names(world), "it was by hand"
