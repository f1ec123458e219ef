"""Whole restores in memory: modes, prune, parts of a point, swapped volumes, approval."""

from __future__ import annotations

from typing import Any

import pytest

from lifeboat.errors import NotApproved, RestoreIncomplete, UsageError
from lifeboat.point.manifest import Run
from lifeboat.ports.cluster import Json, Kind
from lifeboat.restore.approval import approval_of, approve, ensure_approved
from lifeboat.restore.model import PlanItem, RestorePlan, RestoreReport
from lifeboat.restore.parts import items_of
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.present import lines, markdown
from lifeboat.restore.request import Written
from lifeboat.restore.run import apply_plan
from lifeboat.steps.backup import backup
from tests.support.kinds import (
    CLAIM,
    CONFIG_MAP,
    DEPLOYMENT,
    NAMESPACE,
    POD,
    REPLICA_SET,
    SECRET,
    SERVICE_ACCOUNT,
    STORAGE_CLASS,
    VOLUME,
)
from tests.support.manifests import manifest
from tests.support.world import DRIVER, POLICY, World

INSTANCE = "shop.local"


def quiet(_: str) -> None: ...


def bind(world: World) -> None:
    """What a provisioner does: a claim is bound as soon as it is made."""

    def bound(body: Json) -> None:
        name = f"pv-{body['metadata']['uid']}"
        body["spec"]["volumeName"] = name
        body["status"] = {"phase": "Bound"}
        csi = {"driver": DRIVER, "volumeHandle": f"disk-{name}"}
        spec = {"capacity": {"storage": "1Gi"}, "csi": csi}
        world.cluster.put(VOLUME, manifest(VOLUME, name, spec=spec))

    def seen(body: Json) -> None:
        counts = {"updatedReplicas": 9, "availableReplicas": 9, "readyReplicas": 9}
        body["status"] = {"observedGeneration": 99, **counts}

    world.cluster.reactions["PersistentVolumeClaim"] = bound
    world.cluster.reactions["Deployment.apps"] = seen


@pytest.fixture
def world() -> World:
    made = World()
    labels = {"app": "web"}
    pod = {
        "containers": [{"name": "m", "image": "registry.example/m:1"}],
        "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    body = manifest(DEPLOYMENT, "web", spec=spec, status={"observedGeneration": 99})
    body["metadata"] |= {"labels": labels, "namespace": "shop"}
    made.cluster.put(DEPLOYMENT, body)
    bind(made)
    return made


@pytest.fixture
def point(world: World) -> str:
    captured = backup(world.context(), Run("run-1", "manual"), quiet)
    assert captured is not None
    return captured.point


def planned(world: World, point: str, **wishes: Any) -> RestorePlan:
    request = Written(**wishes).request(INSTANCE, point)
    number = len(world.cluster.calls)
    return plan_restore(world.context(), request, f"r{number}")


def items(world: World, plan: RestorePlan) -> dict[str, PlanItem]:
    return {item.title: item for item in items_of(world.context().vault, plan)}


def actions(world: World, plan: RestorePlan) -> dict[str, str]:
    return {title: item.action for title, item in items(world, plan).items()}


def applied(world: World, plan: RestorePlan) -> RestoreReport:
    return apply_plan(world.context(), plan, quiet, plan.created)


def settings(world: World) -> Any:
    return world.cluster.objects(CONFIG_MAP, "shop")["settings"].get("data")


def edit(world: World) -> None:
    world.change("red")
    world.cluster.patch(CONFIG_MAP, "shop", "settings", {"data": {"extra": "1"}})


@pytest.mark.parametrize(
    ("mode", "action", "wanted"),
    [
        ("skip", "skip", {"colour": "red", "extra": "1"}),
        ("merge", "merge", {"colour": "blue", "extra": "1"}),
        ("replace", "replace", {"colour": "blue"}),
        ("recreate", "recreate", {"colour": "blue"}),
    ],
)
def test_each_mode_does_what_its_plan_says(
    world: World, point: str, mode: str, action: str, wanted: Json
) -> None:
    edit(world)
    uid = world.cluster.objects(CONFIG_MAP, "shop")["settings"]["metadata"]["uid"]
    plan = planned(world, point, mode=mode)
    assert actions(world, plan)["ConfigMap shop/settings"] == action
    assert settings(world) == {"colour": "red", "extra": "1"}
    assert applied(world, plan).ok
    assert settings(world) == wanted
    now = world.cluster.objects(CONFIG_MAP, "shop")["settings"]["metadata"]["uid"]
    assert (now == uid) == (mode != "recreate")


def test_fail_changes_nothing_at_all(world: World, point: str) -> None:
    edit(world)
    world.cluster.delete(SECRET, "shop", "login")
    plan = planned(world, point, mode="fail")
    found = items(world, plan)
    assert found["ConfigMap shop/settings"].action == "conflict"
    assert found["Secret shop/login"].action == "create"
    with pytest.raises(RestoreIncomplete, match=r"1 objects differ, and nothing was changed") as e:
        applied(world, plan)
    assert "ConfigMap shop/settings: exists and differs" in e.value.message
    assert "login" not in world.cluster.objects(SECRET, "shop")
    world.change("blue")
    world.cluster.patch(CONFIG_MAP, "shop", "settings", {"data": {"extra": None}})
    assert applied(world, planned(world, point, mode="fail")).ok
    assert "login" in world.cluster.objects(SECRET, "shop")


def test_a_kind_has_a_mode_of_its_own(world: World, point: str) -> None:
    edit(world)
    world.cluster.patch(SECRET, "shop", "login", {"data": {"password": "eA=="}})
    found = actions(world, planned(world, point, mode="merge", mode_of=["secrets=skip"]))
    assert found["ConfigMap shop/settings"] == "merge"
    assert found["Secret shop/login"] == "skip"


def test_what_moved_is_planned_anew(world: World, point: str) -> None:
    """Changed, gone, or there where nothing was: the same run looks again."""
    cluster = world.cluster
    edit(world)
    cluster.patch(SECRET, "shop", "login", {"data": {"password": "eA=="}})
    cluster.delete(DEPLOYMENT, "shop", "web")
    plan = planned(world, point, mode="replace")
    world.change("green")
    cluster.delete(SECRET, "shop", "login")
    spec = {"replicas": 3, "selector": {}, "template": {}}
    cluster.create(DEPLOYMENT, "shop", manifest(DEPLOYMENT, "web", spec=spec))
    with pytest.raises(RestoreIncomplete) as caught:
        applied(world, plan)
    assert settings(world)["colour"] == "blue"
    assert "login" in cluster.objects(SECRET, "shop")
    # Nobody was told that something of this name would be taken away.
    assert caught.value.message.splitlines()[1:] == [
        "  Deployment.apps shop/web: it would be deleted and made anew now: plan again"
    ]
    assert cluster.objects(DEPLOYMENT, "shop")["web"]["spec"]["replicas"] == 3


@pytest.mark.parametrize("looked_at", [{"approval": "required"}, {"compare_all": True}])
def test_a_plan_that_somebody_looked_at_is_not_made_anew(
    world: World, point: str, looked_at: Json
) -> None:
    edit(world)
    plan = planned(world, point, mode="replace", **looked_at)
    approve(world.context(), plan, by="ada", how="terminal")
    world.change("green")
    with pytest.raises(RestoreIncomplete, match="ConfigMap shop/settings: changed since"):
        applied(world, plan)
    assert settings(world)["colour"] == "green"


def test_prune_deletes_what_the_point_lacks_and_nothing_else(world: World, point: str) -> None:
    cluster = world.cluster
    cluster.create(CONFIG_MAP, "shop", manifest(CONFIG_MAP, "stray"))
    kept = manifest(CONFIG_MAP, "kept")
    kept["metadata"]["labels"] = {"lifeboat.dev/exclude": "true"}
    cluster.create(CONFIG_MAP, "shop", kept)
    cluster.create(SERVICE_ACCOUNT, "shop", manifest(SERVICE_ACCOUNT, "robot"))
    cluster.create(CLAIM, "shop", manifest(CLAIM, "new", spec={}))
    owned = manifest(POD, "owned", spec={})
    owned["metadata"]["ownerReferences"] = [
        {"kind": "ReplicaSet", "name": "x", "uid": "u", "controller": True}
    ]
    cluster.create(POD, "shop", owned)
    cluster.create(NAMESPACE, None, manifest(NAMESPACE, "other"))
    cluster.create(CONFIG_MAP, "other", manifest(CONFIG_MAP, "stray"))
    plan = planned(world, point, prune=True)
    deleted = [title for title, action in actions(world, plan).items() if action == "delete"]
    assert deleted == ["ConfigMap shop/stray"]
    report = applied(world, plan)
    assert report.results["deleted"] == 1
    assert "stray" not in cluster.objects(CONFIG_MAP, "shop")
    assert "stray" in cluster.objects(CONFIG_MAP, "other")


def test_prune_never_deletes_what_the_policy_never_took(world: World) -> None:
    world.policy = POLICY.replace("[shop]}}", "[shop]}, kinds: {exclude: [secrets]}}")
    captured = backup(world.context(), Run("run-1", "manual"), quiet)
    assert captured is not None
    plan = planned(world, captured.point, prune=True)
    assert "delete" not in actions(world, plan).values()


def test_prune_keeps_to_the_selection(world: World, point: str) -> None:
    world.cluster.create(CONFIG_MAP, "shop", manifest(CONFIG_MAP, "stray"))
    world.cluster.create(SECRET, "shop", manifest(SECRET, "stray"))
    found = actions(world, planned(world, point, prune=True, kinds=["secrets"]))
    assert found["Secret shop/stray"] == "delete"
    assert not [title for title in found if title.startswith("ConfigMap")]


def test_one_object_alone(world: World, point: str) -> None:
    edit(world)
    plan = planned(world, point, objects=["configmap/settings"], namespaces=["shop"], mode="merge")
    found = actions(world, plan)
    assert [t for t, action in found.items() if action != "skip"] == ["ConfigMap shop/settings"]
    assert set(found) == {"Namespace shop", "ConfigMap shop/settings"}


def test_labels_choose(world: World, point: str) -> None:
    found = actions(world, planned(world, point, labels="app=web", mode="merge"))
    assert set(found) == {"Namespace shop", "Deployment.apps shop/web"}


def test_a_prefix_maps_every_namespace(world: World, point: str) -> None:
    plan = planned(world, point, prefix="old-", kinds=["configmaps"])
    assert plan.request.mapping == {"shop": "old-shop"}
    assert applied(world, plan).ok
    assert world.cluster.objects(CONFIG_MAP, "old-shop")["settings"]["data"] == {"colour": "blue"}


def test_volumes_come_beside_the_live_ones(world: World, point: str) -> None:
    plan = planned(world, point, volumes_as="{name}-restored")
    assert [volume.claim for volume in plan.volumes] == ["data-restored"]
    found = set(actions(world, plan))
    assert found == {"Namespace shop", "PersistentVolumeClaim shop/data-restored"}
    before = world.cluster.objects(CLAIM, "shop")["data"]
    assert applied(world, plan).ok
    claims = world.cluster.objects(CLAIM, "shop")
    assert set(claims) == {"data", "data-restored"}
    assert claims["data"] == before


def test_data_is_swapped_while_its_users_stand_still(world: World, point: str) -> None:
    cluster = world.cluster
    cluster.patch(DEPLOYMENT, "shop", "web", {"spec": {"replicas": 2}})
    uid = cluster.objects(CLAIM, "shop")["data"]["metadata"]["uid"]
    seen: list[int] = []
    bound = cluster.reactions["PersistentVolumeClaim"]

    def look(body: Json) -> None:
        seen.append(cluster.objects(DEPLOYMENT, "shop")["web"]["spec"]["replicas"])
        bound(body)

    cluster.reactions["PersistentVolumeClaim"] = look
    plan = planned(world, point, part="data", claims=["data"])
    assert actions(world, plan)["PersistentVolumeClaim shop/data"] == "recreate"
    assert applied(world, plan).ok
    assert seen == [0]
    assert cluster.objects(CLAIM, "shop")["data"]["metadata"]["uid"] != uid
    web = cluster.objects(DEPLOYMENT, "shop")["web"]
    assert web["spec"]["replicas"] == 2
    assert not web["metadata"].get("annotations")


def test_data_is_not_swapped_under_a_pod_that_nothing_stops(world: World, point: str) -> None:
    volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
    pod = manifest(POD, "bare", spec={"containers": [], "volumes": volumes})
    world.cluster.create(POD, "shop", pod)
    item = items(world, planned(world, point, part="data", claims=["data"]))[
        "PersistentVolumeClaim shop/data"
    ]
    assert item.action == "conflict"
    assert item.reason == "pod bare uses it, which scaling does not stop"


@pytest.mark.parametrize(
    ("above", "makers"),
    [
        (None, "ReplicaSet web-1"),
        (("argoproj.io/v1alpha1", "Rollout"), "ReplicaSet web-1 of Rollout.argoproj.io web"),
        (("example.com/v1", "Deployment"), "ReplicaSet web-1 of Deployment.example.com web"),
        (("apps/v1", "Deployment"), ""),
    ],
)
def test_data_is_swapped_only_under_what_can_be_scaled(
    world: World, point: str, above: tuple[str, str] | None, makers: str
) -> None:
    def owned(body: Json, version: str, kind: str, name: str) -> Json:
        reference = {"apiVersion": version, "kind": kind, "name": name, "uid": "u"}
        body["metadata"]["ownerReferences"] = [{**reference, "controller": True}]
        return body

    replicas = manifest(REPLICA_SET, "web-1", spec={"replicas": 1})
    world.cluster.create(REPLICA_SET, "shop", owned(replicas, *above, "web") if above else replicas)
    volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
    pod = manifest(POD, "web-1-x", spec={"containers": [], "volumes": volumes})
    world.cluster.create(POD, "shop", owned(pod, "apps/v1", "ReplicaSet", "web-1"))
    item = items(world, planned(world, point, part="data", claims=["data"]))[
        "PersistentVolumeClaim shop/data"
    ]
    told = f"pod web-1-x of {makers} uses it, which scaling does not stop"
    assert (item.action, item.reason) == (("conflict", told) if makers else ("recreate", "exists"))


def test_a_claim_without_data_in_the_point_is_not_deleted(world: World, point: str) -> None:
    plan = planned(world, point, mode="recreate", claims=["data"], volumes=False)
    item = items(world, plan)["PersistentVolumeClaim shop/data"]
    assert (item.action, item.reason) == (
        "conflict",
        "its data would be lost: volumes were not asked for",
    )


def test_workloads_stand_still_where_it_is_asked(world: World, point: str) -> None:
    cluster = world.cluster
    cluster.patch(DEPLOYMENT, "shop", "web", {"spec": {"replicas": 3}})
    cluster.calls.clear()
    plan = planned(world, point, mode="merge", scale_down=True, kinds=["deployments"])
    assert applied(world, plan).ok
    assert cluster.objects(DEPLOYMENT, "shop")["web"]["spec"]["replicas"] == 0  # as in the point
    patched = [call for call in cluster.calls if call.method == "patch" and call.name == "web"]
    assert len(patched) >= 4, "tried, stopped, merged, let go"


@pytest.mark.parametrize(
    "wishes",
    [
        {"part": "data"},
        {"volumes_as": "restored"},
        {"mode_of": ["configmaps"]},
        {"mode": "force"},
        {"approval": "me"},
        {"labels": "a b c"},
    ],
)
def test_wishes_that_make_no_sense_are_refused(wishes: Json) -> None:
    with pytest.raises(UsageError):
        Written(**wishes).request(INSTANCE, "p")


def test_a_plan_that_needs_a_word_waits_for_it(world: World, point: str) -> None:
    plan = planned(world, point, approval="required", asked_by="ann")
    with pytest.raises(NotApproved, match=f"lifeboat approve shop.local {plan.restore}"):
        applied(world, plan)
    with pytest.raises(UsageError, match="not sha256:other"):
        approve(world.context(), plan, by="ann", how="terminal", digest="sha256:other")
    said = approve(world.context(), plan, by="ann", how="terminal", digest=plan.digest)
    assert (said.by, said.digest) == ("ann", plan.digest)
    assert approve(world.context(), plan, by="bob", how="terminal") == said, "the first word stands"
    assert approval_of(world.context(), plan) == said
    assert applied(world, plan).ok


def test_the_policy_may_want_a_second_person(world: World, point: str) -> None:
    world.policy = POLICY + "restore: {approval: second-person}\n"
    plan = planned(world, point, asked_by="ann")
    for person in ("ann", ""):
        with pytest.raises(NotApproved):
            approve(world.context(), plan, by=person, how="airflow")
    with pytest.raises(NotApproved):
        ensure_approved(world.context(), plan)
    approve(world.context(), plan, by="bob", how="airflow")
    ensure_approved(world.context(), plan)
    nobody = planned(world, point)
    with pytest.raises(NotApproved, match="nobody knows who asked"):
        approve(world.context(), nobody, by="bob", how="airflow")


def test_a_plan_is_told_by_action_with_what_differs(world: World, point: str) -> None:
    edit(world)
    world.cluster.create(CONFIG_MAP, "shop", manifest(CONFIG_MAP, "stray"))
    world.cluster.patch(SECRET, "shop", "login", {"data": {"password": "c2VjcmV0"}})
    plan = planned(world, point, mode="replace", prune=True)

    def every() -> Any:
        return items_of(world.context().vault, plan)

    told = list(lines(plan, every))
    stray = "  ConfigMap shop/stray  (not in the point)"
    assert told[:2] == ["delete 1: deleted: not in the point", stray]
    start = told.index("  ConfigMap shop/settings  (exists)")
    assert told[start + 1 : start + 3] == [
        '      data.colour: "red" → "blue"',
        '      data.extra: "1" → (none)',
    ]
    assert "      data.password: changed (7 bytes)" in told
    paths = list(lines(plan, every, detail="paths"))
    assert "      data.colour" in paths
    shown = markdown(plan, every, "required")
    assert "| delete | 1 | deleted: not in the point |" in shown
    assert "ConfigMap shop/stray" in shown
    assert plan.digest in shown
    assert "blue" not in shown, "values are not for everybody who approves"


def test_storage_classes_are_changed_only_when_they_are_named(world: World, point: str) -> None:
    def actions_of(kind: Kind, **wishes: Any) -> set[str]:
        plan = planned(world, point, **wishes)
        return {i.action for i in items(world, plan).values() if i.kind.resource == kind.resource}

    world.cluster.patch(STORAGE_CLASS, None, "fast", {"provisioner": "another"})
    assert actions_of(STORAGE_CLASS, mode="replace") <= {"skip"}
    assert actions_of(STORAGE_CLASS, mode_of=["storageclasses=replace"]) <= {"replace"}
