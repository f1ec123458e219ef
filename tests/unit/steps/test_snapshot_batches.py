"""Volumes in batches: how many, that one failure keeps no other from its snapshot, and that each
has the time-out to itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from lifeboat.errors import Forbidden, SnapshotFailed, Throttled
from lifeboat.point.manifest import Manifest, Run
from lifeboat.ports.cluster import Json
from lifeboat.ports.disks import SnapshotTicket
from lifeboat.steps.backup import backup
from lifeboat.steps.commit import commit_point
from lifeboat.steps.context import Context
from lifeboat.steps.dump import dump_shard
from lifeboat.steps.enumerate import enumerate_scope
from lifeboat.steps.scope import Scope
from lifeboat.steps.settle import look, settle, wait
from lifeboat.steps.snapshot import BATCH, batches, ensure_started, start_batch
from tests.support.kinds import CLAIM, SNAPSHOT, VOLUME
from tests.support.world import DRIVER, World

RUN = Run("run-1", "manual")
_REACTION = "VolumeSnapshot.snapshot.storage.k8s.io"


def with_volumes(count: int) -> World:
    """A world with so many claims in `shop`: disk-00, disk-01, …"""
    world = World()
    world.cluster.delete(CLAIM, "shop", "data")
    for number in range(count):
        name = f"disk-{number:02}"
        csi = {"driver": DRIVER, "volumeHandle": name}
        spec: Json = {"capacity": {"storage": "1Gi"}, "csi": csi}
        world.cluster.put(VOLUME, {"metadata": {"name": f"pv-{name}"}, "spec": spec})
        claim: Json = {"metadata": {"name": name, "namespace": "shop"}}
        claim["spec"] = {"volumeName": f"pv-{name}", "storageClassName": "fast"}
        world.cluster.put(CLAIM, {**claim, "status": {"phase": "Bound"}})
    return world


def scope_of(count: int) -> Scope:
    return enumerate_scope(with_volumes(count).context(), RUN)


@pytest.mark.parametrize(
    ("volumes", "sizes"), [(0, []), (1, [1]), (25, [25]), (26, [13, 13]), (80, [20] * 4)]
)
def test_batches_are_few_and_of_equal_size(volumes: int, sizes: list[int]) -> None:
    scope = scope_of(volumes)
    found = batches(scope)
    assert [len(batch.volumes) for batch in found] == sizes
    assert max(sizes, default=0) <= BATCH
    assert [title for batch in found for title in batch.volumes] == [
        volume.title for volume in scope.volumes
    ]
    assert len({batch.title for batch in found}) == len(found)
    assert all(len(batch.title) < 250 for batch in found)


def test_a_small_batch_is_called_by_its_volumes() -> None:
    assert [batch.title for batch in batches(scope_of(2))] == ["shop/disk-00, shop/disk-01"]
    assert batches(scope_of(26))[1].title == "shop/disk-13 and 12 more (2 of 2)"


def test_one_that_is_refused_keeps_no_other_from_being_asked_for() -> None:
    world = with_volumes(4)
    context = world.context()
    scope = enumerate_scope(context, RUN)
    refused = Forbidden("not you")
    world.cluster.fail_next("create", refused, resource=SNAPSHOT.resource)
    started = start_batch(context, scope, batches(scope)[0].volumes, 1)
    assert [one.volume.claim for one in started.tickets] == ["disk-01", "disk-02", "disk-03"]
    assert [entry.what for entry in started.left_out] == ["volume shop/disk-00"]
    with pytest.raises(SnapshotFailed, match="shop/disk-00: its snapshot could not be started"):
        ensure_started(started)
    part = settle(context, scope, started.tickets, started.left_out)
    assert len(part.snapshots) == 3
    assert [entry.what for entry in part.left_out] == ["volume shop/disk-00"]


def test_what_may_pass_is_asked_for_again_and_nothing_twice() -> None:
    world = with_volumes(3)
    context = world.context()
    scope = enumerate_scope(context, RUN)
    titles = batches(scope)[0].volumes
    world.cluster.fail_next("create", Throttled("wait"), resource=SNAPSHOT.resource)
    first = start_batch(context, scope, titles, 1)
    assert len(first.tickets) == 2
    with pytest.raises(Throttled):
        ensure_started(first)
    again = start_batch(context, scope, titles, 1)
    ensure_started(again)
    assert len(again.tickets) == 3
    assert len(world.handles) == 3


def test_a_look_is_one_list_however_many_there_are() -> None:
    world = with_volumes(30)
    context = world.context()
    scope = enumerate_scope(context, RUN)
    tickets = [t for b in batches(scope) for t in start_batch(context, scope, b.volumes, 1).tickets]
    world.cluster.calls.clear()
    assert look(context, tickets) == []
    assert [(call.method, call.resource) for call in world.cluster.calls] == [
        ("list_pages", SNAPSHOT.resource)
    ]


def slow(world: World, *names: str) -> None:
    """Snapshots of these claims are never ready."""
    ready = world.cluster.reactions[_REACTION]

    def react(body: Json) -> None:
        if body["spec"]["source"]["persistentVolumeClaimName"] not in names:
            ready(body)

    world.cluster.reactions[_REACTION] = react


def test_each_volume_has_the_time_out_to_itself() -> None:
    """One that was asked for later, for it was throttled, is not late with the first."""
    world = with_volumes(3)
    slow(world, "disk-00", "disk-02")
    context = world.context()
    scope = enumerate_scope(context, RUN)
    titles = batches(scope)[0].volumes
    early = start_batch(context, scope, titles[:2], 1).tickets
    world.tick(minutes=6)
    tickets = (*early, *start_batch(context, scope, titles[2:], 1).tickets)
    assert look(context, tickets) == ["shop/disk-00", "shop/disk-02"]
    world.tick(minutes=6)
    assert look(context, tickets) == ["shop/disk-02"]
    world.tick(minutes=6)
    assert look(context, tickets) == []
    part = settle(context, scope, tickets)
    assert [one.volume.claim for one in part.snapshots] == ["disk-01"]
    assert {(entry.what, entry.reason) for entry in part.left_out} == {
        ("volume shop/disk-00", "its snapshot was not ready within 10m"),
        ("volume shop/disk-02", "its snapshot was not ready within 10m"),
    }


def test_a_ticket_of_an_earlier_version_waits_as_long_as_its_caller() -> None:
    world = with_volumes(1)
    slow(world, "disk-00")
    context = world.context()
    scope = enumerate_scope(context, RUN)
    (ticket,) = start_batch(context, scope, batches(scope)[0].volumes, 1).tickets
    old = replace(ticket, asked="")
    world.tick(days=1)
    assert look(context, [old]) == ["shop/disk-00"]
    assert wait_none(context, old)


def wait_none(context: Context, ticket: SnapshotTicket) -> bool:
    wait(context, [ticket], timedelta(0))
    return bool(look(context, [ticket]))


def test_a_point_of_many_volumes_names_the_late_ones_and_has_the_others() -> None:
    world = with_volumes(30)
    slow(world, "disk-07")
    world.policy += "volumes: {timeout: 1s}\n"
    made = finished(world)
    assert len(made.volumes) == 29
    assert [entry.what for entry in made.left_out if entry.severity == "loss"] == [
        "volume shop/disk-07"
    ]
    assert not made.complete


def finished(world: World) -> Manifest:
    context = world.context()
    scope = enumerate_scope(context, RUN)
    for shard in scope.shards:
        dump_shard(context, scope, shard.id)
    started = [start_batch(context, scope, batch.volumes, 4) for batch in batches(scope)]
    world.tick(minutes=1)
    settle(
        context,
        scope,
        [ticket for one in started for ticket in one.tickets],
        [entry for one in started for entry in one.left_out],
    )
    return commit_point(context, scope)


def test_the_command_line_captures_them_in_one_go() -> None:
    made = backup(with_volumes(30).context(), RUN, lambda _: None)
    assert made is not None
    assert made.complete
    assert len(made.volumes) == 30
