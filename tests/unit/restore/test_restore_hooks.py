"""What a restore does beside creating objects: containers to begin with, and hooks behind them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lifeboat.errors import Forbidden, RestoreIncomplete
from lifeboat.ports.cluster import Json, Kind
from lifeboat.restore.hooks import awaited
from lifeboat.restore.model import RestoreReport, RestoreRequest
from lifeboat.restore.plan import digest, plan_restore
from lifeboat.restore.run import after, prepare, resources, restore_id, stored_report
from lifeboat.restore.run import restore as run_restore
from lifeboat.restore.transforms.transforms import TransformText
from tests.support.fake_pods import Said
from tests.support.frozen_world import FrozenWorld
from tests.support.kinds import CLAIM, CONFIG_MAP, DEPLOYMENT, JOB, POD, REPLICA_SET, SECRET, VOLUME
from tests.support.manifests import manifest
from tests.support.world import DRIVER

AFTER = "post.hook.restore.velero.io/"
HOOKS = """
restoreHooks:
  wait: 1s
  after:
    - exec:
        namespace: shop
        labels: app=db
        run: {command: [psql, -f, /dump.sql]}
    - http:
        headers: {Authorization: "env:TOKEN"}
        call: {url: "https://shop.example.com/warm?token=7", expect: [200]}
    - job:
        namespace: shop
        serviceAccount: orders
        run: {image: "tools:1", args: [migrate]}
"""
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


class RestoredWorld(FrozenWorld):
    """Pods run as soon as they are created, unless `status` says otherwise by their name."""

    def __init__(self, sections: str = "") -> None:
        super().__init__(sections)
        self.status: dict[str, Json] = {}
        self.cluster.reactions["Pod"] = self._start
        self.cluster.reactions["Deployment.apps"] = self._roll_out
        for pod in self.cluster.objects(POD, "shop").values():
            self.cluster.put(POD, {**pod, "status": READY})

    def _start(self, body: Json) -> None:
        body["status"] = self.status.get(body["metadata"]["name"], READY)

    def _roll_out(self, body: Json) -> None:
        wanted = body["spec"].get("replicas", 1)
        counts = dict.fromkeys(("updatedReplicas", "availableReplicas", "readyReplicas"), wanted)
        body["status"] = {**counts, "observedGeneration": 99}

    def request(self, **more: Any) -> RestoreRequest:
        """Of the namespace shop, its claim left out, into copy unless it says otherwise."""
        point = self.point().point
        self.log.clear()
        kinds = ("pods", "deployments", "configmaps", "secrets")
        asked = {"namespaces": ("shop",), "mapping": {"shop": "copy"}, "kinds": kinds, **more}
        return RestoreRequest(instance="shop.local", point=point, **asked)

    def restore(self, **more: Any) -> RestoreReport:
        context = self.context()
        request = self.request(**more)
        try:
            return run_restore(context, request, "run", lambda _: None)
        except RestoreIncomplete:
            return stored_report(context, "shop.local", restore_id("shop.local", "run"))


def test_hooks_run_in_order_in_the_renamed_namespace_once_all_is_ready() -> None:
    world = RestoredWorld(HOOKS)
    account = world.restore()
    assert account.ok, account.failed
    assert world.log == [
        "psql copy/db-0",
        "psql copy/db-1",
        "POST https://shop.example.com/warm",
        "job tools:1",
    ]
    titles = [hook.title for hook in account.hooks]
    assert titles == [
        "pod copy/db-0 (main)",
        "pod copy/db-1 (main)",
        "http https://shop.example.com/warm",
        "job tools:1 in copy",
    ]
    assert "hooks" in [phase.name for phase in account.phases]
    assert not world.cluster.objects(JOB, "copy"), "a Job that has ended goes"


def test_they_run_when_the_namespace_that_was_backed_up_is_restored_into() -> None:
    world = RestoredWorld(HOOKS)
    account = world.restore(mapping={}, mode="merge")
    assert account.ok, account.failed
    assert world.log[:2] == ["psql shop/db-0", "psql shop/db-1"]


def test_a_failure_stops_those_behind_it_and_fails_the_restore() -> None:
    world = RestoredWorld(HOOKS)
    world.pods.answers["psql"] = 3
    account = world.restore()
    assert not account.ok
    assert account.failed == (
        "hook pod copy/db-0 (main): post of pod copy/db-0 (main): ended with exit code 3",
        "hook pod copy/db-1 (main): did not run: one before it failed",
        "hook http https://shop.example.com/warm: did not run: one before it failed",
        "hook job tools:1 in copy: did not run: one before it failed",
    )
    assert account.hooks[0].exit_code == 3
    assert world.log == ["psql copy/db-0"]


def test_one_that_may_fail_is_a_warning_and_the_others_go_on() -> None:
    may = HOOKS.replace("dump.sql]}", "dump.sql], onError: Continue}")
    world = RestoredWorld(may)
    world.pods.answers["psql"] = Said(takes=31)
    account = world.restore()
    assert account.ok
    assert [line.partition(": ")[0] for line in account.warnings] == [
        "hook pod copy/db-0 (main)",
        "hook pod copy/db-1 (main)",
    ]
    assert "still ran after 30 s" in account.warnings[0]
    assert world.log[-1] == "job tools:1"


def test_one_whose_pods_never_come_fails_when_the_wait_is_over() -> None:
    world = RestoredWorld(HOOKS.replace("app=db", "app=gone"))
    account = world.restore()
    assert (
        account.failed[0]
        == "hook exec app=gone in copy: hook: no running pods with labels app=gone in copy"
    )


def test_what_makes_pods_ready_waits_for_running_ones_only() -> None:
    hook = HOOKS[: HOOKS.index("    - http")].replace("run:", "ready: false\n        run:")
    world = RestoredWorld(hook)
    world.status["db-1"] = {"phase": "Pending"}
    context = world.context()
    plan = plan_restore(context, world.request(), "r")
    prepare(context, plan, lambda _: None)
    resources(context, plan, lambda _: None)
    assert awaited(context, plan) == ["pod copy/db-1 does not run"]
    for name in ("db-0", "db-1"):
        world.cluster.put(
            POD, {**world.cluster.get(POD, "copy", name), "status": {"phase": "Running"}}
        )
    assert awaited(context, plan) == [], "running is enough"


def test_a_killed_restore_runs_again_only_what_was_cut_off() -> None:
    world = RestoredWorld(HOOKS)
    context, request = world.context(), world.request()
    plan = plan_restore(context, request, "r")
    prepare(context, plan, lambda _: None)
    resources(context, plan, lambda _: None)

    def killed(_: Any) -> None:
        raise KeyboardInterrupt

    world.calls.seen = killed
    with pytest.raises(KeyboardInterrupt):
        after(context, plan, lambda _: None)
    world.calls.seen = world._request
    world.cluster.delete(POD, "copy", "db-1")  # what was done stays done
    result = after(world.context(), plan, lambda _: None)
    assert [hook.trouble for hook in result.hooks] == ["", "", "", ""]
    assert world.log == [
        "psql copy/db-0",
        "psql copy/db-1",
        "POST https://shop.example.com/warm",
        "job tools:1",
    ]
    assert after(world.context(), plan, lambda _: None) == result
    assert len(world.log) == 4


def test_the_hooks_of_the_plan_run_whatever_becomes_of_the_policy() -> None:
    world = RestoredWorld(HOOKS)
    context, request = world.context(), world.request()
    plan = plan_restore(context, request, "r")
    other = RestoredWorld.context(world)
    prepare(other, plan, lambda _: None)
    resources(other, plan, lambda _: None)
    world.policy = world.policy.replace(HOOKS, "")
    after(world.context(), plan, lambda _: None)
    assert len(world.log) == 4
    changed = plan_restore(world.context(), request, "later")
    assert changed.digest != plan.digest


def annotate(world: RestoredWorld, name: str, **values: str) -> None:
    pod = world.cluster.get(POD, "shop", name)
    told = {AFTER + key.replace("_", "-"): value for key, value in values.items()}
    pod["metadata"]["annotations"] = told
    world.cluster.put(POD, pod)


def test_pods_ask_for_themselves_by_veleros_annotations() -> None:
    world = RestoredWorld()
    annotate(world, "db-0", command='["psql", "-c", "x"]', container="side", on_error="Fail")
    annotate(world, "db-1", command="psql", exec_timeout="soon")
    world.pods.answers["psql"] = 2
    account = world.restore()
    assert account.failed == (
        "hook pod copy/db-0 (side): post of pod copy/db-0 (side): ended with exit code 2",
    )
    assert account.warnings[-2:] == (
        "hook pod copy/db-1 (main): post of pod copy/db-1 (main): ended with exit code 2",
        f"pod copy/db-1: {AFTER}exec-timeout is no duration such as 90s or 1m30s: 30s is taken",
    )
    assert world.log == ["psql copy/db-0", "psql copy/db-1"]


def test_pods_that_the_restore_did_not_bring_are_let_alone() -> None:
    world = RestoredWorld()
    annotate(world, "db-0", command="psql")
    request = world.request(mapping={})
    world.cluster.delete(POD, "shop", "web")
    account = run_restore(world.context(), request, "run", lambda _: None)
    assert world.cluster.get(POD, "shop", "web"), "it was brought, and asks for nothing"
    assert account.hooks == ()
    assert world.log == []


def test_pods_of_a_restored_deployment_are_brought_by_it() -> None:
    world = RestoredWorld()
    world.deployment("shop", "web", 1)

    def roll_out(body: Json) -> None:
        world._roll_out(body)
        namespace = body["metadata"]["namespace"]
        if namespace != "copy":
            return
        owner = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": "web",
            "uid": "1",
            "controller": True,
        }
        made = manifest(REPLICA_SET, "web-1", spec={})
        made["metadata"].update(namespace=namespace, ownerReferences=[owner])
        world.cluster.put(REPLICA_SET, made)
        owner = {**owner, "kind": "ReplicaSet", "name": "web-1"}
        pod = manifest(POD, "web-1-x", spec={"containers": [{"name": "main"}]}, status=READY)
        told = {AFTER + "command": "warm", AFTER + "wait-for-ready": "true"}
        pod["metadata"].update(namespace=namespace, ownerReferences=[owner], annotations=told)
        world.cluster.put(POD, pod)

    world.cluster.reactions["Deployment.apps"] = roll_out
    account = world.restore(kinds=("deployments",))
    assert account.ok, account.failed
    assert world.log == ["warm copy/web-1-x"]


def test_annotations_count_unless_the_policy_says_no() -> None:
    world = RestoredWorld("restoreHooks: {annotations: false}\n")
    annotate(world, "db-0", command="psql")
    assert world.restore().hooks == ()


def test_a_test_restore_sends_no_requests() -> None:
    world = RestoredWorld(HOOKS)
    account = world.restore(scratch=True)
    assert account.ok, account.failed
    assert (
        "http https://shop.example.com/warm: a test restore sends no requests" in account.warnings
    )
    assert world.calls.heard == []
    assert world.log == ["psql copy/db-0", "psql copy/db-1", "job tools:1"]


INIT = """
restoreHooks:
  init:
    - namespace: shop
      labels: app=db
      containers: [{name: owner, image: "registry.example.com/tools:1", command: [fix]}]
"""
FIX = {"name": "owner", "image": "registry.example.com/tools:1", "command": ["fix"]}


def init_containers(world: RestoredWorld, name: str) -> Any:
    return world.cluster.get(POD, "copy", name)["spec"].get("initContainers")


def test_init_containers_come_first_in_the_pods_that_they_are_for() -> None:
    world = RestoredWorld(INIT)
    pod = world.cluster.get(POD, "shop", "db-0")
    pod["spec"]["initContainers"] = [{"name": "mine", "image": "a"}]
    world.cluster.put(POD, pod)
    account = world.restore()
    assert account.ok, account.failed
    assert [one["name"] for one in init_containers(world, "db-0")] == ["owner", "mine"]
    assert init_containers(world, "db-1") == [FIX]
    assert init_containers(world, "web") is None
    said = "init container owner added, asked for by the policy"
    assert account.changes.count(f"Pod copy/db-0: {said}") == 1


def test_a_point_of_a_restored_pod_does_not_get_them_twice() -> None:
    world = RestoredWorld(INIT)
    pod = world.cluster.get(POD, "shop", "db-0")
    pod["spec"]["initContainers"] = [FIX]
    world.cluster.put(POD, pod)
    world.restore()
    assert [one["name"] for one in init_containers(world, "db-0")] == ["owner"]


def test_templates_ask_for_init_containers_by_veleros_annotations() -> None:
    world = RestoredWorld()
    init = "init.hook.restore.velero.io/"
    told = {init + "container-image": "tools:1", init + "command": '["fix"]'}
    template = {"metadata": {"annotations": told}, "spec": {"containers": [{"name": "main"}]}}
    body = manifest(DEPLOYMENT, "web", spec={"replicas": 1, "template": template})
    body["metadata"]["namespace"] = "shop"
    world.cluster.put(DEPLOYMENT, body)
    account = world.restore()
    spec = world.cluster.get(DEPLOYMENT, "copy", "web")["spec"]["template"]["spec"]
    assert spec["initContainers"] == [
        {"name": "lifeboat-restore-init", "image": "tools:1", "command": ["fix"]}
    ]
    told_of = "init container lifeboat-restore-init added, asked for by its annotations"
    assert f"Deployment.apps copy/web: {told_of}" in account.changes


MOVED = """
maps: {images: {registry.example.com: mirror.example.net}}
rules:
  - name: paint
    when: {kinds: [configmaps], namespaces: [shop]}
    mergePatch: {data: {colour: green}}
  - {when: {kinds: [secrets]}, mergePatch: {data: {password: bmV3}, metadata: {annotations: null}}}
"""


def test_transforms_come_last_and_are_told() -> None:
    world = RestoredWorld(INIT)
    account = world.restore(transforms=(TransformText("dr", MOVED),))
    assert account.ok, account.failed
    image = "mirror.example.net/tools:1"
    assert init_containers(world, "db-0") == [{**FIX, "image": image}]
    assert world.cluster.get(CONFIG_MAP, "copy", "settings")["data"] == {"colour": "green"}
    secret = world.cluster.get(SECRET, "copy", "login")
    assert secret["data"] == {"password": "bmV3"}
    assert secret["metadata"]["annotations"]["lifeboat.dev/restore"] == account.restore
    told = 'ConfigMap copy/settings: transform dr, paint: data.colour: "blue" → "green"'
    assert told in account.changes
    assert "bmV3" not in str(account)


def test_an_object_that_cannot_be_transformed_fails_alone() -> None:
    wrong = "rules: [{when: {kinds: [configmaps]}, jsonPatch: [{op: remove, path: /spec}]}]"
    world = RestoredWorld()
    account = world.restore(transforms=(TransformText("dr", wrong),))
    (failed,) = account.failed
    assert failed.startswith(
        "ConfigMap copy/settings: transform dr, rule 1: jsonPatch[0]: remove of"
    )
    assert "settings" not in world.cluster.objects(CONFIG_MAP, "copy")
    assert world.cluster.get(SECRET, "copy", "login")


def test_the_transforms_are_part_of_what_is_approved() -> None:
    world = RestoredWorld()
    context = world.context()
    request = world.request()
    plain = plan_restore(context, request, "one")
    changed = msgspec.structs.replace(request, transforms=(TransformText("dr", MOVED),))
    transformed = plan_restore(context, changed, "two")
    assert transformed.request.transforms == changed.transforms
    assert digest(msgspec.structs.replace(transformed, request=request)) != transformed.digest
    assert plain.request.transforms == ()


def test_claims_that_come_with_their_volumes_are_transformed_and_told() -> None:
    text = "maps: {storageClasses: {fast: slow}}"
    world = RestoredWorld()

    def bind(body: Json) -> None:
        body["spec"]["volumeName"] = "pv-1"
        body["status"] = {"phase": "Bound"}

    kinds = ("persistentvolumeclaims",)
    request = world.request(kinds=kinds, transforms=(TransformText("dr", text),))
    world.cluster.reactions["PersistentVolumeClaim"] = bind
    del world.cluster.reactions["VolumeSnapshot.snapshot.storage.k8s.io"]
    account = run_restore(world.context(), request, "run", lambda _: None)
    assert world.cluster.get(CLAIM, "copy", "data")["spec"]["storageClassName"] == "slow"
    told = 'PersistentVolumeClaim copy/data: transform dr: spec.storageClassName: "fast" → "slow"'
    assert account.changes == (told,)


def test_a_restored_volume_keeps_what_was_to_become_of_it() -> None:
    policy = "persistentVolumeReclaimPolicy"
    world = RestoredWorld()
    world.cluster.patch(VOLUME, None, "pv-1", {"spec": {policy: "Retain"}})

    def bind(body: Json) -> None:
        name = f"pv-{body['metadata']['namespace']}"
        csi = {"driver": DRIVER, "volumeHandle": name}
        world.cluster.put(VOLUME, manifest(VOLUME, name, spec={"csi": csi, policy: "Delete"}))
        body["spec"]["volumeName"] = name
        body["status"] = {"phase": "Bound"}

    asked = world.request(kinds=("persistentvolumeclaims",))
    world.cluster.reactions["PersistentVolumeClaim"] = bind
    del world.cluster.reactions["VolumeSnapshot.snapshot.storage.k8s.io"]
    account = run_restore(world.context(), asked, "run", lambda _: None)
    assert world.cluster.get(VOLUME, None, "pv-copy")["spec"][policy] == "Retain"
    told = "reclaim policy Retain kept, the class says Delete"
    assert account.changes == (f"PersistentVolume pv-copy: {told}",)
    scratch = msgspec.structs.replace(asked, mapping={"shop": "test"}, scratch=True)
    run_restore(world.context(), scratch, "test", lambda _: None)
    assert world.cluster.get(VOLUME, None, "pv-test")["spec"][policy] == "Delete"


def test_pods_that_may_not_be_listed_are_told_and_stop_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = RestoredWorld()
    context = world.context()
    plan = plan_restore(context, world.request(kinds=("pods",)), "r")
    prepare(context, plan, lambda _: None)
    resources(context, plan, lambda _: None)

    def refused(kind: Kind, **_: Any) -> Any:
        raise Forbidden(f"{kind.plural} is forbidden")

    monkeypatch.setattr(world.cluster, "list_pages", refused)
    result = after(context, plan, lambda _: None)
    assert result.hooks == ()
    told = "pods of copy were not asked for hooks of theirs: pods is forbidden"
    assert result.warnings == [told]
