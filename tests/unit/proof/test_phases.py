"""The time to recover, by phase: nothing of it is in no phase."""

from __future__ import annotations

from itertools import count

import pytest
from msgspec.structs import replace

from lifeboat.clock import utc_now
from lifeboat.point.facts import Verdict, read_verdicts
from lifeboat.proof import run
from lifeboat.proof.trend import trend
from lifeboat.restore import run as restore_run
from tests.support.kinds import CONFIG_MAP, kind
from tests.support.manifests import manifest
from tests.support.proof_world import ProofWorld

WIDGET = kind("example.com/v1", "widgets", "Widget")


def seconds(verdict: Verdict) -> dict[str, float]:
    return {phase.name: phase.seconds for phase in verdict.phases}


def owned_world() -> ProofWorld:
    """With something that has an owner, operators to wait for, and a clock that goes."""
    world = ProofWorld("restore: {operators: [none]}\ntestRestore: {checks: [objectsComplete]}\n")
    world.clock = world.store.clock = utc_now  # type: ignore[method-assign]
    world.cluster.kinds.append(WIDGET)
    world.cluster.create(WIDGET, "shop", manifest(WIDGET, "one"))
    made = manifest(CONFIG_MAP, "made")
    reference = {"apiVersion": "example.com/v1", "kind": "Widget", "name": "one", "uid": "u"}
    made["metadata"]["ownerReferences"] = [reference]
    world.cluster.create(CONFIG_MAP, "shop", made)
    return world


def test_the_phases_add_up_to_the_time_to_recover() -> None:
    world = owned_world()
    verdict = world.prove(world.back_up().point)
    found = seconds(verdict)
    assert set(found) == {
        "scratch", "planning", "settle", "volumes", "resources", "operators", "owners", "ready",
        "checks", "handover",
    }  # fmt: skip
    assert sum(found.values()) == pytest.approx(verdict.rto_seconds)
    assert verdict.rto_seconds > 0


def test_every_phase_has_a_watch_of_its_own_and_a_slow_plan_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = owned_world()
    point = world.back_up().point
    for number in range(3):
        world.prove(point, f"fast-{number}")
    looks, waits = iter((0.0, 10.0, 20.0, 220.0)), count(0, 7)
    monkeypatch.setattr(run, "monotonic", lambda: next(looks))
    monkeypatch.setattr(restore_run, "monotonic", lambda: float(next(waits)))
    slow = world.prove(point, "slow")
    found = seconds(slow)
    assert (found["scratch"], found["planning"]) == (10.0, 200.0)
    assert (found["settle"], found["operators"]) == (14.0, 7.0), "two waits, and one"
    assert found["handover"] == 0.0
    earlier = read_verdicts(world.context().vault, "shop.local")
    told = str(trend(replace(slow, rto_seconds=240.0), earlier))
    assert told.endswith("most of it in planning")
