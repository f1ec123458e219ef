"""What holds a workload still, and that it comes back to what it was."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from lifeboat.ports.marks import HELD
from lifeboat.restore.hold import HELD_KINDS, hold, hold_patch, is_held, release_patch
from lifeboat.restore.transforms.merge import merge_patch

SPECS: dict[str, dict[str, Any]] = {
    "Deployment.apps": {"replicas": 3},
    "StatefulSet.apps": {},
    "ReplicaSet.apps": {"replicas": 0},
    "ReplicationController": {"replicas": 2},
    "DaemonSet.apps": {"template": {"spec": {"nodeSelector": {"pool": "a"}}}},
    "Pod": {"schedulingGates": [{"name": "theirs"}]},
    "CronJob.batch": {"suspend": False},
    "Job.batch": {"suspend": True},
}


def body(kind: str) -> dict[str, Any]:
    return {"kind": kind.partition(".")[0], "metadata": {"name": "a"}, "spec": SPECS[kind]}


def bare(made: dict[str, Any]) -> dict[str, Any]:
    """Without what a merge leaves empty, with what is meant where nothing is written."""
    made = copy.deepcopy(made)
    made["metadata"].pop("annotations", None)
    return made


@pytest.mark.parametrize("kind", HELD_KINDS)
def test_held_and_let_go_it_is_as_before(kind: str) -> None:
    before = body(kind)
    held = copy.deepcopy(before)
    assert hold(held, kind, "all")
    assert held["spec"] != before["spec"] or kind in ("ReplicaSet.apps", "Job.batch")
    assert is_held(held)
    again = copy.deepcopy(held)
    hold(again, kind, "all")
    assert again == held, "held twice is held once"
    patch = release_patch(held, kind)
    assert patch is not None
    after = bare(merge_patch(held, patch))
    wanted = {"spec": {"replicas": 1}} if kind == "StatefulSet.apps" else {}
    assert after == {**bare(before), **wanted}
    assert release_patch(merge_patch(held, patch), kind) is None


@pytest.mark.parametrize("kind", [one for one in HELD_KINDS if one != "Pod"])
def test_a_live_one_is_held_the_same_way(kind: str) -> None:
    made, live = body(kind), copy.deepcopy(body(kind))
    hold(made, kind, "all")
    patch = hold_patch(live, kind)
    assert patch is not None
    assert merge_patch(live, patch) == made
    assert hold_patch(made, kind) is None


def test_what_is_not_held() -> None:
    settings = {"kind": "ConfigMap", "metadata": {"name": "a"}, "spec": {}}
    assert hold(settings, "ConfigMap", "all") == []
    assert hold(body("Deployment.apps"), "Deployment.apps", "jobs") == []
    assert hold(body("CronJob.batch"), "CronJob.batch", "jobs")
    assert hold(body("CronJob.batch"), "CronJob.batch", "") == []
    assert hold_patch(body("Pod"), "Pod") is None, "a live pod gets no gate"


def test_what_nobody_can_read_is_not_guessed() -> None:
    live = body("Deployment.apps")
    live["metadata"]["annotations"] = {HELD: "replicas=many"}
    assert release_patch(live, "Deployment.apps") is None
