"""The engine's own steps over Azure: back up, copy, prune, reconcile, lose the region, restore.

Kubernetes and the vault are in memory, Azure is the stand-in by the official client. Its clock is
the engine's, so hours of copying pass at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.disks_routed import DisksRouted
from lifeboat.errors import SnapshotFailed
from lifeboat.point import catalog
from lifeboat.point.manifest import Manifest, Run, read_manifest
from lifeboat.policy.instance import Instance
from lifeboat.policy.load import parse_policy
from lifeboat.policy.model import ClusterEntry, VaultEntry
from lifeboat.ports.disks import Volume
from lifeboat.restore.model import RestoreReport, RestoreRequest
from lifeboat.restore.run import restore
from lifeboat.steps.backup import backup
from lifeboat.steps.context import Context
from lifeboat.steps.copy_regions import CopyLook, ensure_copied, finish_copies, look_at_copies
from lifeboat.steps.prune import execute_prune, plan_prune
from lifeboat.steps.reconcile import reconcile, remove_orphans
from lifeboat.vault.keys import generate_key
from lifeboat.vault.vault import create_vault, open_vault
from tests.support.arm import SUBSCRIPTION, ArmWorld
from tests.support.azure_disks import COPYING, AzureDisksWorld
from tests.support.kinds import NAMESPACE, VOLUME
from tests.support.manifests import manifest
from tests.support.memory_store import MemoryStore

POLICY = """
clusters: [aks]
objectives: {rpo: 1h}
select: {namespaces: {include: [shop]}}
retention: {keep: {last: 4}, minVerified: 0}
volumes:
  mode: azure
  azure:
    copies: [{region: northeurope, resourceGroup: backup-north, keep: {last: 2}}]
"""


@dataclass
class Engine:
    """The engine on a cluster in westeurope with one volume."""

    azure: ArmWorld

    def __post_init__(self) -> None:
        self.world = AzureDisksWorld(self.azure, COPYING)
        self.store = MemoryStore(clock=self.azure.time.now)
        self.key = generate_key()
        create_vault(self.store, self.key, self.azure.time.now)
        self.world.cluster.create(NAMESPACE, None, manifest(NAMESPACE, "shop"))
        self.volume = self.volume_of("data")

    def volume_of(self, name: str) -> Volume:
        made = self.world.make_volume("shop", name, {"big": b"x" * 1000, "f": b"0"})
        source = {"driver": made.driver, "volumeHandle": made.handle}
        spec = {"capacity": {"storage": "1Gi"}, "csi": source}
        self.world.cluster.put(VOLUME, manifest(VOLUME, made.pv, spec=spec))
        return made

    def context(self, *, north: bool = False) -> Context:
        """Freshly opened, as another task has it; `north`: on a cluster in northeurope."""
        place = COPYING
        if north:
            place = replace(COPYING, region="northeurope", node_group="MC_north")
        cluster, clock = self.world.cluster, self.azure.time.now
        instance = Instance(
            policy=parse_policy(POLICY, "shop.yaml", "shop"),
            cluster=ClusterEntry(name="aks", in_cluster=True),
            vault=VaultEntry(name="main", url="file:///none", key="env:NONE"),
            policy_text=POLICY,
            policy_digest="sha256:0",
            source="shop.yaml",
        )
        disks = DisksRouted(
            DisksCsi(cluster, clock=clock), self.world.adapter(place), new_by_azure=True
        )
        vault = open_vault(self.store, self.key)
        return Context(
            instance, cluster, vault, disks, self.world.reader, clock, self.world.copies(place)
        )

    def back_up(self, number: int) -> Manifest:
        self.azure.time.advance(3600)
        self.world.write(self.volume, "f", f"{number:02d}".encode())
        made = backup(self.context(), Run(f"run-{number}", "manual"), quiet)
        assert made is not None
        assert made.complete, made.left_out
        return made

    def prune(self) -> None:
        context = self.context()
        assert execute_prune(context, plan_prune(context)).leftovers == ()

    def copy(self) -> CopyLook:
        return look_at_copies(self.context())

    def restore(self, point: str, *, north: bool = False) -> RestoreReport:
        request = RestoreRequest(instance="shop.aks", point=point, mapping={"shop": "back"})
        return restore(self.context(north=north), request, f"restore-{north}", quiet)

    def gone(self) -> dict[str, tuple[str, ...]]:
        """Points whose snapshots nobody finds."""
        return reconcile(self.context()).damaged

    def copied(self) -> list[str]:
        context = self.context()
        assert context.copies
        (place,) = context.copies.places
        return [copy.snapshot.point for copy in context.copies.list_copies("shop.aks", place)]

    def deltas(self) -> list[int]:
        """What each copy that is there has moved."""
        kept = self.azure.arm.estate.snapshots.values()
        return [one.delta for one in sorted(kept, key=lambda o: o.order) if one.copied_from]


def quiet(_: str) -> None: ...


@pytest.fixture
def engine(azure: ArmWorld) -> Engine:
    return Engine(azure)


def test_a_point_of_azure_s_snapshots_restores(engine: Engine) -> None:
    made = engine.back_up(1)
    (snapshot,) = made.volumes
    assert snapshot.maker == "azure"
    assert snapshot.content_digest == engine.world.reader.digest_volume(engine.volume.handle)
    stored = read_manifest(engine.context().vault, "shop.aks", made.point)
    assert stored.volumes == made.volumes
    engine.world.write(engine.volume, "f", b"after")
    report = engine.restore(made.point)
    assert report.ok, report
    (volume,) = report.volumes
    assert volume.content_digest == volume.captured_digest == snapshot.content_digest
    assert engine.gone() == {}


def test_copies_follow_their_points(engine: Engine) -> None:
    points = []
    for number in range(1, 8):
        points.append(engine.back_up(number).point)
        look = engine.copy()
        assert len(look.started) == 1, look
        ensure_copied(look)
        engine.azure.time.advance(1000)
        engine.prune()
    engine.copy()
    assert engine.copied() == points[-2:]
    assert catalog.point_ids(engine.context().vault, "shop.aks")[-1] == points[-1]
    assert engine.deltas()[1:] == [2] * len(engine.deltas()[1:])
    assert engine.gone() == {}
    assert reconcile(engine.context()).orphans == ()
    assert engine.copy().started == ()
    assert engine.copy().ready == 2


def test_a_copy_waits_for_its_turn_and_an_old_one_is_passed_over(engine: Engine) -> None:
    first, second = engine.back_up(1).point, engine.back_up(2).point
    look = engine.copy()
    assert [len(look.started), len(look.waiting)] == [1, 2]
    assert first in look.started[0]
    assert second in look.waiting[1]
    look = engine.copy()
    assert [len(look.started), len(look.waiting)] == [0, 2]
    engine.azure.time.advance(1000)
    assert second in engine.copy().started[0]
    engine.azure.time.advance(1000)
    for name in list(engine.azure.arm.estate.snapshots):
        if name.endswith("northeurope") and first.lower() in name:
            del engine.azure.arm.estate.snapshots[name]
    assert first in engine.copy().passed[0]


def test_waiting_for_copies_looks_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        engine.back_up(number)

    def pause(_: float) -> None:
        engine.azure.time.advance(300)

    monkeypatch.setattr("lifeboat.clock.pause", pause)
    look = finish_copies(engine.context(), timedelta(hours=1))
    assert (look.ready, look.waiting) == (2, ())


def test_a_copy_that_cannot_start_is_a_problem_of_the_look(engine: Engine) -> None:
    engine.back_up(1)
    engine.volume_of("other")
    made = engine.back_up(2)
    gone = made.volumes[0]
    del engine.azure.arm.estate.snapshots[gone.handle.lower()]
    engine.copy()
    engine.azure.time.advance(1000)
    look = engine.copy()
    assert any("is gone" in problem for problem in look.problems), look
    with pytest.raises(SnapshotFailed, match="copies that failed"):
        ensure_copied(look)


def test_the_region_is_lost(engine: Engine) -> None:
    made = engine.back_up(1)
    engine.copy()
    engine.azure.time.advance(1000)
    estate = engine.azure.arm.estate
    for kept in (estate.disks, estate.snapshots):
        for key, one in list(kept.items()):
            if one.location == "westeurope":
                del kept[key]
    engine.azure.arm.add_group(SUBSCRIPTION, "MC_north", "northeurope")
    report = engine.restore(made.point, north=True)
    assert report.ok, report
    (volume,) = report.volumes
    assert volume.content_digest == made.volumes[0].content_digest
    assert engine.azure.arm.disk(volume.handle).location == "northeurope"


def test_what_a_dead_run_left_is_found(engine: Engine) -> None:
    context = engine.context()
    context.disks.start_snapshot("20261122T233153Z-1a2b3c4d", "shop.aks", engine.volume)
    found = reconcile(engine.context(), timedelta(seconds=-1))
    assert [orphan.reason for orphan in found.orphans] == ["no point names it"]
    remove_orphans(engine.context(), found)
    engine.azure.time.advance(10)
    remove_orphans(engine.context(), reconcile(engine.context(), timedelta(seconds=-1)))
    assert not engine.azure.arm.estate.snapshots
