"""A kind whose continue token expired between two pages is listed anew, and nothing of the first
try is left in the point."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lifeboat.errors import Expired
from lifeboat.point.manifest import Manifest, Run, open_contents
from lifeboat.ports.cluster import Kind
from lifeboat.ports.fields import FieldsPage
from lifeboat.steps import dump
from lifeboat.steps.backup import backup
from tests.support.kinds import CONFIG_MAP
from tests.support.manifests import manifest
from tests.support.world import World

BEFORE, AFTER = ("first", "gone"), ("first", "late")


def put(world: World, *names: str) -> None:
    for name in names:
        body = manifest(CONFIG_MAP, name, data={"of": name})
        body["metadata"]["namespace"] = "shop"
        world.cluster.put(CONFIG_MAP, body)


def expire(world: World, times: int) -> None:
    """So many lists of ConfigMaps end after their last page but the end; then one object is gone
    and another one is there."""
    listed = world.cluster.list_fields
    left = [times]

    def list_fields(kind: Kind, *, namespace: str | None = None) -> Iterator[FieldsPage]:
        yield from listed(kind, namespace=namespace)
        if kind.plural == "configmaps" and left[0]:
            left[0] -= 1
            world.cluster.delete(CONFIG_MAP, "shop", "gone")
            put(world, "late")
            raise Expired("the provided continue parameter is too old")

    world.cluster.list_fields = list_fields  # type: ignore[method-assign]


def made(world: World) -> Manifest:
    found = backup(world.context(), Run("run", "manual"), lambda _: None)
    assert found is not None
    return found


def names(world: World, point: Manifest) -> list[str]:
    entries = open_contents(world.context().vault, point)
    wanted = {*BEFORE, *AFTER}
    return [entry.name for entry in entries if entry.kind == "ConfigMap" and entry.name in wanted]


@pytest.mark.parametrize("spilled", [False, True])
@pytest.mark.parametrize("times", [1, 3])
def test_what_the_first_try_brought_is_void(
    spilled: bool, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if spilled:
        monkeypatch.setattr(dump, "_SPILL_ROWS", 1)
    world = World()
    put(world, *BEFORE)
    expire(world, times)
    point = made(world)
    assert point.complete
    assert sorted(names(world, point)) == sorted(AFTER)


def test_it_is_not_tried_for_ever() -> None:
    world = World()
    put(world, *BEFORE)
    expire(world, times=100)
    with pytest.raises(Expired):
        made(world)
