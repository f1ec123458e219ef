"""The audit trail from a terminal: every command that changes something leaves its line."""

from __future__ import annotations

import json
import re
from getpass import getuser
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lifeboat.cli import app, trail
from lifeboat.cli.source import Source
from lifeboat.errors import UsageError
from lifeboat.point import catalog
from lifeboat.point.audit import ACTIONS, Actor, Deed, Event, read, record
from lifeboat.point.facts import read_holds
from lifeboat.policy.model import VaultEntry
from lifeboat.vault.keys import generate_key
from lifeboat.wiring import NoConnections, make_vault, unlock
from tests.support.proof_world import OBJECTS, ProofWorld

SHOP = "shop.local"
LOOK_ONLY = {
    "points", "show", "contents", "get", "context", "owners", "images", "diff", "coverage", "audit",
    "metrics", "pools", "policy check", "policy explain", "policy preview", "policy impact",
    "transform try", "transform list", "fleet unprotected", "fleet status", "vault check",
    "vault new-key", "vault new-identity", "vault key list", "clusters list",
    "standby show",
}  # fmt: skip
WRITE_NO_POINT = {
    "copy-regions": "starts what the policy says, as every run does",
    "scrub": "only --record writes, and what it writes is a document of its own",
}
WRITE_NO_VAULT = {"clusters discover", "clusters forget"}
LEAVE = {
    "backup", "thaw", "restore", "approve", "prove", "test-restore", "rehearse", "copy", "hold",
    "release", "prune", "reconcile", "vault init", "vault key add", "vault key remove",
    "standby sync", "standby capture", "failover", "failback",
}  # fmt: skip


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> ProofWorld:
    made = ProofWorld(OBJECTS)
    monkeypatch.setattr(Source, "context", lambda *_: made.context())
    monkeypatch.setattr(Source, "instance", lambda *_: made.context().instance)
    monkeypatch.setattr(Source, "vault", lambda *_: made.context().vault)
    monkeypatch.setattr(Source, "copies", lambda *_: [])
    monkeypatch.setattr(trail, "unlock", lambda *_, **__: made.context().vault)
    monkeypatch.setattr(Source, "vault_entry", lambda *_: made.context().instance.vault)
    monkeypatch.setattr("socket.gethostname", lambda: "desk")
    for _ in range(3):
        made.back_up(f"run-{made.now}")
    return made


def good(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output + repr(done.exception)
    return done.stdout


def events(world: ProofWorld) -> list[Event]:
    found = [event for _, event in read(world.context().vault)]
    return [event for event in found if event is not None]


def commands(group: typer.Typer, prefix: str = "") -> set[str]:
    found = set()
    for one in group.registered_commands:
        assert one.callback is not None
        found.add(prefix + (one.name or one.callback.__name__.replace("_", "-")))
    for sub in group.registered_groups:
        assert sub.typer_instance is not None
        found |= commands(sub.typer_instance, f"{prefix}{sub.name} ")
    return found


def test_each_command_is_known_to_leave_a_line_or_to_need_none() -> None:
    """A new command has to be put into one of these sets."""
    unknown = commands(app) - LOOK_ONLY - set(WRITE_NO_POINT) - WRITE_NO_VAULT - LEAVE
    assert unknown == set()


@pytest.mark.parametrize(
    ("line", "action", "detail"),
    [
        (["backup", SHOP], "backup", ""),
        (["thaw", SHOP], "thaw", ""),
        (["restore", SHOP], "restore", "create 0"),
        (["prove", SHOP], "prove", ""),
        (["hold", SHOP, "latest", "--reason", "audit"], "hold", "audit"),
        (["prune", SHOP], "delete", r"^20261122T120000Z-\w{8}$"),
        (["reconcile", SHOP, "--delete"], "reconcile", "0 orphans"),
    ],
)
def test_a_command_leaves_one_line(
    world: ProofWorld, line: list[str], action: str, detail: str
) -> None:
    CliRunner().invoke(app, line)
    (event,) = events(world)
    assert (event.action, event.instance, event.how) == (action, SHOP, "terminal")
    assert event.who == f"{getuser()}@desk"
    assert re.search(detail, event.detail), event.detail


@pytest.mark.parametrize(
    "line", [["prune", SHOP, "--dry-run"], ["reconcile", SHOP], ["show", SHOP]]
)
def test_who_only_looks_leaves_nothing(world: ProofWorld, line: list[str]) -> None:
    good(*line)
    assert events(world) == []


def test_a_plan_is_approved_under_its_digest_and_a_release_names_its_point(
    world: ProofWorld,
) -> None:
    planned = json.loads(good("restore", SHOP, "--plan-only", "--approval", "required", "--json"))
    assert events(world) == [], "nothing was changed yet"
    good("approve", SHOP, planned["restore"], "--digest", planned["digest"])
    (event,) = events(world)
    assert (event.action, event.subject) == ("approve", planned["restore"])
    assert event.detail == f"digest {planned['digest']}"
    point = catalog.point_ids(world.context().vault, SHOP)[0]
    good("hold", SHOP, point, "--reason", "first")
    (hold,) = read_holds(world.context().vault, SHOP)
    good("release", SHOP, point, "--hold", hold.id, "--reason", "over")
    ended = [event for event in events(world) if event.action == "release"]
    assert [(event.subject, event.detail) for event in ended] == [(point, "over")]


def test_what_is_deleted_is_written_before_it_goes(
    world: ProofWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lifeboat.cli.upkeep.execute_prune", killed)
    CliRunner().invoke(app, ["prune", SHOP])
    assert [event.action for event in events(world)] == ["delete"]


def test_keys_and_the_making_of_a_vault_are_in_it(tmp_path: Path) -> None:
    for name in ("machine", "next"):
        (tmp_path / name).write_text(generate_key())
    url, key = f"file://{tmp_path / 'vault'}", f"file:{tmp_path / 'machine'}"
    place = ["--vault", url, "--key", key]
    make_vault(VaultEntry(name="main", url=url, key=key), NoConnections())
    good("vault", "key", "add", "--label", "laptop", "--new", f"file:{tmp_path / 'next'}", *place)
    told = json.loads(good("audit", "--json", *place))["events"]
    assert [(one["action"], one["detail"]) for one in told] == [("key-add", "laptop, raw")]
    added = told[0]["subject"]
    good("vault", "key", "remove", added, *place)
    told = json.loads(good("audit", "--action", "key-remove", "--json", *place))["events"]
    assert [one["subject"] for one in told] == [added]


def test_a_made_vault_says_by_whom(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(generate_key())
    text = f'vaults: [{{name: main, url: "file://{tmp_path}/v", key: "file:{tmp_path}/key"}}]\n'
    (tmp_path / "clusters.yaml").write_text(text)
    good("vault", "init", "--include", str(tmp_path))
    (event,) = json.loads(good("audit", "--json", "--include", str(tmp_path)))["events"]
    assert (event["action"], event["instance"]) == ("make-vault", "")
    entry = VaultEntry(name="main", url=f"file://{tmp_path}/v", key=f"file:{tmp_path}/key")
    assert len(list(read(unlock(entry, NoConnections())))) == 1


def test_it_is_printed_oldest_first_and_narrowed(world: ProofWorld) -> None:
    vault, ada = world.context().vault, Actor(who="ada", how="airflow", trigger="manual")
    record(vault, ada, Deed("backup", SHOP, "p1"), world.now)
    world.tick(hours=1)
    then = world.now
    record(vault, ada, Deed("delete", "till.local", detail="p0"), world.now)
    nobody = Actor(who="", how="airflow", trigger="scheduled")
    record(vault, nobody, Deed("delete", SHOP, detail="p1"), world.now)
    lines = good("audit").splitlines()
    assert [line.split()[2] for line in lines[1:2]] == ["backup"]
    assert "scheduled run  delete" in good("audit", "--instance", SHOP)
    assert "till.local" not in good("audit", "--instance", SHOP)
    assert "p1" not in good("audit", "--since", then.isoformat(), "--instance", "till.local")
    assert len(good("audit", "--action", "delete").splitlines()) == 3
    assert tuple(sorted(ACTIONS)) == ACTIONS
    done = CliRunner().invoke(app, ["audit", "--action", "deleted"])
    assert isinstance(done.exception, UsageError)


def test_a_damaged_event_is_named_and_hides_no_other(world: ProofWorld) -> None:
    vault, ada = world.context().vault, Actor(who="ada", how="terminal")
    for number in range(2):
        record(vault, ada, Deed("backup", SHOP, f"p{number}"), world.now)
        world.tick(hours=1)
    first, second = (key for key, _ in read(vault))
    world.store.blobs[first] = world.store.blobs[second]
    done = CliRunner().invoke(app, ["audit"])
    assert (done.exit_code, f"DAMAGED {first}" in done.stdout, "p1" in done.stdout) == (
        26,
        True,
        True,
    )
