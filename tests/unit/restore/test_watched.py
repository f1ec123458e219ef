"""Fields that a target drops without a word are told."""

from __future__ import annotations

from typing import Any

import pytest

from lifeboat.ports.cluster import Json
from lifeboat.restore.model import RestoreRequest
from lifeboat.restore.parts import items_of
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.run import apply_plan
from lifeboat.restore.watched import dropped, is_custom, is_older
from tests.support.kinds import DEPLOYMENT, NETWORK_POLICY, SECRET, SNAPSHOT, kind
from tests.support.manifests import manifest
from tests.support.proof_world import ProofWorld

ROLLOUT = kind("argoproj.io/v1alpha1", "rollouts", "Rollout")
LOST = "not taken by the target: spec.steps[1].weight"


@pytest.fixture
def world() -> ProofWorld:
    """Its API server knows no weights of steps, and no strategies of Deployments."""
    made = ProofWorld()
    cluster = made.cluster
    cluster.kinds.append(ROLLOUT)
    steps = [{"pause": 1}, {"pause": 2, "weight": 3}]
    cluster.create(ROLLOUT, "shop", manifest(ROLLOUT, "web", spec={"steps": steps}))
    spec = {"replicas": 0, "strategy": {"type": "Recreate"}, "template": {"spec": {}}}
    cluster.create(DEPLOYMENT, "shop", manifest(DEPLOYMENT, "db", spec=spec))
    return made


def prune(world: ProofWorld) -> None:
    def steps(body: Json) -> None:
        for step in body["spec"]["steps"]:
            step.pop("weight", None)

    def strategy(body: Json) -> None:
        del body["spec"]["strategy"]
        body["status"] = {"observedGeneration": 9}

    world.cluster.reactions |= {"Rollout.argoproj.io": steps, "Deployment.apps": strategy}


def changes(world: ProofWorld, point: str, **wishes: Any) -> list[str]:
    """What a restore into another namespace says of fields that were not taken."""
    request = RestoreRequest(instance="shop.local", point=point, mapping={"shop": "new"}, **wishes)
    plan = plan_restore(world.context(), request, f"r{len(world.cluster.calls)}")
    account = apply_plan(world.context(), plan, lambda _: None, plan.created)
    assert account.ok
    return [line for line in account.changes if "not taken" in line]


def test_what_an_older_definition_drops_is_told_by_field(world: ProofWorld) -> None:
    point = world.back_up().point
    prune(world)
    assert changes(world, point) == [f"Rollout.argoproj.io new/web: {LOST}"]


def test_an_older_kubernetes_is_looked_at_for_every_kind(world: ProofWorld) -> None:
    point = world.back_up().point
    prune(world)
    world.cluster.server_version = "v1.35.9"
    assert changes(world, point) == [
        "Deployment.apps new/db: not taken by the target: spec.strategy",
        f"Rollout.argoproj.io new/web: {LOST}",
    ]


def test_a_plan_that_tries_creates_tells_it_before(world: ProofWorld) -> None:
    point = world.back_up().point
    create = world.cluster.create

    def pruning(kind: Any, namespace: Any, body: Json, *, dry_run: bool = False) -> Json:
        made = create(kind, namespace, body, dry_run=dry_run)
        if body["kind"] == "Rollout":
            del made["spec"]["steps"]
        return made

    world.cluster.create = pruning  # type: ignore[method-assign]
    request = RestoreRequest(
        instance="shop.local", point=point, kinds=("rollouts",), mode="replace", try_creates=True
    )
    world.cluster.delete(ROLLOUT, "shop", "web")
    plan = plan_restore(world.context(), request, "r1")
    (web,) = [i for i in items_of(world.context().vault, plan) if i.name == "web"]
    assert web.fields == ("spec.steps: dropped by the target",)


def test_the_answer_of_the_others_is_not_even_read(world: ProofWorld) -> None:
    point = world.back_up().point
    made: list[str] = []
    make = world.cluster.make

    def noted(kind: Any, namespace: Any, body: Json) -> None:
        made.append(kind.kind)
        make(kind, namespace, body)

    world.cluster.make = noted  # type: ignore[method-assign]
    prune(world)
    changes(world, point, kinds=("configmaps", "rollouts", "secrets"))
    assert set(made) == {"ConfigMap", "Namespace", "Secret"}


@pytest.mark.parametrize(
    ("sent", "taken", "lost"),
    [
        ({"spec": {"a": 1, "b": {"c": 2}}}, {"spec": {"a": 1, "b": {}}}, ["spec.b.c"]),
        ({"spec": {"a": [{"b": 1}, {"b": 2}]}}, {"spec": {"a": [{"b": 1}]}}, ["spec.a[1]"]),
        ({"spec": {"cpu": "1000m", "x": None}}, {"spec": {"cpu": "1", "y": 2}}, []),
        ({"spec": {"a": False}}, {"spec": {}}, ["spec.a"]),
        ({"spec": {"a": {}, "b": []}}, {}, ["spec"]),
        (
            {"metadata": {"uid": "u"}, "status": {"a": 1}, "data": {"k": "v"}},
            {"data": {}},
            ["data.k"],
        ),
    ],
)
def test_a_loss_is_what_was_sent_and_is_not_there(sent: Json, taken: Json, lost: list[str]) -> None:
    assert dropped(sent, taken) == lost


def test_kinds_of_kubernetes_itself_and_versions_of_it() -> None:
    assert [is_custom(one) for one in (ROLLOUT, SNAPSHOT)] == [True, True]
    assert [is_custom(one) for one in (DEPLOYMENT, SECRET, NETWORK_POLICY)] == [False] * 3
    assert is_older("v1.35.9", "v1.36.0")
    assert is_older("1.9", "1.10")
    assert not is_older("v1.36.1+k3s1", "v1.36.3")
    assert not is_older("v1.37.0", "v1.36.3")
    assert not is_older("", "v1.36.3")
