"""Which of two disks adapters is asked: by the policy's mode for new snapshots, by their maker for
those that are there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lifeboat.adapters.disks_routed import DisksRouted
from lifeboat.ports.disks import SnapshotTicket, StoredSnapshot, Volume
from tests.support.disks import POINT, take
from tests.support.fake_cluster import FakeCluster
from tests.support.fake_disks import FakeDisks
from tests.support.kinds import NAMESPACE
from tests.support.manifests import claim, manifest

AZURE = "disk.csi.azure.com"


class World:
    def __init__(self, *, new_by_azure: bool = True) -> None:
        self.cluster = FakeCluster()
        self.cluster.create(NAMESPACE, None, manifest(NAMESPACE, "shop"))
        self.csi, self.azure = FakeDisks(self.cluster), FakeDisks(self.cluster)
        self.routed = DisksRouted(self.csi, self.azure, new_by_azure=new_by_azure)

    def volume(self, name: str, driver: str, owner: FakeDisks) -> Volume:
        return replace(owner.make_volume("shop", name, {"a": b"1"}), driver=driver)


@pytest.mark.parametrize("new_by_azure", [True, False])
def test_new_snapshots_go_by_mode_and_driver(new_by_azure: bool) -> None:
    world = World(new_by_azure=new_by_azure)
    chosen = world.azure if new_by_azure else world.csi
    disk = world.volume("disk", AZURE.upper(), chosen)
    share = world.volume("share", "file.csi.azure.com", world.csi)
    take(world.routed, disk, "shop.aks")
    take(world.routed, share, "shop.aks")
    tickets = [
        SnapshotTicket(one.point, one.instance, one.volume, one.name)
        for one in (*world.csi.list_marked("shop.aks"), *world.azure.list_marked("shop.aks"))
    ]
    assert [one.ready for one in world.routed.look_at_snapshots(tickets[::-1])] == [True, True]
    assert len(chosen.list_marked("shop.aks")) == (1 if new_by_azure else 2)
    assert len(world.routed.list_marked("shop.aks")) == 2


@pytest.mark.parametrize("new_by_azure", [True, False])
def test_old_snapshots_go_by_their_maker(new_by_azure: bool) -> None:
    world = World(new_by_azure=new_by_azure)
    for number, (maker, owner) in enumerate((("", world.csi), ("azure", world.azure))):
        volume = world.volume(f"disk-{number}", AZURE, owner)
        snapshot: StoredSnapshot = replace(take(owner, volume, "shop.aks", POINT), maker=maker)
        ticket = world.routed.start_restore(
            snapshot,
            namespace="shop",
            claim=f"back-{number}",
            restore_id="r-1",
            claim_body=claim(f"back-{number}"),
        )
        assert world.routed.poll_restore(ticket).bound
        world.routed.finish_restore(ticket)
        world.routed.delete_snapshot(snapshot)
        assert owner.list_marked("shop.aks") == ()


def test_whose_reason_it_is() -> None:
    world = World()
    assert "is not a fake" in world.routed.why_not(world.volume("disk", AZURE, world.azure))
