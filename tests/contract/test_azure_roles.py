"""The custom roles that ship are enough for what they are for, and every right in them is used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lifeboat.adapters.definition_aks import DefinitionAks
from lifeboat.errors import Forbidden
from local.arm import Principal
from local.arm.aks import AksCluster
from tests.support.arm import NODES, SUBSCRIPTION, ArmWorld
from tests.support.azure_disks import COPYING, NORTHERN, AzureDisksWorld
from tests.support.disks import POINT, ready, stored
from tests.support.kinds import CLAIM, NAMESPACE
from tests.support.manifests import claim, manifest

ROLES = Path(__file__).parents[2] / "docs" / "azure"
INSTANCE = "shop.aks"


@pytest.fixture
def world(azure: ArmWorld) -> AzureDisksWorld:
    """Tokens `lifeboat-backup` and so on, with exactly the actions of the role of that name."""
    for path in sorted(ROLES.glob("*.json")):
        role = json.loads(path.read_text())
        azure.arm.access.tokens[path.stem] = Principal(path.stem, tuple(role["Actions"]))
    world = AzureDisksWorld(azure, COPYING)
    for name in ("shop", "back"):
        world.cluster.create(NAMESPACE, None, manifest(NAMESPACE, name))
    return world


def test_each_role_does_its_work_and_uses_all_it_has(world: AzureDisksWorld) -> None:
    volume = world.make_volume("shop", "data", {"a": b"1"})
    backup = world.adapter(token="lifeboat-backup")
    copies = world.copies(token="lifeboat-backup")
    for number in (1, 2):
        ticket = backup.start_snapshot(f"{POINT[:-1]}{number}", INSTANCE, volume)
        state = ready(backup, ticket)
        backup.secure_snapshot(ticket)
        copies.start_copy(stored(ticket, state), NORTHERN)
        world.azure.time.advance(900)
        copies = world.copies(token="lifeboat-backup")
    first, second = backup.list_marked(INSTANCE)

    restore = world.adapter(token="lifeboat-restore")
    for name in ("kept", "given-up"):
        restoring = restore.start_restore(
            first, namespace="back", claim=name, restore_id="r-1", claim_body=claim(name)
        )
        if name == "given-up":
            world.cluster.delete(CLAIM, "back", name)
        restore.poll_restore(restoring)
        restore.finish_restore(restoring)

    for snapshot in (first, second):
        world.adapter(token="lifeboat-prune").delete_snapshot(snapshot)
    for copy in world.copies(token="lifeboat-prune").list_copies(INSTANCE, NORTHERN):
        world.copies(token="lifeboat-prune").delete_copy(copy)
    assert not world.azure.arm.estate.snapshots

    world.azure.arm.clusters["shop"] = AksCluster("https://example.com", b"")
    DefinitionAks(world.clients("lifeboat-context"), SUBSCRIPTION, NODES, "shop").read()

    for name, principal in world.azure.arm.access.tokens.items():
        if name.startswith("lifeboat-"):
            assert world.azure.arm.access.asked[name] == set(principal.actions), name


def test_who_backs_up_cannot_delete(world: AzureDisksWorld) -> None:
    volume = world.make_volume("shop", "data", {"a": b"1"})
    backup = world.adapter(token="lifeboat-backup")
    ticket = backup.start_snapshot(POINT, INSTANCE, volume)
    snapshot = stored(ticket, ready(backup, ticket))
    with pytest.raises(Forbidden, match=r"Microsoft\.Compute/snapshots/delete"):
        backup.delete_snapshot(snapshot)
    with pytest.raises(Forbidden, match=r"Microsoft\.Compute/disks/write"):
        backup.start_restore(
            snapshot, namespace="back", claim="c", restore_id="r-1", claim_body=claim("c")
        )
    assert world.reader.digest_snapshot(snapshot.handle)


def test_every_action_is_spelled_out() -> None:
    roles = [json.loads(path.read_text()) for path in ROLES.glob("*.json")]
    assert len(roles) == 4
    for role in roles:
        assert role["IsCustom"]
        assert role["Actions"] == sorted(set(role["Actions"]))
        assert not any("*" in action or "Access" in action for action in role["Actions"])
        assert role["DataActions"] == []
