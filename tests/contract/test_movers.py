"""The promises of lifeboat/ports/movers.py, on a real API server and in memory.

A kubelet of the tests' own (tests/support/kubelet.py) runs the pod's command with a real restic on
the clone's folder; everything else is real, or keeps the contract of cluster and disks.
"""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lifeboat.adapters import mover_pod
from lifeboat.adapters import snapshot_api as api
from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.disks_filled import DisksFilled
from lifeboat.adapters.kubeconfig import from_kubeconfig
from lifeboat.adapters.movers_kube import MoversKube
from lifeboat.adapters.restic import Access
from lifeboat.adapters.volumes_folder import FolderVolumes
from lifeboat.clock import utc_now
from lifeboat.errors import AlreadyExists, ClusterUnreachable, NotFound
from lifeboat.policy.vault_tier import VaultTier
from lifeboat.ports.cluster import Cluster, Json
from lifeboat.ports.disks import StoredSnapshot
from lifeboat.ports.movers import Fill, Save
from local.cluster import LocalCluster
from tests.support.disks import World, take
from tests.support.fake_cluster import FakeCluster
from tests.support.fake_disks import FakeDisks
from tests.support.folder_volumes import FolderWorld
from tests.support.kinds import CLAIM, NAMESPACE, POD, SECRET, VOLUME
from tests.support.kubelet import Kubelet
from tests.support.manifests import claim as new_claim
from tests.support.manifests import manifest
from tests.support.poll import until

PASSWORD = "correct-horse-battery"
CREDENTIAL = "store-key-nobody-may-see"
FILES = {"ledger": b"one\0two" * 1000, "deep/er/list": b"3"}


@dataclass
class Scene:
    """A world with a snapshot, and movers between it and a repository in a folder."""

    world: World
    folder: Path
    restic: Path
    namespace: str
    snapshot: StoredSnapshot
    instance: str
    tier: VaultTier
    say: list[str] = field(default_factory=list)

    @property
    def cluster(self) -> Cluster:
        return self.world.cluster

    @property
    def movers(self) -> MoversKube:
        place = str(self.folder / "vault" / "files")
        access = Access(place, PASSWORD, {"STORE_KEY": CREDENTIAL}, folder=place)
        return MoversKube(self.cluster, self.world.disks, access, self.tier)

    @property
    def save(self) -> Save:
        return Save(self.snapshot)

    def fill(self, files: str, name: str = "again") -> Fill:
        return Fill(
            files=files,
            point=self.snapshot.point,
            instance=self.instance,
            namespace=self.namespace,
            claim=name,
            restore_id="r-1",
            size=1 << 30,
            claim_body=new_claim(name),
        )

    def ends(self, move: Save | Fill) -> None:
        """The kubelet runs the move's pod to its end."""
        name = mover_pod.name_of(move)
        claim = name if isinstance(move, Save) else move.claim
        until(f"{claim} is bound", lambda: self._bound(claim))
        kubelet = Kubelet(self.cluster, self.restic, self.folder_of)
        kubelet.run(self.namespace, name)

    def _bound(self, claim: str) -> bool:
        if isinstance(self.world, _Memory):
            self.world.provision(self.namespace, claim)
        live = self.cluster.get(CLAIM, self.namespace, claim)
        return bool((live.get("status") or {}).get("phase") == "Bound")

    def folder_of(self, namespace: str, claim: str) -> Path:
        if isinstance(self.world, FolderWorld):
            return self.world.local.claim_path(namespace, claim)
        pv = self.cluster.get(CLAIM, namespace, claim)["spec"]["volumeName"]
        handle = self.cluster.get(VOLUME, None, pv)["spec"]["csi"]["volumeHandle"]
        folder = self.folder / "volumes" / handle
        if not folder.exists():
            folder.mkdir(parents=True)
            for path, data in self.world.disks.contents.get(handle, {}).items():  # type: ignore[attr-defined]
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(data)
        return folder

    def made(self) -> list[str]:
        """What carries a mover's mark in the cluster now, but for what is on its way out."""
        return [
            f"{kind.kind} {meta['name']}"
            for kind in (POD, SECRET, CLAIM)
            for page in self.cluster.list_pages(kind, namespace=self.namespace)
            for raw in page.items
            if mover_pod.MOVER in ((meta := json.loads(raw)["metadata"]).get("labels") or {})
            and not meta.get("deletionTimestamp")
        ]


@pytest.fixture(params=["real", "memory"])
def scene(request: pytest.FixtureRequest, tmp_path: Path, restic: Path) -> Iterator[Scene]:
    instance = f"policy-{uuid.uuid4().hex[:8]}.cluster"
    space = f"test-{uuid.uuid4().hex[:10]}"
    world: World
    if request.param == "memory":
        fake = FakeCluster()
        world = _Memory(fake)
    else:
        local: LocalCluster = request.getfixturevalue("cluster")
        client = ClusterApi(from_kubeconfig(local.kubeconfig))
        reader = FolderVolumes("folder.csi.lifeboat.dev", local.csi_root)
        world = FolderWorld(local, client, DisksCsi(client), reader)
    world.cluster.create(NAMESPACE, None, manifest(NAMESPACE, space))
    if request.param == "real":
        until("the namespace has its account", lambda: _account(world.cluster, space))
    volume = world.make_volume(space, "data", FILES)
    snapshot = take(world.disks, volume, instance)
    tier = VaultTier(namespace=space)
    made = Scene(world, tmp_path, restic, space, snapshot, instance, tier)
    yield made
    world.cluster.delete(NAMESPACE, None, space)
    if isinstance(world.cluster, ClusterApi):
        world.cluster.close()


def _account(cluster: Cluster, namespace: str) -> bool:
    from tests.support.kinds import SERVICE_ACCOUNT

    try:
        cluster.get(SERVICE_ACCOUNT, namespace, "default")
    except NotFound:
        return False
    return True


class _Memory:
    """Disks in memory as a World."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.disks = FakeDisks(cluster)
        self.reader = self.disks

    def make_volume(self, namespace: str, name: str, content: dict[str, bytes]) -> Any:
        return self.disks.make_volume(namespace, name, content)

    def provision(self, namespace: str, claim: str) -> None:
        """As a provisioner does; a clone has its snapshot's bytes."""
        live = self.cluster.get(CLAIM, namespace, claim)
        if not live["spec"].get("volumeName"):
            content = FILES if mover_pod.MOVER in live["metadata"].get("labels", {}) else {}
            self.disks._bind(live, dict(content))

    def lose_snapshot(self, ticket: Any) -> None: ...
    def write(self, volume: Any, path: str, data: bytes) -> None: ...


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_files_go_out_and_come_back_and_nothing_is_left(scene: Scene) -> None:
    movers = scene.movers
    assert movers.poll(scene.save).phase == "absent"
    movers.start(scene.save)
    assert movers.poll(scene.save).phase == "running"
    scene.ends(scene.save)
    state = movers.poll(scene.save)
    assert (state.phase, state.error) == ("done", "")
    assert state.saved is not None
    assert (state.saved.files, state.saved.bytes) == (2, 7001)
    movers.finish(scene.save)
    assert scene.made() == []
    fill = scene.fill(state.saved.id)
    movers.start(fill)
    scene.ends(fill)
    assert movers.poll(fill).phase == "done"
    assert files(scene.folder_of(scene.namespace, "again")) == FILES
    movers.finish(fill)
    assert scene.made() == []
    assert scene.cluster.get(CLAIM, scene.namespace, "again")["metadata"]["name"] == "again"


def test_starting_twice_is_one_pod_and_finishing_twice_no_error(scene: Scene) -> None:
    movers = scene.movers
    movers.start(scene.save)
    before = scene.made()
    movers.start(scene.save)
    assert scene.made() == before
    assert len(before) == 3
    movers.finish(scene.save)
    movers.finish(scene.save)
    assert scene.made() == []


def test_an_attempt_after_the_pod_was_lost_finds_what_the_first_one_stored(scene: Scene) -> None:
    movers = scene.movers
    movers.start(scene.save)
    scene.ends(scene.save)
    first = movers.poll(scene.save).saved
    scene.cluster.delete(POD, scene.namespace, mover_pod.name_of(scene.save))
    until("the pod is gone", lambda: movers.poll(scene.save).phase == "absent")
    movers.start(scene.save)
    scene.ends(scene.save)
    assert movers.poll(scene.save).saved == first
    movers.finish(scene.save)


def test_a_pod_that_fails_says_why_in_restic_s_words(scene: Scene) -> None:
    movers = scene.movers
    movers.start(scene.save)
    other = {"RESTIC_PASSWORD": "of another vault"}
    place = str(scene.folder / "vault" / "files")
    subprocess.run([str(scene.restic), "-r", place, "init"], env=other, check=True, timeout=300)
    scene.ends(scene.save)
    state = movers.poll(scene.save)
    assert state.phase == "failed"
    assert "wrong password" in state.error
    assert PASSWORD not in state.error
    movers.finish(scene.save)
    assert scene.made() == []


@pytest.mark.parametrize("broken", ["claim", "secret", "pod"])
def test_what_a_start_made_before_it_failed_is_removed(scene: Scene, broken: str) -> None:
    kind = {"claim": CLAIM, "secret": SECRET, "pod": POD}[broken]
    cut = _CutOff(scene.cluster, kind.resource)
    movers = MoversKube(cut, scene.world.disks, Access("x", PASSWORD), scene.tier)  # type: ignore[arg-type]
    if broken != "claim":  # clones are made by the disks
        with pytest.raises(ClusterUnreachable):
            movers.start(scene.save)
    scene.movers.finish(scene.save)
    assert scene.made() == []


class _CutOff:
    """A cluster that breaks off when something of one kind is created."""

    def __init__(self, cluster: Cluster, resource: str) -> None:
        self._cluster = cluster
        self._resource = resource

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def create(self, kind: Any, *arguments: Any, **named: Any) -> Json:
        if kind.resource == self._resource:
            raise ClusterUnreachable("cut off")
        made: Json = self._cluster.create(kind, *arguments, **named)
        return made


def test_credentials_are_in_the_secret_and_nowhere_else(scene: Scene) -> None:
    scene.movers.start(scene.save)
    name = mover_pod.name_of(scene.save)
    pod = json.dumps(scene.cluster.get(POD, scene.namespace, name))
    claim = json.dumps(scene.cluster.get(CLAIM, scene.namespace, name))
    assert PASSWORD not in pod + claim
    assert CREDENTIAL not in pod + claim
    assert PASSWORD not in repr(scene.movers._access)
    assert "STORE_KEY" in pod
    scene.movers.finish(scene.save)
    with pytest.raises(NotFound):
        scene.cluster.get(SECRET, scene.namespace, name)


def test_a_restore_leaves_a_stranger_s_claim_alone(scene: Scene) -> None:
    with pytest.raises(AlreadyExists):
        scene.movers.start(scene.fill("0" * 64, name="data"))
    assert [line for line in scene.made() if "Pod" in line] == []


def test_what_movers_left_is_found_by_its_marks_and_removed(scene: Scene) -> None:
    movers = scene.movers
    movers.start(scene.save)
    found = movers.leftovers(scene.instance)
    assert {one.kind for one in found} == {"Pod", "Secret", "PersistentVolumeClaim"}
    assert {one.point for one in found} == {scene.snapshot.point}
    assert movers.leftovers("another.cluster") == ()
    for one in found:
        movers.remove(one)
        movers.remove(one)
    assert scene.made() == []
    movers.finish(scene.save)


def test_a_move_that_takes_too_long_is_given_up(scene: Scene) -> None:
    scene.movers.start(scene.save)
    late = MoversKube(
        scene.cluster,
        scene.world.disks,
        Access("x", PASSWORD),
        scene.tier,
        lambda: utc_now() + timedelta(hours=5),
    )
    state = late.poll(scene.save)
    assert state.phase == "failed"
    assert "vaultTier.timeout" in state.error
    scene.movers.finish(scene.save)


def test_a_block_volume_is_refused_with_the_reason(scene: Scene) -> None:
    assert scene.movers.why_not(scene.snapshot.volume) == ""
    block = replace(scene.snapshot.volume, volume_mode="Block")
    assert "block volume" in scene.movers.why_not(block)


def test_a_claim_is_bound_only_when_it_is_full(scene: Scene) -> None:
    movers = scene.movers
    movers.start(scene.save)
    scene.ends(scene.save)
    saved = movers.poll(scene.save).saved
    movers.finish(scene.save)
    assert saved is not None
    disks = DisksFilled(scene.world.disks, movers, scene.cluster)
    stored = replace(scene.snapshot, kind="files", handle=saved.id)

    def start() -> Any:
        return disks.start_restore(
            stored,
            namespace=scene.namespace,
            claim="again",
            restore_id="r-1",
            claim_body=new_claim("again"),
        )

    ticket = start()
    until("the claim is bound", lambda: scene._bound("again"))
    assert not disks.poll_restore(ticket).bound
    movers.finish(scene.fill(saved.id))  # the pod is lost half-way
    until("its pod is gone", lambda: movers.poll(scene.fill(saved.id)).phase == "absent")
    assert "gone" in disks.poll_restore(ticket).error
    assert start() == ticket
    scene.ends(scene.fill(saved.id))
    assert disks.poll_restore(ticket).bound
    disks.finish_restore(ticket)
    disks.finish_restore(ticket)
    assert disks.poll_restore(ticket).bound
    assert disks.poll_restore(ticket).handle
    assert start() == ticket  # and a retry after it all makes no second pod
    assert scene.made() == []
    assert scene.cluster.get(api.CLAIM, scene.namespace, "again")
