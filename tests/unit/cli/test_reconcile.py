"""reconcile as a person uses it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from lifeboat.cli import app
from lifeboat.cli.source import Source
from lifeboat.errors import Damaged
from tests.support.vaults import INSTANCE, back_up
from tests.support.world import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """One point."""
    made = World()
    monkeypatch.setattr(Source, "context", lambda *_: made.context())
    monkeypatch.setattr(Source, "copies", lambda *_: [])
    back_up(made.context(), "run-1")
    return made


def test_a_sound_vault_is_said_to_be_one(world: World) -> None:
    done = CliRunner().invoke(app, ["reconcile", INSTANCE])
    assert (done.exit_code, done.stdout) == (0, "nothing is orphaned, nothing is damaged\n")


def test_gone_data_is_named_and_ends_with_its_code(world: World) -> None:
    for key in [key for key in world.store.blobs if key.startswith("packs/")]:
        del world.store.blobs[key]
    done = CliRunner().invoke(app, ["reconcile", INSTANCE])
    assert isinstance(done.exception, Damaged)
    assert "points whose data is gone: 1" in done.exception.message
    assert done.stdout.startswith("DAMAGED  point ")
    assert "is missing" in done.stdout
    done = CliRunner().invoke(app, ["reconcile", INSTANCE, "--json"])
    assert done.exit_code == Damaged.exit_code
    assert len(json.loads(done.stdout)["found"]["damaged"]) == 1
