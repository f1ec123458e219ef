"""The commands that look after points, against vaults over HTTP: Azure's protocol and S3's.

The cluster is real too. Between the command and the store stands a proxy that counts requests.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from lifeboat.cli import app as command
from lifeboat.errors import Damaged
from lifeboat.point.manifest import read_manifest
from lifeboat.policy.load import load_instance
from lifeboat.ports.store import Store
from lifeboat.vault.vault import open_vault
from lifeboat.wiring import NoConnections, open_store
from tests.support.app import SECRET, App
from tests.support.azurite import Azurite
from tests.support.http_faults import LosingProxy, losing_proxy
from tests.support.s3 import S3Server

OPENING = 3  # requests that open any vault: its header, the list of its keys, the key
MOST = 4  # requests for one object of an old point
MANY = 120


Place = tuple[dict[str, str], LosingProxy]
"""The entry of a vault, and what stands before it."""


@dataclass
class Remote:
    """The application, and files that say where its vault is."""

    app: App
    include: Path
    proxy: LosingProxy

    @property
    def instance(self) -> str:
        return f"{self.app.name}.local"

    def run(self, *words: str, code: int = 0) -> str:
        """What the command says on stdout; no secret is in what it says at all."""
        done = CliRunner().invoke(command, [*words, "--include", str(self.include)])
        ended = getattr(done.exception, "exit_code", done.exit_code)
        assert ended == code, (done.output, done.exception)
        assert SECRET not in done.output or "--reveal" in words
        return done.stdout

    def back_up(self) -> str:
        """A new point."""
        point = json.loads(self.run("backup", self.instance, "--json"))["point"]
        return str(point)

    def points(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.run("points", self.instance, "--json"))
        return found

    def colour(self, value: str) -> None:
        """Change the ConfigMap `settings`."""
        api = self.app.cluster.api
        path = api.path("v1", "ConfigMap", self.app.name, "settings")
        api.request("PATCH", path, {"data": {"colour": value}}, "application/merge-patch+json")

    def store(self) -> Store:
        """The vault's store, opened beside the commands."""
        return open_store(load_instance(self.include, self.instance).vault, NoConnections())


@pytest.fixture
def azure(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A container of Azure's, by a connection string in the environment."""
    with losing_proxy(azurite.port) as proxy:
        opened = azurite.connection_string.replace(str(azurite.port), str(proxy.port))
        monkeypatch.setenv("TEST_STORE", opened)
        url = f"azure://lifeboat/test-{secrets.token_hex(8)}/vaults/one"
        yield {"url": url, "connectionString": "env:TEST_STORE"}, proxy


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A bucket of S3's, by an access key in the environment."""
    with losing_proxy(s3_server.port) as proxy:
        monkeypatch.setenv("TEST_KEY", "nobody-checks-it")
        yield (
            {
                "url": f"s3://test-{secrets.token_hex(8)}/vaults/one",
                "endpoint": f"http://127.0.0.1:{proxy.port}",
                "region": "us-east-1",
                "accessKeyId": "env:TEST_KEY",
                "secretAccessKey": "env:TEST_KEY",
            },
            proxy,
        )


@pytest.fixture(params=["azure", "s3"])
def remote(request: pytest.FixtureRequest, app: App) -> Remote:
    """A vault just made by the command, with nothing in it."""
    entry, proxy = request.getfixturevalue(request.param)
    include = app.folder / "include"
    (include / "policies").mkdir(parents=True)
    told = {
        "clusters": [{"name": "local", "kubeconfig": str(app.cluster.kubeconfig)}],
        "vaults": [{"name": "main", "key": f"file:{app.folder / 'key'}", **entry}],
    }
    (include / "clusters.yaml").write_text(yaml.safe_dump(told))
    (include / "policies" / f"{app.name}.yaml").write_text(yaml.safe_dump(app.policy))
    made = Remote(app, include, proxy)
    assert "made vault" in made.run("vault", "init", "main")
    return made


def test_points_are_listed_looked_into_and_compared(remote: Remote) -> None:
    name, instance = remote.app.name, remote.instance
    assert "no points yet" in remote.run("points", instance)
    first = remote.back_up()
    remote.colour("red")
    second = remote.back_up()
    told = remote.run("points", instance).splitlines()
    assert [line.split()[0] for line in told[:3]] == ["POINT", second, first]
    assert all(" complete " in line for line in told[1:3])
    assert ["the data of volumes lies in snapshots" in line for line in told[3:]] == [True]
    assert f"namespaces {name}" in remote.run("show", instance, first)
    listed = remote.run("contents", instance, "--kind", "configmap", "--point", first)
    assert [line.split() for line in listed.splitlines()] == [
        ["ConfigMap", name, "kube-root-ca.crt"],
        ["ConfigMap", name, "settings"],
    ]
    shown = remote.run("get", instance, "secret", "login", "-n", name)
    assert "<28 bytes>" in shown
    shown = remote.run("get", instance, "secret", "login", "-n", name, "--reveal")
    assert yaml.safe_load(shown)["metadata"]["name"] == "login"
    assert remote.run("diff", instance, first, second).splitlines()[:3] == [
        f"changed  ConfigMap {name}/settings",
        '    data.colour: "blue" → "red"',
        "0 added, 0 removed, 1 changed",
    ]
    assert remote.run("diff", instance, first, first) == "nothing differs\n"


def test_one_object_of_an_old_point_is_a_few_requests(remote: Remote) -> None:
    """The point has all that a point can have: a base, a layer over it, changes of its own."""
    api, name = remote.app.cluster.api, remote.app.name
    for number in range(MANY):
        metadata = {"name": f"item-{number}", "namespace": name}
        api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    remote.back_up()
    for number in range(MANY // 3):
        path = api.path("v1", "ConfigMap", name, f"item-{number}")
        api.request("PATCH", path, {"data": {"a": "b"}}, "application/merge-patch+json")
    remote.back_up()
    remote.colour("red")
    old = remote.back_up()
    vault = open_vault(remote.store(), (remote.app.folder / "key").read_text())
    assert read_manifest(vault, remote.instance, old).tree.layer is not None
    remote.colour("green")
    remote.back_up()
    words = ("get", remote.instance, "secret", "login", "-n", name, "--reveal")
    for point, finding in ((old, 0), ("latest", 1)):
        remote.proxy.asked.clear()
        shown = yaml.safe_load(remote.run(*words, "--point", point))
        assert base64.b64decode(shown["data"]["password"]) == SECRET.encode()
        asked = remote.proxy.asked
        opening = [line for line in asked if re.search("lifeboat.json|keys(/|%2F)", line)]
        assert len(opening) == OPENING, asked
        assert len(asked) - OPENING <= MOST + finding, asked
        assert {line.split()[0] for line in asked} == {"GET"}


def test_a_hold_keeps_a_point_from_prune_until_it_is_released(remote: Remote) -> None:
    instance = remote.instance
    held, *others = [remote.back_up() for _ in range(4)]
    told = remote.run("hold", instance, held, "--reason", "before the migration")
    assert f"lifeboat release {instance} {held} --hold " in told
    stored = {stat.key for stat in remote.store().list("")}
    assert others[0] in remote.run("prune", instance, "--dry-run")
    assert {stat.key for stat in remote.store().list("")} == stored
    assert f"keep    {held}  held\n" in remote.run("prune", instance)
    assert [one["point"] for one in remote.points()] == [others[2], others[1], held]
    remote.run("release", instance, held, "--reason", "done")
    remote.run("prune", instance)
    assert [one["point"] for one in remote.points()] == [others[2], others[1]]
    assert "nothing is damaged" in remote.run("scrub", instance)


def test_damage_is_found_and_told(remote: Remote) -> None:
    point = remote.back_up()
    instance = remote.instance
    assert "nothing is damaged" in remote.run("scrub", instance)
    store = remote.store()
    pack = max(store.list("packs/"), key=lambda stat: stat.size).key
    whole = store.get(pack)
    store.delete(pack)
    assert f"point {point} has lost ConfigMap {remote.app.name}/settings" in remote.run(
        "scrub", instance, code=Damaged.exit_code
    )
    assert f"DAMAGED {point}: {pack} is missing" in remote.run("points", instance)
    store.put_new(pack, whole[:-1] + bytes([whole[-1] ^ 1]))
    told = remote.run("scrub", instance, code=Damaged.exit_code)
    assert f"DAMAGED  {pack}: " in told
    assert "authentication failed" in told
    store.delete(pack)
    store.put_new(pack, whole)
    assert "nothing is damaged" in remote.run("scrub", instance)
