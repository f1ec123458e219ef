"""A plan warns of the objects that it is going to make, not of those that were captured."""

from __future__ import annotations

from lifeboat.ports.cluster import Json
from lifeboat.restore.model import RestoreRequest
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.transforms.transforms import TransformText
from tests.support.kinds import (
    DEPLOYMENT,
    NAMESPACE,
    NODE,
    RESOURCE_QUOTA,
    STORAGE_CLASS,
)
from tests.support.manifests import manifest
from tests.support.proof_world import ProofWorld

ZONE = "topology.kubernetes.io/zone"


def warnings(world: ProofWorld, point: str, transform: str = "", **wishes: str) -> str:
    """What a plan into another namespace warns of, a line each."""
    request = RestoreRequest(
        instance="shop.local",
        point=point,
        mapping={"shop": "new"},
        transforms=(TransformText("mine", transform),) if transform else (),
        **wishes,  # type: ignore[arg-type]
    )
    plan = plan_restore(world.context(), request, f"r{len(world.cluster.calls)}")
    return "\n".join(plan.warnings)


def quota(world: ProofWorld, **hard: str) -> None:
    """The target namespace, with a quota."""
    world.cluster.create(NAMESPACE, None, manifest(NAMESPACE, "new"))
    body = manifest(RESOURCE_QUOTA, "small", spec={"hard": hard})
    world.cluster.create(RESOURCE_QUOTA, "new", body)


def node(world: ProofWorld, zone: str) -> None:
    body = manifest(NODE, f"node-{zone}")
    body["metadata"]["labels"] = {ZONE: zone}
    world.cluster.create(NODE, None, body)


def web(world: ProofWorld, **pod: Json) -> None:
    """Two pods of something, with more in their spec."""
    template = {"spec": {"containers": [{"name": "m"}], **pod}}
    spec = {"replicas": 2, "template": template}
    world.cluster.create(DEPLOYMENT, "shop", manifest(DEPLOYMENT, "web", spec=spec))


def test_a_class_is_missed_by_its_new_name() -> None:
    world = ProofWorld()
    point = world.back_up().point
    world.cluster.create(STORAGE_CLASS, None, manifest(STORAGE_CLASS, "slow", provisioner="x"))
    world.cluster.delete(STORAGE_CLASS, None, "fast")
    to = "maps: {{storageClasses: {{fast: {}}}}}".format
    assert "StorageClass" not in warnings(world, point, to("slow"))
    told = warnings(world, point, to("elsewhere"))
    assert "StorageClass elsewhere, which 1 claims name, is missing" in told
    assert "StorageClass fast" not in told
    beside = warnings(world, point, to("elsewhere"), volumes_as="{name}-copy")
    assert "StorageClass elsewhere, which 1 claims name, is missing" in beside


def test_a_quota_is_held_against_what_is_going_to_run() -> None:
    world = ProofWorld()
    web(world)
    point = world.back_up().point
    quota(world, pods="9", **{"requests.storage": "1Gi"})
    assert "quota" not in warnings(world, point)
    more = (
        "rules:\n  - when: {kinds: [deployments]}\n    mergePatch: {spec: {replicas: 20}}\n"
        "  - when: {kinds: [persistentvolumeclaims]}\n"
        "    mergePatch: {spec: {resources: {requests: {storage: 5Gi}}}}\n"
    )
    told = warnings(world, point, more)
    assert "quota new/small: pods would be 22 of 9" in told
    assert "quota new/small: requests.storage would be 5120Mi of 1Gi" in told


def test_a_zone_is_missed_by_its_new_name_and_one_of_several_is_enough() -> None:
    world = ProofWorld()
    expression = {"key": ZONE, "operator": "In", "values": ["z1", "z2"]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
    web(world, affinity={"nodeAffinity": required})
    point = world.back_up().point
    node(world, "z2")
    assert "zone" not in warnings(world, point)
    told = warnings(world, point, "maps: {zones: {z1: z8, z2: z9}}")
    assert "1 workloads insist on zone z8 or z9, where no node is (nodes: z2)" in told


def test_the_zones_of_a_class_that_is_restored_are_looked_at() -> None:
    world = ProofWorld()
    topology = {"matchLabelExpressions": [{"key": ZONE, "values": ["z1"]}]}
    world.cluster.patch(STORAGE_CLASS, None, "fast", {"allowedTopologies": [topology]})
    point = world.back_up().point
    node(world, "z2")
    world.cluster.delete(STORAGE_CLASS, None, "fast")
    told = warnings(world, point)
    assert "1 StorageClasses insist on zone z1, where no node is (nodes: z2)" in told
