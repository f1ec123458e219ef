"""Objects outside namespaces that a test restore brings along, and takes away again."""

from __future__ import annotations

import pytest

from lifeboat.errors import NotReady
from lifeboat.proof import outside
from lifeboat.proof.run import clean_up, scratch_plan
from lifeboat.restore.run import prepare
from lifeboat.steps.left_tests import TEST_LABEL
from lifeboat.steps.reconcile import reconcile, remove_orphans
from tests.support.kinds import CLUSTER_ROLE, CRD, NAMESPACE, PRIORITY_CLASS, kind
from tests.support.manifests import crd, manifest
from tests.support.proof_world import ProofWorld

ASKS = """
testRestore:
  timeout: 5s
  checks: [objectsComplete]
  clusterScoped: [priorityclasses, CustomResourceDefinition.apiextensions.k8s.io]
"""
WIDGETS = "widgets.example.com"
WIDGET = kind("example.com/v1", "widgets", "Widget")


@pytest.fixture
def world() -> ProofWorld:
    """A point with a class, a role and a definition, of which the cluster has lost all but one."""
    made = ProofWorld(ASKS)
    made.policy = made.policy.replace("include: [shop]}", "include: [shop]}, clusterScoped: all")
    made.cluster.create(PRIORITY_CLASS, None, manifest(PRIORITY_CLASS, "urgent", value=7))
    made.cluster.create(PRIORITY_CLASS, None, manifest(PRIORITY_CLASS, "kept", value=1))
    made.cluster.create(CLUSTER_ROLE, None, manifest(CLUSTER_ROLE, "helper", rules=[]))
    made.cluster.create(CRD, None, crd("example.com", "widgets", "Widget"))
    return made


def lose(world: ProofWorld) -> str:
    point = world.back_up().point
    world.cluster.delete(PRIORITY_CLASS, None, "urgent")
    world.cluster.delete(CLUSTER_ROLE, None, "helper")
    world.cluster.delete(CRD, None, WIDGETS)
    return point


def killed(world: ProofWorld) -> str:
    """A test restore that got no further than its cluster-wide objects; its point."""
    point = lose(world)
    plan = scratch_plan(world.context(), point, "test-1")
    prepare(world.context(), plan, lambda _: None)
    return point


def test_what_is_asked_for_comes_along_is_marked_and_goes_again(world: ProofWorld) -> None:
    kept = world.cluster.objects(PRIORITY_CLASS)["kept"]
    killed(world)
    classes = world.cluster.objects(PRIORITY_CLASS)
    assert classes["urgent"]["metadata"]["labels"][TEST_LABEL] == "test-1"
    assert WIDGETS in world.cluster.objects(CRD)
    assert "helper" not in world.cluster.objects(CLUSTER_ROLE), "its kind is not asked for"
    removed = clean_up(world.context(), "test-1")
    assert "PriorityClass.scheduling.k8s.io urgent" in removed
    assert f"CustomResourceDefinition.apiextensions.k8s.io {WIDGETS}" in removed
    assert world.cluster.objects(PRIORITY_CLASS) == {"kept": kept}, "never touched"
    assert clean_up(world.context(), "test-1") == []


def test_a_whole_test_restore_leaves_nothing(world: ProofWorld) -> None:
    point = lose(world)
    assert world.prove(point).proven
    assert set(world.cluster.objects(PRIORITY_CLASS)) == {"kept"}
    assert WIDGETS not in world.cluster.objects(CRD)


def test_without_being_asked_nothing_outside_is_touched() -> None:
    world = ProofWorld()
    world.policy = world.policy.replace("include: [shop]}", "include: [shop]}, clusterScoped: all")
    world.cluster.create(PRIORITY_CLASS, None, manifest(PRIORITY_CLASS, "urgent", value=7))
    point = world.back_up().point
    world.cluster.delete(PRIORITY_CLASS, None, "urgent")
    prepare(world.context(), scratch_plan(world.context(), point, "test-1"), lambda _: None)
    assert world.cluster.objects(PRIORITY_CLASS) == {}


def test_what_somebody_made_meanwhile_is_theirs(world: ProofWorld) -> None:
    killed(world)
    world.cluster.delete(PRIORITY_CLASS, None, "urgent")
    world.cluster.create(PRIORITY_CLASS, None, manifest(PRIORITY_CLASS, "urgent", value=9))
    clean_up(world.context(), "test-1")
    assert world.cluster.objects(PRIORITY_CLASS)["urgent"]["value"] == 9


def test_a_definition_of_which_others_have_objects_by_now_stays_and_is_told(
    world: ProofWorld,
) -> None:
    killed(world)
    world.cluster.kinds.append(WIDGET)
    world.cluster.create(WIDGET, "shop", manifest(WIDGET, "theirs"))
    for _ in range(2):
        with pytest.raises(NotReady, match=f"{WIDGETS} .also of shop/theirs.: not removed"):
            clean_up(world.context(), "test-1")
    assert WIDGETS in world.cluster.objects(CRD)
    left = [name for name in world.cluster.objects(NAMESPACE) if name.startswith("lifeboat-")]
    assert left, "reconcile has something to find it by"
    world.cluster.delete(WIDGET, "shop", "theirs")
    assert f"CustomResourceDefinition.apiextensions.k8s.io {WIDGETS}" in clean_up(
        world.context(), "test-1"
    )


def test_what_does_not_go_is_told(world: ProofWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    killed(world)
    monkeypatch.setattr(outside, "_GONE_SECONDS", 0.1)
    monkeypatch.setattr(world.cluster, "delete", lambda *_, **__: None)
    with pytest.raises(NotReady, match=r"urgent.*still ending"):
        clean_up(world.context(), "test-1")


def test_reconcile_finds_what_a_killed_one_left(world: ProofWorld) -> None:
    killed(world)
    clean = lambda test: clean_up(world.context(), test)  # noqa: E731
    remove_orphans(world.context(), reconcile(world.context()), clean)
    world.tick(hours=25)
    assert remove_orphans(world.context(), reconcile(world.context()), clean)
    assert set(world.cluster.objects(PRIORITY_CLASS)) == {"kept"}
    assert WIDGETS not in world.cluster.objects(CRD)
