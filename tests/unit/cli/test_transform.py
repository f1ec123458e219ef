"""transform try as a person uses it: on a point, with no cluster in reach."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lifeboat.cli import app
from lifeboat.cli.source import Source
from lifeboat.errors import TransformFailed, UsageError
from lifeboat.point.manifest import Run
from lifeboat.ports.cluster import Cluster
from lifeboat.steps.backup import backup
from tests.support.world import World

TEXT = """
rules:
  - name: green
    when: {kinds: [configmaps], nameRegex: ^settings$}
    mergePatch: {data: {colour: green}}
  - when: {kinds: [secrets], namespaces: [shop]}
    mergePatch: {data: {password: bmV3LXNlY3JldA==}}
"""


@pytest.fixture
def include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a transform; a vault with a point; no cluster."""
    world = World()
    backup(world.context(), Run("one", "cli"), lambda _: None)
    vault = world.context().vault
    monkeypatch.setattr(Source, "vault", lambda *_: vault)

    def unreachable(*_: object) -> Cluster:
        raise AssertionError("a cluster was asked for")

    monkeypatch.setattr(Source, "context", unreachable)
    (tmp_path / "transforms").mkdir()
    (tmp_path / "transforms" / "paint.yaml").write_text(TEXT)
    return tmp_path


def run(include: Path, *arguments: str) -> Result:
    where = ("--include", str(include))
    return CliRunner().invoke(app, ["transform", "try", "shop.local", *arguments, *where])


def test_it_shows_what_would_change_and_hides_secrets(include: Path) -> None:
    shown = run(include, "--transform", "paint")
    assert shown.exit_code == 0, shown.exception
    assert shown.stdout.splitlines() == [
        "changed ConfigMap shop/settings",
        '    transform paint, green: data.colour: "blue" → "green"',
        "changed Secret shop/login",
        "    transform paint, rule 2: data.password: changed (10 bytes)",
        "2 objects changed, 0 failed",
    ]


def test_only_the_kinds_that_are_asked_for_and_as_json(include: Path) -> None:
    file = str(include / "transforms" / "paint.yaml")
    shown = run(include, "latest", "--transform", file, "--kind", "configmaps", "--json")
    assert json.loads(shown.stdout) == [
        {
            "kind": "ConfigMap",
            "namespace": "shop",
            "name": "settings",
            "changes": ['transform paint, green: data.colour: "blue" → "green"'],
            "error": "",
        }
    ]


def test_objects_that_cannot_be_transformed_are_named_and_end_it_with_an_error(
    include: Path,
) -> None:
    text = "rules: [{when: {kinds: [configmaps]}, jsonPatch: [{op: remove, path: /spec}]}]"
    (include / "transforms" / "wrong.yaml").write_text(text)
    shown = run(include, "--transform", "wrong")
    assert isinstance(shown.exception, TransformFailed)
    assert "FAILED  ConfigMap shop/settings" in shown.stdout
    assert "    transform wrong, rule 1: jsonPatch[0]: remove of /spec: nothing is" in shown.stdout


def test_what_a_restore_drops_before_is_not_there_to_be_changed(include: Path) -> None:
    text = (
        "rules: [{when: {nameRegex: ^settings$}, jsonPatch: [{op: remove, path: /metadata/uid}]}]"
    )
    (include / "transforms" / "uid.yaml").write_text(text)
    assert isinstance(run(include, "--transform", "uid").exception, TransformFailed)


def test_it_wants_a_transform(include: Path) -> None:
    assert isinstance(run(include).exception, UsageError)
