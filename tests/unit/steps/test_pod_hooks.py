"""Hooks that pods ask for by Velero's annotations: which count, in which order, and what it means
when they fail. Who may annotate a pod decides over that pod, never over a point or another pod."""

from __future__ import annotations

import msgspec
import pytest

from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.errors import Forbidden
from lifeboat.point.manifest import Freeze, LeftOut, Manifest
from lifeboat.policy.load import parse_policy
from lifeboat.steps.hook_pods import plan_annotated
from lifeboat.steps.preview import HookView, preview
from tests.support.frozen_world import FrozenWorld
from tests.support.kinds import NAMESPACE, POD
from tests.support.manifests import manifest

DATABASE = """
hooks:
  - exec: {namespace: shop, labels: app=db, pre: {command: [lock]}, post: {command: [unlock]}}
"""


def losses(made: Manifest) -> list[LeftOut]:
    return [entry for entry in made.left_out if entry.severity == "loss"]


def annotated(sections: str = "") -> FrozenWorld:
    world = FrozenWorld(sections)
    world.pod("shop", "cache", a_command='["sync", "/data"]', b_command="resume", b_timeout="5s")
    return world


def test_they_freeze_last_and_thaw_first() -> None:
    world = annotated(DATABASE)
    made = world.point()
    assert world.log == [
        "lock shop/db-0",
        "lock shop/db-1",
        "sync shop/cache",
        "snapshot data",
        "resume shop/cache",
        "unlock shop/db-1",
        "unlock shop/db-0",
    ]
    assert ("cache/main", ("sync", "/data")) in world.pods.ran
    assert isinstance(made.freeze, Freeze)
    assert [run.asked_by for run in made.freeze.hooks] == ["policy", "policy", "pod"] * 2
    assert made.complete


def test_a_policy_may_turn_them_off() -> None:
    world = annotated("podHooks: {enabled: false}\n")
    assert world.point().freeze is msgspec.UNSET
    assert world.log == ["snapshot data"]


def test_namespaces_come_in_the_policys_order_then_by_name() -> None:
    world = FrozenWorld("podHooks: {order: [web, sh*]}\n")
    for namespace, pod in (("shop", "b"), ("shop", "a"), ("web", "z")):
        world.pod(namespace, pod, a_command="sync")
    world.point()
    assert world.log == ["sync web/z", "sync shop/a", "sync shop/b", "snapshot data"]


def test_what_is_not_captured_is_not_asked() -> None:
    world = FrozenWorld("podHooks: {order: [web]}\n")
    body = manifest(NAMESPACE, "other")
    world.cluster.create(NAMESPACE, None, body)
    world.pod("other", "outside", a_command="sync")
    world.pod("shop", "no", {"velero.io/exclude-from-backup": "true"}, a_command="sync")
    world.pod("shop", "mine", {"lifeboat.dev/managed": "true"}, a_command="sync")
    done = world.pod("shop", "done", a_command="sync")
    world.cluster.put(POD, {**done, "status": {"phase": "Succeeded"}})
    going = world.pod("shop", "going", a_command="sync")
    going["metadata"]["deletionTimestamp"] = "2026-11-22T12:00:00Z"
    world.cluster.put(POD, going)
    world.point()
    assert world.log == ["snapshot data"]


def test_many_namespaces_are_looked_at_by_one_list() -> None:
    world = annotated()
    names = ["shop", "web", *(f"space-{n}" for n in range(20))]
    world.cluster.calls.clear()
    policy = parse_policy(world.policy, "shop.yaml", "shop")
    found, _ = plan_annotated(world.cluster, policy, names, ())
    assert [one.title for one in found] == ["pod shop/cache (main)"]
    assert len(world.cluster.calls) == 1


def test_one_that_fails_is_a_loss_of_the_point_and_stops_no_other() -> None:
    world = annotated(DATABASE)
    world.pod("web", "sick", a_command="break", b_command="mend")
    world.pods.answers["break"] = 4
    made = world.point()
    assert not made.complete
    assert losses(made) == [
        LeftOut(
            "stillness of pod web/sick (main)",
            "pre of pod web/sick (main): ended with exit code 4",
        )
    ]
    assert {"sync shop/cache", "snapshot data", "mend web/sick"} <= set(world.log)
    assert len(made.volumes) == 1


def test_one_that_may_fail_is_a_warning() -> None:
    world = FrozenWorld("")
    world.pod("web", "sick", a_command="break", a_on_error="Continue")
    world.pods.answers["break"] = 4
    made = world.point()
    assert made.complete
    assert made.warnings == ("hook: pre of pod web/sick (main): ended with exit code 4",)


def test_one_that_does_not_thaw_is_tried_three_times_and_is_a_loss() -> None:
    world = annotated(DATABASE)
    world.pods.answers["resume"] = 1
    made = world.point()
    assert world.log.count("resume shop/cache") == 3
    assert world.log[-1] == "unlock shop/db-0", "the others thaw all the same"
    assert [entry.what for entry in losses(made)] == ["stillness of pod shop/cache (main)"]


def test_without_the_right_the_point_says_so() -> None:
    world = annotated()
    world.pods.answers["sync"] = Forbidden('cannot create resource "pods/exec"')
    world.pods.answers["resume"] = Forbidden('cannot create resource "pods/exec"')
    made = world.point()
    assert [entry.reason for entry in losses(made)] == [
        'pre of pod shop/cache (main): cannot create resource "pods/exec"'
    ], "what never began needs no thaw"


def test_values_that_are_not_valid_are_told() -> None:
    world = FrozenWorld("")
    world.pod("shop", "cache", a_command="sync", a_timeout="soon")
    made = world.point()
    assert made.complete
    (warning,) = made.warnings
    assert warning.startswith("pod shop/cache: pre.hook.backup.velero.io/timeout is no duration")


def test_the_policys_own_command_cannot_be_taken_away() -> None:
    world = FrozenWorld(DATABASE)
    world.pod("shop", "db-0", {"app": "db"}, a_command="nothing", b_command="nothing")
    made = world.point()
    assert "nothing shop/db-0" not in world.log
    assert world.log.count("lock shop/db-0") == 1
    assert made.warnings == ("pod shop/db-0: the policy's own command runs instead",)


def test_phases_may_run_in_two_containers() -> None:
    world = FrozenWorld("")
    world.pod("shop", "cache", a_command="sync", b_command="resume", b_container="side")
    made = world.point()
    assert made.complete
    assert [where for where, _ in world.pods.ran] == ["cache/main", "cache/side"]


@pytest.mark.parametrize("gone", [True, False])
def test_a_pod_that_a_hook_before_stopped_needs_no_freeze(gone: bool) -> None:
    """Its own hook would fail; that is told, and is no loss, when the pod has really gone."""
    world = annotated("hooks: [{scale: {namespace: web, workload: deployment/front}}]\n")
    patch = world.cluster.patch

    def patched(*args: object, **more: object) -> object:
        if gone:
            world.cluster.delete(POD, "shop", "cache")
        world.pods.gone.add("cache")
        return patch(*args, **more)  # type: ignore[arg-type]

    world.cluster.patch = patched  # type: ignore[method-assign, assignment]
    made = world.point()
    assert made.complete == gone
    told = "hook: pod shop/cache (main) had gone before its own hook could run"
    assert (told in made.warnings) == gone


def test_the_preview_shows_what_would_be_stilled_in_order() -> None:
    world = annotated(DATABASE + "  - scale: {namespace: web, workload: deployment/front}\n")
    policy = parse_policy(world.policy, "shop.yaml", "shop")
    found = preview(policy, world.cluster, DisksCsi(world.cluster))
    assert found.hooks == (
        HookView("pod shop/db-0 (main)", "pre and post", "policy"),
        HookView("pod shop/db-1 (main)", "pre and post", "policy"),
        HookView("deployment/front in web", "pre and post", "policy"),
        HookView("pod shop/cache (main)", "pre and post", "pod"),
    )
    assert world.log == [], "a preview touches nothing"
    world.cluster.delete(POD, "shop", "db-0")
    world.cluster.delete(POD, "shop", "db-1")
    found = preview(policy, world.cluster, DisksCsi(world.cluster))
    assert found.hooks == ()
    assert LeftOut("hooks", "hook: no running pods with labels app=db in shop") in found.failed
