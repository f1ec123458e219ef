"""The step that copies files: what it starts, what it names, what it leaves (nothing)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from lifeboat.adapters import mover_pod
from lifeboat.adapters.disks_filled import DisksFilled
from lifeboat.adapters.movers_kube import MoversKube
from lifeboat.adapters.repository_restic import RepositoryRestic
from lifeboat.adapters.restic import Access
from lifeboat.errors import ClusterUnreachable, LifeboatError
from lifeboat.point.manifest import Manifest, Run, read_manifest
from lifeboat.policy.vault_tier import VaultTier
from lifeboat.ports.cluster import Json
from lifeboat.restore.model import RestoreRequest
from lifeboat.restore.plan import plan_restore
from lifeboat.steps.backup import backup
from lifeboat.steps.context import Context
from lifeboat.steps.enumerate import enumerate_scope
from lifeboat.steps.move import finish_moves, look
from lifeboat.steps.prune import execute_prune, plan_prune
from lifeboat.steps.reconcile import reconcile, remove_orphans
from tests.support.kinds import CLAIM, CONTENT, NAMESPACE, POD, SECRET, SNAPSHOT
from tests.support.manifests import manifest
from tests.support.world import POLICY, World

TIER = "volumes: {vaultTier: {}}\n"
ID = "ab" * 32
MESSAGE = json.dumps(
    [
        {
            "id": ID,
            "time": "2026-11-22T12:00:01.5Z",
            "tags": ["point=p", "instance=i"],
            "summary": {"total_files_processed": 3, "total_bytes_processed": 70},
        }
    ]
)


def ended(phase: str, message: str) -> Callable[[Json], None]:
    """A kubelet that has run the pod by the time anybody looks."""

    def react(pod: Json) -> None:
        terminated = {"exitCode": 0 if phase == "Succeeded" else 1, "message": message}
        statuses = [{"name": "restic", "state": {"terminated": terminated}}]
        pod["status"] = {"phase": phase, "containerStatuses": statuses}

    return react


@pytest.fixture
def world() -> World:
    made = World(policy=POLICY + TIER)
    made.cluster.create(NAMESPACE, None, manifest(NAMESPACE, "lifeboat"))
    made.cluster.reactions["Pod"] = ended("Succeeded", MESSAGE)
    return made


def opened(world: World) -> Context:
    """With movers, as wiring opens it; there is no restic on this machine."""
    context = world.context()
    access = Access("azure:vault:/files", "password-of-files", {"KEY": "credential"})
    tier = context.instance.policy.volumes.vault_tier or VaultTier()
    movers = MoversKube(world.cluster, context.disks, access, tier, world.clock)
    return replace(
        context,
        disks=DisksFilled(context.disks, movers, world.cluster),
        movers=movers,
        repository=RepositoryRestic(access, ""),
    )


def run(world: World, name: str = "run") -> Manifest:
    made = backup(opened(world), Run(name, "manual"), lambda _: None)
    assert made is not None
    return made


def left(world: World) -> list[str]:
    """What movers made and did not remove, helpers of clones too."""
    found = [
        f"{kind.kind} {name}"
        for kind in (POD, SECRET, CLAIM, SNAPSHOT)
        for name, body in world.cluster.objects(kind).items()
        if body["metadata"]["namespace"] == "lifeboat"
    ]
    helpers = [name for name in world.cluster.objects(CONTENT) if name.startswith("lifeboat-")]
    return found + helpers


def test_a_point_names_the_files_and_nothing_is_left(world: World) -> None:
    made = run(world)
    assert made.complete
    (copy,) = made.file_copies or ()
    assert (copy.volume.title, copy.id, copy.files, copy.bytes) == ("shop/data", ID, 3, 70)
    assert copy.size == 1 << 30
    assert [one.volume.title for one in made.volumes] == ["shop/data"]
    assert left(world) == []
    assert read_manifest(opened(world).vault, made.instance, made.point) == made
    again = run(world)  # every attempt of a run comes to the same point
    assert again == made
    assert left(world) == []


def test_a_policy_without_the_tier_makes_no_pod_and_no_field(world: World) -> None:
    world.policy = POLICY
    made = run(world)
    assert not made.file_copies
    assert not [call for call in world.cluster.calls if call.resource == "pods" and call.name]


def test_a_mover_that_fails_makes_the_point_incomplete_and_says_why(world: World) -> None:
    told = '{"message_type":"exit_error","code":1,"message":"Fatal: no space left on device"}'
    world.cluster.reactions["Pod"] = ended("Failed", told)
    made = run(world)
    assert not made.complete
    (entry,) = [one for one in made.left_out if one.what == "files of volume shop/data"]
    assert "no space left on device" in entry.reason
    assert not made.file_copies
    assert len(made.volumes) == 1
    assert left(world) == []


def test_on_unprotected_warn_makes_it_a_note(world: World) -> None:
    world.policy = POLICY + "volumes: {vaultTier: {}, onUnprotected: warn}\n"
    world.cluster.reactions["Pod"] = ended("Failed", "")
    made = run(world)
    assert made.complete
    assert [one.severity for one in made.left_out if "files of" in one.what] == ["note"]


def test_a_block_volume_is_named_and_gets_no_pod(world: World) -> None:
    claim = world.cluster.get(CLAIM, "shop", "data")
    world.cluster.put(CLAIM, {**claim, "spec": {**claim["spec"], "volumeMode": "Block"}})
    made = run(world)
    (entry,) = [one for one in made.left_out if one.what == "files of volume shop/data"]
    assert "it is a block volume" in entry.reason
    assert not [c for c in world.cluster.calls if c.method == "create" and c.resource == "pods"]


@pytest.mark.parametrize("method", ["create", "get", "delete"])
@pytest.mark.parametrize("resource", ["pods", "secrets", "persistentvolumeclaims"])
def test_a_failure_at_any_call_leaves_nothing_and_a_retry_goes_on(
    world: World, method: str, resource: str
) -> None:
    for calls in range(12):
        fresh = World(policy=POLICY + TIER)
        fresh.cluster.create(NAMESPACE, None, manifest(NAMESPACE, "lifeboat"))
        fresh.cluster.reactions["Pod"] = ended("Succeeded", MESSAGE)
        fresh.cluster.fail_next(
            method, ClusterUnreachable("cut off"), skip=calls, resource=resource
        )
        try:
            made = run(fresh)
        except LifeboatError:
            made = run(fresh)
        assert made.file_copies, f"{method} {resource} after {calls}"
        assert left(fresh) == [], f"{method} {resource} after {calls}"
        if not any(fault.times for fault in fresh.cluster._faults):
            continue
        break  # so many calls there are not


def test_no_more_pods_at_once_than_the_policy_says(world: World) -> None:
    del world.cluster.reactions["Pod"]
    claim = world.cluster.get(CLAIM, "shop", "data")
    for number in range(4):
        body = {**claim, "metadata": {"name": f"more-{number}", "namespace": "shop"}}
        world.cluster.put(CLAIM, body)
    context = opened(world)
    scope = enumerate_scope(context, Run("run", "manual"))
    _snapshots(context, scope)
    assert len(look(context, scope)) == 5
    assert len(world.cluster.objects(POD)) == 1  # it makes the repository
    context.vault.store.put_new("files/config", b"restic's")
    look(context, scope)
    assert len(world.cluster.objects(POD)) == 2
    assert all(one.left_out for one in finish_moves(context, scope))
    assert left(world) == []


def _snapshots(context: Context, scope: object) -> None:
    from lifeboat.steps.settle import settle
    from lifeboat.steps.snapshot import start_batch

    titles = tuple(one.title for one in scope.volumes)  # type: ignore[attr-defined]
    tickets = start_batch(context, scope, titles, 1).tickets  # type: ignore[arg-type]
    settle(context, scope, tickets)  # type: ignore[arg-type]


def test_a_repository_that_cannot_be_asked_keeps_no_point_from_going(world: World) -> None:
    made = [run(world, f"run-{number}") for number in range(2)]
    for number in range(2, 4):
        world.tick(hours=1)
        made.append(run(world, f"run-{number}"))
    context = opened(world)
    result = execute_prune(context, plan_prune(context))
    assert made[0].point in result.removed
    assert any("no restic program is installed" in line for line in result.leftovers)


def test_what_a_killed_run_left_is_found_and_goes_after_its_grace(world: World) -> None:
    del world.cluster.reactions["Pod"]
    context = opened(world)
    scope = enumerate_scope(context, Run("run", "manual"))
    _snapshots(context, scope)
    look(context, scope)
    assert left(world) != []
    found = reconcile(context)
    assert {one.what.split()[0] for one in found.orphans if one.leftover} == {
        "Pod",
        "Secret",
        "PersistentVolumeClaim",
    }
    remove_orphans(context, found)
    world.tick(hours=25)
    world.cluster.clock = world.clock
    for kind in (POD, SECRET):
        assert world.cluster.objects(kind)
    remove_orphans(context, reconcile(context))
    for kind in (POD, SECRET):
        assert not [b for b in world.cluster.objects(kind).values() if _is_ours(b)]


def _is_ours(body: Json) -> bool:
    return mover_pod.MOVER in (body["metadata"].get("labels") or {})


def test_a_restore_takes_files_where_the_snapshot_is_gone_or_they_are_asked_for(
    world: World,
) -> None:
    made = run(world)
    context = opened(world)
    world.cluster.delete(NAMESPACE, None, "shop")

    def kind(restore: str, **wish: bool) -> str:
        request = RestoreRequest(
            instance=made.instance, point=made.point, mapping={"shop": "again"}, **wish
        )
        (volume,) = plan_restore(context, request, restore).volumes
        return volume.snapshot.kind

    assert kind("r-1") == "csi"
    assert kind("r-2", from_vault=True) == "files"
    for name in list(world.cluster.objects(CONTENT)):
        world.cluster.delete(CONTENT, None, name)
    assert kind("r-3") == "files"
