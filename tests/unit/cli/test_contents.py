"""contents and get as a person uses them, with nothing but the vault."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from lifeboat.adapters.store_local import LocalStore
from lifeboat.cli import app
from lifeboat.errors import UsageError
from lifeboat.point.manifest import Run
from lifeboat.steps.backup import backup
from tests.support.kinds import CONFIG_MAP, NAMESPACE
from tests.support.world import World

INSTANCE = "shop.local"


@dataclass
class Shop:
    """A vault in a folder, and points in it."""

    world: World
    folder: Path
    points: list[str]

    def run(self, command: str, *arguments: str) -> Result:
        where = ("--vault", f"file://{self.folder}", "--key", f"file:{self.folder}.key")
        return CliRunner().invoke(app, [command, INSTANCE, *arguments, *where])

    def save(self) -> None:
        """Put what the world's store holds into the folder."""
        store = LocalStore.create(self.folder)
        for key, data in self.world.store.blobs.items():
            if store.stat(key) is None:
                store.put_new(key, data)
        Path(f"{self.folder}.key").write_text(self.world.key)


def point(world: World, number: int) -> str:
    world.tick(hours=1)
    made = backup(world.context(), Run(f"run-{number}", "cli"), lambda _: None)
    assert made is not None
    return made.point


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    world = World(policy=World.policy.replace("[shop]", "[shop, shed]"))
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shed"}}
    world.cluster.create(NAMESPACE, None, body)
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    world.cluster.create(CONFIG_MAP, "shed", {**body, "data": {"text": "one\ntwo\n"}})
    first = point(world, 1)
    world.change("green")
    made = Shop(world, tmp_path / "vault", [first, point(world, 2)])
    made.save()
    return made


def test_get_prints_one_object_of_the_newest_point_or_of_a_named_one(shop: Shop) -> None:
    newest = shop.run("get", "configmaps", "settings", "-n", "shop")
    assert newest.exit_code == 0, newest.output
    assert yaml.safe_load(newest.stdout)["data"] == {"colour": "green"}
    assert f"point {shop.points[1]}" in newest.stderr
    older = shop.run(
        "get", "ConfigMap", "settings", "-n", "shop", "--point", shop.points[0], "--json"
    )
    assert json.loads(older.stdout)["data"] == {"colour": "blue"}
    text = shop.run("get", "configmap", "settings", "-n", "shed").stdout
    assert "text: |\n    one\n    two\n" in text


def test_a_secret_keeps_its_values_unless_they_are_asked_for(shop: Shop) -> None:
    for output in ("yaml", "json"):
        hidden = shop.run("get", "secret", "login", "-o", output)
        assert "<7 bytes>" in hidden.stdout
        assert "aHVudGVyMg" not in hidden.output
    shown = shop.run("get", "secret", "login", "--reveal")
    assert "password: aHVudGVyMg==" in shown.stdout


def test_several_and_none_end_as_wrong_arguments(shop: Shop) -> None:
    several = shop.run("get", "configmap", "settings")
    assert isinstance(several.exception, UsageError)
    assert "ConfigMap settings -n shed; ConfigMap settings -n shop" in several.exception.hint
    assert isinstance(shop.run("get", "configmap", "other").exception, UsageError)


def test_contents_lists_what_is_asked_for(shop: Shop) -> None:
    rows = [
        line.split() for line in shop.run("contents", "--kind", "configmap").stdout.splitlines()
    ]
    assert rows == [["ConfigMap", "shed", "settings"], ["ConfigMap", "shop", "settings"]]
    told = shop.run("contents", "--kind", "configmap").stderr
    assert "objects were listed from 2026-11-22T14:00:00Z to 2026-11-22T14:00:00Z" in told
    assert "volumes were cut at 2026-11-22T14:00:00Z" in told
    listed = json.loads(shop.run("contents", "-n", "shop", "--json").stdout)
    assert {"kind": "Secret", "namespace": "shop", "name": "login"} in listed
    assert {item["namespace"] for item in listed} == {"shop"}
    assert json.loads(shop.run("contents", "--kind", "nothing", "--json").stdout) == []
