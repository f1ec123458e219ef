"""Objects of kinds that the target does not serve: in the plan, and a failure by name."""

from __future__ import annotations

from typing import Any

import pytest

from lifeboat.errors import NotProven, RestoreIncomplete
from lifeboat.ports.cluster import Json
from lifeboat.restore.model import PlanItem, RestoreReport, RestoreRequest
from lifeboat.restore.parts import items_of
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.present import lines, markdown
from lifeboat.restore.run import apply_plan, stored_report, summary
from tests.support.kinds import (
    CONFIG_MAP,
    CRD,
    CRON_JOB,
    INGRESS,
    POD,
    REPLICA_SET,
    kind,
)
from tests.support.manifests import manifest
from tests.support.proof_world import ProofWorld
from tests.support.world import World

ROLLOUT = kind("argoproj.io/v1alpha1", "rollouts", "Rollout")
NOBODY = "the target serves no such kind"


def owned(body: Json, owner: str, name: str) -> Json:
    reference = {"apiVersion": "x/v1", "kind": owner, "name": name, "uid": "u", "controller": True}
    body["metadata"]["ownerReferences"] = [reference]
    return body


def fill(world: World) -> None:
    """A CronJob, an Ingress, and a Rollout with what its controller made of it."""
    cluster = world.cluster
    cluster.kinds.append(ROLLOUT)
    job = {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": {}}}}}
    cluster.create(CRON_JOB, "shop", manifest(CRON_JOB, "nightly", spec=job))
    cluster.create(INGRESS, "shop", manifest(INGRESS, "door", spec={}))
    cluster.create(ROLLOUT, "shop", manifest(ROLLOUT, "web", spec={}))
    template = {"spec": {"containers": []}}
    made = manifest(REPLICA_SET, "web-1", spec={"replicas": 1, "template": template})
    cluster.create(REPLICA_SET, "shop", owned(made, "Rollout", "web"))
    pod = manifest(POD, "web-1-a", spec={"containers": [{"name": "m"}]})
    cluster.create(POD, "shop", owned(pod, "ReplicaSet", "web-1"))
    seen = {"readyReplicas": 1, "observedGeneration": 9}
    cluster.reactions["ReplicaSet.apps"] = lambda body: body.update(status=seen)


def lose(world: World, *names: str) -> None:
    """From now on the cluster does not serve these kinds."""
    world.cluster.kinds = [one for one in world.cluster.kinds if one.kind not in names]


def planned(world: World, point: str, **wishes: Any) -> dict[str, PlanItem]:
    request = RestoreRequest(instance="shop.local", point=point, mapping={"shop": "new"}, **wishes)
    plan = plan_restore(world.context(), request, "r1")
    return {item.title: item for item in items_of(world.context().vault, plan)}


@pytest.fixture
def world() -> ProofWorld:
    made = ProofWorld()
    fill(made)
    return made


def test_every_object_of_the_request_is_in_the_plan_and_what_is_not_served_fails_by_name(
    world: ProofWorld,
) -> None:
    point = world.back_up().point
    lose(world, "CronJob", "Ingress")
    found = planned(world, point)
    for title in ("CronJob.batch new/nightly", "Ingress.networking.k8s.io new/door"):
        assert (found[title].action, found[title].reason) == ("unserved", NOBODY)
    assert found["ConfigMap new/settings"].action == "create"
    context = world.context()
    plan = plan_restore(context, RestoreRequest(instance="shop.local", point=point), "r1")
    assert plan.counts()["unserved"] == 2
    assert "unserved 2" in summary(plan)
    told = list(lines(plan, lambda: items_of(context.vault, plan)))
    assert f"  CronJob.batch new/nightly  ({NOBODY})" in told
    shown = markdown(plan, lambda: items_of(context.vault, plan), "required")
    assert "CronJob.batch new/nightly" in shown, "whoever approves has to see it"
    with pytest.raises(RestoreIncomplete, match=f"CronJob.batch new/nightly: {NOBODY}"):
        apply_plan(context, plan, lambda _: None, plan.created)
    account: RestoreReport = stored_report(context, "shop.local", "r1")
    assert not account.ok
    assert account.results["failed"] == 2
    assert "settings" in world.cluster.objects(CONFIG_MAP, "new"), "the others are restored"


def test_an_api_that_does_not_answer_is_named_with_its_reason(world: ProofWorld) -> None:
    point = world.back_up().point
    lose(world, "Rollout")
    world.cluster.failures["argoproj.io/v1alpha1"] = "service is down"
    reason = planned(world, point)["Rollout.argoproj.io new/web"].reason
    assert reason == "its API does not answer: service is down"


def test_nothing_is_left_to_an_owner_that_is_not_restored(world: ProofWorld) -> None:
    point = world.back_up().point
    left = planned(world, point)["ReplicaSet.apps new/web-1"]
    assert (left.action, left.reason) == ("leave", "made anew by its controller, Rollout web")
    other = ProofWorld()
    fill(other)
    point = other.back_up().point
    lose(other, "Rollout")
    found = planned(other, point)
    assert found["ReplicaSet.apps new/web-1"].action == "create"
    assert found["Pod new/web-1-a"].action == "leave", "its ReplicaSet is restored"


def test_a_point_is_not_proven_where_its_kinds_are_not_served(world: ProofWorld) -> None:
    point = world.back_up().point
    assert world.prove(point, "before").outcome == "passed"
    lose(world, "CronJob", "Ingress")
    world.tick(minutes=1)
    with pytest.raises(NotProven):
        world.prove(point, "after")
    verdict = world.judged(point)
    (check,) = verdict.checks
    space = f"lifeboat-{verdict.test[:8]}-shop"
    assert verdict.outcome == "failed"
    assert check.outcome == "failed"
    assert check.detail == f"1 incomplete: CronJob.batch {space}/nightly is missing: {NOBODY}"
    assert f"CronJob.batch {space}/nightly: {NOBODY}" in verdict.error
    assert "Ingress" not in verdict.error, "a test restore leaves it out anyway"


def test_a_lost_definition_that_comes_along_serves_its_objects_and_without_it_none_is() -> None:
    world, widget = ProofWorld(), kind("example.com/v1", "widgets", "Widget")
    names = {"plural": "widgets", "kind": "Widget"}
    versions = [{"name": "v1", "served": True, "storage": True}]
    spec = {"group": "example.com", "names": names, "scope": "Namespaced", "versions": versions}
    world.cluster.create(CRD, None, manifest(CRD, "widgets.example.com", spec=spec))
    world.cluster.create(widget, "shop", manifest(widget, "one"))
    point = world.back_up().point
    lose(world, "Widget")
    world.cluster.delete(CRD, None, "widgets.example.com")
    with pytest.raises(NotProven, match=f"Widget.example.com .*/one is missing: {NOBODY}"):
        world.prove(point)
    request = RestoreRequest(instance="shop.local", point=point, mapping={"shop": "new"})
    plan = plan_restore(world.context(), request, "r1")
    assert plan.counts()["unserved"] == 0
    context = world.context()
    apply_plan(context, plan, lambda _: None, plan.created)
    assert "one" in world.cluster.objects(widget, "new")
