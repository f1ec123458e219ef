"""diff as a person uses it."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner, Result

from lifeboat.cli import app
from lifeboat.cli.source import Source
from lifeboat.errors import UsageError
from lifeboat.point import catalog
from lifeboat.point.manifest import Run
from lifeboat.steps.backup import backup
from tests.support.kinds import CONFIG_MAP, SECRET
from tests.support.world import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Two points; a Secret and two ConfigMaps differ."""
    made = World()
    monkeypatch.setattr(Source, "vault", lambda *_: made.context().vault)
    monkeypatch.setattr(Source, "context", lambda *_: made.context())
    backup(made.context(), Run("one", "cli"), lambda _: None)
    made.tick(hours=1)
    made.change("green")
    made.cluster.patch(SECRET, "shop", "login", {"data": {"password": "c2VjcmV0LXR3bw=="}})
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new"}}
    made.cluster.create(CONFIG_MAP, "shop", body)
    backup(made.context(), Run("two", "cli"), lambda _: None)
    made.tick(hours=1)
    return made


def run(world: World, *arguments: str) -> Result:
    first, _ = catalog.point_ids(world.context().vault, "shop.local")
    result = CliRunner().invoke(app, ["diff", "shop.local", first, *arguments])
    assert result.exit_code == 0, result.exception
    return result


def test_two_points_object_by_object_and_field_by_field(world: World) -> None:
    shown = run(world, "latest").stdout
    assert shown.splitlines() == [
        "added    ConfigMap shop/new",
        "changed  ConfigMap shop/settings",
        '    data.colour: "blue" → "green"',
        "changed  Secret shop/login",
        "    data.password: changed (10 bytes)",
        "1 added, 0 removed, 2 changed",
    ]


def test_an_object_made_anew_alike_differs_in_what_the_server_set(world: World) -> None:
    world.cluster.delete(CONFIG_MAP, "shop", "new")
    world.cluster.delete(CONFIG_MAP, "shop", "settings")
    metadata = {"name": "settings"}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    world.cluster.create(CONFIG_MAP, "shop", {**body, "data": {"colour": "blue"}})
    shown = run(world, "live", "--kind", "configmap", "--all").stdout.splitlines()
    assert shown[0] == "changed  ConfigMap shop/settings  (deleted and made anew)"
    assert shown[1] == "    set by the server and controllers:"
    assert any(line.startswith("      metadata.uid: ") for line in shown)
    for more in ((), ("--summary",)):
        shown = run(world, "live", "--kind", "configmap", *more).stdout.splitlines()
        assert shown == [
            "nothing differs",
            "not shown, set by the server and controllers alone: 1 ConfigMap (--all shows them)",
        ]


def test_only_what_is_asked_for(world: World) -> None:
    secrets = run(world, "latest", "--kind", "secrets").stdout
    assert secrets.splitlines()[0] == "changed  Secret shop/login"
    assert secrets.splitlines()[-1] == "0 added, 0 removed, 1 changed"
    assert run(world, "latest", "-n", "other").stdout == "nothing differs\n"


def test_a_summary_of_all_reads_no_record(world: World) -> None:
    before = len(world.store.calls)
    shown = run(world, "latest", "--summary", "--all").stdout
    assert shown.splitlines() == [
        "ConfigMap  1 added, 0 removed, 1 changed",
        "Secret     0 added, 0 removed, 1 changed",
        "1 added, 0 removed, 2 changed",
    ]
    assert not [call for call in world.store.calls[before:] if call.key.startswith("packs/")]


def test_json_holds_the_same(world: World) -> None:
    found = json.loads(run(world, "latest", "--json").stdout)
    assert found["counts"]["ConfigMap"] == {"added": 1, "removed": 0, "changed": 1}
    fields = {item["name"]: item.get("fields") for item in found["changes"]}
    assert fields == {
        "new": None,
        "settings": [{"path": "data.colour", "before": "blue", "after": "green"}],
        "login": [{"path": "data.password", "before": "<7 bytes>", "after": "<10 bytes>"}],
    }
    assert "changes" not in json.loads(run(world, "latest", "--json", "--summary").stdout)


def test_a_point_against_the_cluster(world: World) -> None:
    world.cluster.delete(CONFIG_MAP, "shop", "settings")
    shown = run(world, "live", "--kind", "configmap").stdout
    assert sorted(shown.splitlines()) == [
        "1 added, 1 removed, 0 changed",
        "added    ConfigMap shop/new",
        "removed  ConfigMap shop/settings",
    ]


def test_no_value_of_a_secret_is_shown(world: World) -> None:
    for arguments in (["latest"], ["latest", "--json"], ["live"], ["live", "--json"]):
        assert not re.search("aHVudGVy|c2VjcmV0", run(world, *arguments).output)


def test_live_comes_second(world: World) -> None:
    result = CliRunner().invoke(app, ["diff", "shop.local", "live", "latest"])
    assert isinstance(result.exception, UsageError)
