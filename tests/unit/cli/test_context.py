"""context, owners and images as a person uses them, with nothing but the vault."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lifeboat.adapters.store_local import LocalStore
from lifeboat.cli import app
from lifeboat.errors import NotFound
from lifeboat.point.manifest import Run
from lifeboat.ports.definition import ManagedDefinition
from lifeboat.ports.registry import Answer
from lifeboat.steps.backup import backup
from lifeboat.steps.note import note_served
from tests.support.kinds import DEPLOYMENT
from tests.support.manifests import manifest
from tests.support.world import World

PROPERTIES = {
    "kubernetesVersion": "1.33",
    "addonProfiles": {"azurepolicy": {"enabled": True}, "gitops": {"enabled": False}},
}
POOLS: list[dict[str, Any]] = [
    {"name": "system", "properties": {"count": 3, "vmSize": "D4", "orchestratorVersion": "1.33"}},
    {"name": "work", "properties": {"minCount": 2, "maxCount": 9, "vmSize": "D8"}},
]


class Defined:
    def read(self) -> ManagedDefinition:
        cluster = {"id": "/subscriptions/1", "location": "westeurope", "properties": PROPERTIES}
        return ManagedDefinition("2026-08-01", cluster, POOLS)


class Gone:
    def read(self) -> ManagedDefinition:
        raise NotFound("there is no such cluster")

    def look(self, host: str, repository: str, reference: str) -> Answer:
        return Answer("gone", f"{host} has no such image")


@dataclass
class Saved:
    folder: Path

    def run(self, command: str, *arguments: str) -> Result:
        where = ("--vault", f"file://{self.folder}", "--key", f"file:{self.folder}.key")
        done = CliRunner().invoke(app, [command, "shop.local", *arguments, *where])
        assert done.exit_code == 0, done.output
        return done


def saved(tmp_path: Path, *, served: bool = False, **ports: Any) -> Saved:
    """The vault of a world with one point, in a folder."""
    world = World()
    web = manifest(
        DEPLOYMENT,
        "web",
        spec={"template": {"spec": {"containers": [{"name": "c", "image": "example.com/web:1"}]}}},
    )
    web["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "web:apps/Deployment:a/b"}
    world.cluster.create(DEPLOYMENT, "shop", web)
    made = backup(replace(world.context(), **ports), Run("run", "cli"), lambda _: None)
    if served:
        assert made is not None
        note_served(world.context(), made, lambda _: None)
    folder = tmp_path / "vault"
    store = LocalStore.create(folder)
    for key, data in world.store.blobs.items():
        if store.stat(key) is None:
            store.put_new(key, data)
    Path(f"{folder}.key").write_text(world.key)
    return Saved(folder)


def test_context_shows_how_the_cluster_was_ordered(tmp_path: Path) -> None:
    shop = saved(tmp_path, definitions=Defined())
    text = shop.run("context").stdout
    assert "add-ons    azurepolicy\n" in text
    assert "node pool  system: 3 of D4, 1.33" in text
    assert "node pool  work: 2 to 9 of D8, ?" in text
    told = json.loads(shop.run("context", "--json").stdout)
    assert told["definition"]["node_pools"] == POOLS
    assert told["definition"]["api_version"] == "2026-08-01"
    assert told["definedSince"] == told["point"]


def test_context_shows_what_the_cluster_served(tmp_path: Path) -> None:
    shop = saved(tmp_path, served=True)
    assert " kinds, 0 of them in several versions" in shop.run("context").stdout
    told = json.loads(shop.run("context", "--json").stdout)
    assert told["served"]["configmaps"] == ["v1"]
    without = saved(tmp_path / "other")
    assert "served     not noted" in without.run("context").stdout
    assert json.loads(without.run("context", "--json").stdout)["served"] is None


@pytest.mark.parametrize(
    ("ports", "said"),
    [({}, "not known"), ({"definitions": Gone()}, "could not be read since 2026")],
)
def test_context_says_what_is_not_known(tmp_path: Path, ports: Any, said: str) -> None:
    assert said in saved(tmp_path, **ports).run("context").stdout


def test_owners_shows_the_share_by_namespace(tmp_path: Path) -> None:
    shop = saved(tmp_path)
    assert "Argo CD application web: 1" in shop.run("owners").stdout
    told = json.loads(shop.run("owners", "--json").stdout)
    (space,) = [one for one in told["namespaces"] if one["namespace"] == "shop"]
    assert space["owners"] == {"Argo CD application web": 1}
    assert space["onlyHere"] == space["objects"] - 1


def test_images_shows_what_registries_said(tmp_path: Path) -> None:
    shop = saved(tmp_path, registries=Gone())
    text = shop.run("images").stdout
    assert "example.com/web:1" in text
    assert "example.com/web:1: example.com has no such image" in text
    (image,) = json.loads(shop.run("images", "--json").stdout)["images"]
    assert image["namespaces"] == ["shop"]
    assert image["registry"]["state"] == "gone"


def test_images_without_a_check_says_so(tmp_path: Path) -> None:
    assert "not asked" in saved(tmp_path).run("images").stdout
