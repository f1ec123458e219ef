"""`lifeboat copy`, and reading from a copy, as a person types it: with folders and no cluster."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lifeboat.adapters.store_local import LocalStore
from lifeboat.cli import app
from lifeboat.errors import BlobExists, Damaged, NotAVault, UsageError
from lifeboat.vault.keys import generate_key
from tests.support.copies import INSTANCE
from tests.support.vaults import back_up
from tests.support.world import World

POLICY = """\
clusters: [local]
objectives: {rpo: 1h}
select: {namespaces: {include: [shop]}}
retention: {keep: {last: 9}}
"""
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: a
contexts: [{name: a, context: {cluster: a, user: a}}]
clusters: [{name: a, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: a, user: {token: x}}]
"""


@dataclass
class Places:
    """An include folder, a vault `main` with points in a folder, and entries for two copies."""

    world: World
    folder: Path
    points: list[str]

    def run(self, *arguments: str) -> Result:
        where = () if arguments[0] == "vault" else (INSTANCE,)
        command = 2 if arguments[0] == "vault" else 1
        line = [*arguments[:command], *where, *arguments[command:]]
        return CliRunner().invoke(app, [*line, "--include", str(self.folder)])

    def good(self, *arguments: str) -> str:
        """What it prints on stdout; the command must succeed."""
        done = self.run(*arguments)
        assert done.exit_code == 0, done.output + str(done.exception)
        return done.stdout

    def point(self, name: str) -> None:
        self.world.tick(hours=1)
        self.world.change(name)
        self.points.append(back_up(self.world.context(), name).point)
        self.save()

    def save(self) -> None:
        store = LocalStore.create(self.folder / "main")
        for key, data in self.world.store.blobs.items():
            if store.stat(key) is None:
                store.put_new(key, data)

    def policy(self, copies: str) -> None:
        (self.folder / "policies" / "shop.yaml").write_text(f"{POLICY}copies: {copies}\n")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    names = ("main", "offsite", "office")
    entries = [
        f'  - {{name: {name}, url: "file://{tmp_path}/{name}", key: "file:{tmp_path}/{name}.key"}}'
        for name in names
    ]
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    (tmp_path / "clusters.yaml").write_text(
        f"clusters:\n  - {{name: local, kubeconfig: {tmp_path}/kubeconfig}}\nvaults:\n"
        + "\n".join(entries)
    )
    (tmp_path / "policies").mkdir()
    world = World(POLICY)
    for name in names:
        (tmp_path / f"{name}.key").write_text(generate_key())
    (tmp_path / "main.key").write_text(world.key)
    made = Places(world, tmp_path, [])
    made.policy("[{vault: offsite}, {vault: office, retention: {keep: {last: 1}}}]")
    made.point("red")
    made.point("blue")
    return made


@pytest.fixture
def copied(places: Places) -> Places:
    """With both copies made and all points there."""
    for name in ("offsite", "office"):
        assert "an empty copy of vault" in places.good("vault", "init", name, "--copy-of", "main")
    places.good("copy")
    return places


def test_every_copy_gets_what_its_retention_keeps(copied: Places) -> None:
    told = json.loads(copied.good("points", "--json"))
    assert [(p["point"], p["copies"]) for p in told] == [
        (copied.points[1], ["offsite", "office"]),
        (copied.points[0], ["offsite"]),
    ]
    text = copied.good("points")
    assert f"copy offsite: 2 points, newest {copied.points[1]}; lacks none" in text
    assert "the data of volumes lies in snapshots beside the disks" in text
    copied.point("green")
    text = copied.good("points")
    assert f"copy offsite: 2 points, newest {copied.points[1]}; LACKS 1 points" in text
    (done,) = json.loads(copied.good("copy", "--to", "offsite", "--json"))
    assert done["points"] == [copied.points[2]]
    assert "copy office: 1 points" in copied.good("points")


def test_one_point_goes_by_name_whatever_the_retention_says(copied: Places) -> None:
    text = copied.good("copy", "--to", "office", "--point", copied.points[0])
    assert "office: 1 points copied" in text
    assert "volume snapshots, whose data lies beside the disks and was not copied" in text
    assert len(LocalStore(copied.folder / "office").get(_manifest(copied.points[0]))) > 0


def _manifest(point: str) -> str:
    return f"instances/{INSTANCE}/points/{point}"


def test_losing_the_first_vault_loses_nothing(copied: Places) -> None:
    before = json.loads(copied.good("get", "configmap", "settings", "-n", "shop", "--json"))
    shutil.rmtree(copied.folder / "main")
    assert isinstance(copied.run("points").exception, NotAVault)
    for vault in (
        ("--vault", "offsite"),
        (
            *("--vault", f"file://{copied.folder}/offsite"),
            *("--key", f"file:{copied.folder}/offsite.key"),
        ),
    ):
        listed = json.loads(copied.good("points", "--json", *vault))
        assert [p["point"] for p in listed] == copied.points[::-1]
        got = copied.good("get", "configmap", "settings", "-n", "shop", "--json", *vault)
        assert json.loads(got) == before
        assert "ConfigMap" in copied.good("contents", *vault)
        assert "beside the disks" in copied.run("contents", *vault).stderr
        assert "beside the disks" in copied.good("show", *vault)
        assert "1 changed" in copied.good("diff", *copied.points, *vault)
        assert "nothing is damaged" in copied.good("scrub", *vault)
        copied.good("hold", "latest", "--reason", "the last one", *vault)
        copied.good("release", "latest", *vault)


def test_points_come_home_from_a_copy(copied: Places) -> None:
    shutil.rmtree(copied.folder / "main")
    copied.good("vault", "init", "main", "--copy-of", "offsite")
    (done,) = json.loads(copied.good("copy", "--from", "offsite", "--to", "main", "--json"))
    assert sorted(done["points"]) == copied.points
    assert len(json.loads(copied.good("points", "--json"))) == 2
    assert "lacks none" in copied.good("points")


def test_a_blob_that_the_first_vault_lost_comes_back_from_a_copy(copied: Places) -> None:
    """docs/operations.md: delete what is damaged, and bring it from the copy."""
    pack = next(iter(LocalStore(copied.folder / "main").list("packs/"))).key
    path = copied.folder / "main" / pack
    whole = path.read_bytes()
    path.unlink()
    assert isinstance(copied.run("scrub").exception, Damaged)
    for point in copied.points:
        copied.good("copy", "--from", "offsite", "--to", "main", "--point", point)
    assert path.read_bytes() == whole
    assert "nothing is damaged" in copied.good("scrub")


def test_a_place_without_a_copy_says_how_to_make_one(places: Places) -> None:
    done = places.run("copy", "--to", "offsite")
    assert isinstance(done.exception, NotAVault)
    assert done.exception.hint == "make it: lifeboat vault init offsite --copy-of main"
    text = places.good("points")
    assert "COPY       copy offsite cannot be read" in text
    assert places.points[0] in text
    assert "copy offsite cannot be read" in places.run("points", "--json").stderr


def test_one_copy_that_fails_keeps_no_other_waiting(places: Places) -> None:
    places.good("vault", "init", "office", "--copy-of", "main")
    done = places.run("copy", "--json")
    assert isinstance(done.exception, NotAVault)
    (copied,) = json.loads(done.stdout)
    assert (copied["vault"], copied["points"]) == ("office", [places.points[1]])


def test_a_vault_made_apart_is_refused(places: Places) -> None:
    places.good("vault", "init", "offsite")
    done = places.run("copy", "--to", "offsite")
    assert isinstance(done.exception, UsageError)
    assert "is no copy of" in str(done.exception)
    again = places.run("vault", "init", "offsite", "--copy-of", "main")
    assert isinstance(again.exception, BlobExists)


@pytest.mark.parametrize(
    ("copies", "options", "told"),
    [
        ("[]", (), "has no copies"),
        ("[{vault: offsite}]", ("--to", "office"), "its copies are offsite"),
        ("[{vault: offsite}]", ("--from", "nowhere"), "its copies are offsite"),
    ],
)
def test_what_is_no_copy_is_told(
    places: Places, copies: str, options: tuple[str, ...], told: str
) -> None:
    places.policy(copies)
    done = places.run("copy", *options)
    assert isinstance(done.exception, UsageError)
    assert told in str(done.exception)


def test_damage_is_named_and_ends_with_its_code(copied: Places) -> None:
    copied.point("green")
    path = copied.folder / "main" / _manifest(copied.points[2])
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1])
    done = copied.run("copy", "--to", "offsite")
    assert isinstance(done.exception, Damaged)
    assert f"NOT COPIED point {copied.points[2]}" in done.stdout


def test_prune_and_reconcile_look_after_the_copies(copied: Places) -> None:
    copied.good("copy", "--to", "office", "--point", copied.points[0])
    dry = json.loads(copied.good("prune", "--dry-run", "--json"))
    assert [gone["point"] for gone in dry["copies"]["office"]["plan"]["remove"]] == [
        copied.points[0]
    ]
    assert dry["copies"]["offsite"]["plan"]["remove"] == []
    assert "copy office:" in copied.good("prune")
    assert [p["copies"] for p in json.loads(copied.good("points", "--json"))] == [
        ["offsite", "office"],
        ["offsite"],
    ]


def test_nothing_is_pruned_while_a_copy_cannot_be_read(copied: Places) -> None:
    shutil.rmtree(copied.folder / "offsite")
    done = copied.run("prune")
    assert isinstance(done.exception, NotAVault)
    assert "copy offsite cannot be read" in str(done.exception)
