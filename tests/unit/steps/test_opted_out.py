"""What opts out is named in the point, whatever its scope and however it says so (P6)."""

from __future__ import annotations

import pytest

from lifeboat.point.manifest import LeftOut, Manifest, Run, open_contents
from lifeboat.ports.cluster import Kind
from lifeboat.steps.backup import backup
from tests.support.kinds import CLAIM, CONFIG_MAP, NAMESPACE
from tests.support.manifests import manifest
from tests.support.world import POLICY, World


def made_of(world: World) -> tuple[Manifest, set[str]]:
    context = world.context()
    made = backup(context, Run("run", "manual"), lambda _: None)
    assert made is not None
    return made, {f"{entry.kind} {entry.name}" for entry in open_contents(context.vault, made)}


def mark(world: World, kind: Kind, space: str | None, name: str, where: str, mark: str) -> None:
    world.cluster.patch(kind, space, name, {"metadata": {where: {mark: "true"}}})


MARKS = [
    (where, name)
    for where in ("labels", "annotations")
    for name in ("lifeboat.dev/exclude", "velero.io/exclude-from-backup")
]


@pytest.mark.parametrize(("where", "name"), MARKS)
def test_an_object_is_named_and_not_stored(where: str, name: str) -> None:
    world = World()
    world.cluster.create(CONFIG_MAP, "shop", manifest(CONFIG_MAP, "private", data={"a": "b"}))
    mark(world, CONFIG_MAP, "shop", "private", where, name)
    made, held = made_of(world)
    assert made.complete
    reason = f"carries the {where.removesuffix('s')} {name}"
    assert LeftOut("ConfigMap shop/private", reason, severity="note") in made.left_out
    assert "ConfigMap private" not in held
    assert "ConfigMap settings" in held


@pytest.mark.parametrize(("where", "name"), MARKS)
def test_a_claim_keeps_its_volume_out_too(where: str, name: str) -> None:
    world = World()
    mark(world, CLAIM, "shop", "data", where, name)
    made, held = made_of(world)
    reason = f"carries the {where.removesuffix('s')} {name}"
    assert made.volumes == ()
    assert made.complete
    assert set(made.left_out) == {
        LeftOut("PersistentVolumeClaim shop/data", reason, severity="note"),
        LeftOut("volume shop/data", reason, severity="note"),
    }
    assert not {"PersistentVolumeClaim data", "PersistentVolume pv-1"} & held


@pytest.mark.parametrize(("where", "name"), MARKS)
def test_a_namespace_stays_out_whole(where: str, name: str) -> None:
    world = World(policy=POLICY.replace("[shop]", '["*"]'))
    mark(world, NAMESPACE, None, "shop", where, name)
    made, held = made_of(world)
    reason = f"carries the {where.removesuffix('s')} {name}"
    assert LeftOut("namespace shop", reason, severity="note") in made.left_out
    assert "ConfigMap settings" not in held
    assert "Namespace shop" not in held
