"""A point against the cluster: what a backup of now would hold otherwise, and nothing is stored."""

from __future__ import annotations

import pytest

from lifeboat.errors import ClusterUnreachable, Forbidden
from lifeboat.point import catalog
from lifeboat.point.contents import Contents
from lifeboat.point.manifest import Run, open_contents
from lifeboat.point.wanted import Wanted
from lifeboat.steps.backup import backup
from lifeboat.steps.live import LiveComparison, compare_live
from tests.support.kinds import CONFIG_MAP, NAMESPACE, SECRET, STORAGE_CLASS
from tests.support.world import World


@pytest.fixture
def world() -> World:
    made = World()
    backup(made.context(), Run("run", "cli"), lambda _: None)
    made.tick(hours=1)
    return made


def opened(world: World) -> Contents:
    vault = world.context().vault
    return open_contents(vault, catalog.find(vault, "shop.local"))


def compared(world: World, wanted: Wanted = Wanted()) -> LiveComparison:  # noqa: B008 - frozen
    return compare_live(world.context(), opened(world), wanted)


def told(comparison: LiveComparison) -> list[tuple[str, str]]:
    return [
        (
            "added" if before is None else "removed" if after is None else "changed",
            f"{key[2]} {key[3]}/{key[4]}",
        )
        for key, before, after in comparison.differences
    ]


def config_map(world: World, name: str, labels: dict[str, str]) -> None:
    metadata = {"name": name, "labels": labels}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    world.cluster.create(CONFIG_MAP, "shop", body)


def test_an_unchanged_cluster_does_not_differ(world: World) -> None:
    assert compared(world) == LiveComparison([], ())


def test_every_change_is_told_and_nothing_is_stored(world: World) -> None:
    world.change("red")
    world.cluster.delete(SECRET, "shop", "login")
    config_map(world, "new", {})
    config_map(world, "kept-out", {"lifeboat.dev/exclude": "true"})
    config_map(world, "ours", {"lifeboat.dev/managed": "true"})
    before = len(world.store.calls)
    found = compared(world)
    calls = {call.method for call in world.store.calls[before:]}
    assert calls <= {"get", "get_range", "list", "stat"}
    assert told(found) == [
        ("added", "ConfigMap shop/new"),
        ("changed", "ConfigMap shop/settings"),
        ("removed", "Secret shop/login"),
    ]
    assert b"red" in (found.differences[1].after or b"")
    labels = {"metadata": {"labels": {"lifeboat.dev/exclude": "true"}}}
    world.cluster.patch(STORAGE_CLASS, None, "fast", labels)
    assert ("removed", "StorageClass /fast") in told(compared(world))
    assert told(compared(world, Wanted(("secrets",)))) == [("removed", "Secret shop/login")]
    assert told(compared(world, Wanted((), ("other",)))) == []


def test_a_backup_stores_exactly_what_was_told(world: World) -> None:
    """The listing is a backup's: its records have the ids that the comparison used."""
    world.change("red")
    found = compared(world)
    backup(world.context(), Run("next", "cli"), lambda _: None)
    newest = opened(world)
    for key, _, after in found.differences:
        stored = newest.find(key)
        assert stored is not None
        assert newest.reader().read(stored[1].record, stored[1].place) == after


def test_what_cannot_be_listed_is_not_told_as_removed(world: World) -> None:
    world.change("red")
    error = Forbidden("configmaps is forbidden")
    world.cluster.fail_next("list_pages", error, times=9, resource="configmaps")
    found = compared(world)
    assert found.differences == []
    assert [left.what for left in found.not_compared] == [
        "configmaps in shop",
        "1 ConfigMap of the point",
    ]
    assert all("configmaps is forbidden" in left.reason for left in found.not_compared)


def test_a_group_that_cannot_be_discovered_is_not_told_as_removed(world: World) -> None:
    world.cluster.kinds = [k for k in world.cluster.kinds if k.group != "storage.k8s.io"]
    assert ("removed", "StorageClass /fast") in told(compared(world))
    world.cluster.failures["storage.k8s.io/v1"] = "its API service is not available"
    found = compared(world)
    assert not [title for _, title in told(found) if "StorageClass" in title]
    assert any("StorageClass" in left.what for left in found.not_compared)


def test_cluster_scoped_objects_that_nothing_needs_any_more_are_not_compared(world: World) -> None:
    world.cluster.delete(NAMESPACE, None, "shop")
    found = compared(world)
    assert ("removed", "ConfigMap shop/settings") in told(found)
    assert not [title for _, title in told(found) if STORAGE_CLASS.kind in title]
    assert any("StorageClass" in left.what for left in found.not_compared)


def test_what_a_retry_may_cure_is_raised(world: World) -> None:
    error = ClusterUnreachable("no answer")
    world.cluster.fail_next("list_pages", error, times=9, resource="secrets")
    with pytest.raises(ClusterUnreachable):
        compared(world)
