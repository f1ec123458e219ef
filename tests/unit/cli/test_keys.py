"""`lifeboat vault key …` as a person types it: what it prints, what it must not, how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lifeboat.cli import main
from lifeboat.policy.model import VaultEntry
from lifeboat.vault.keys import generate_key
from lifeboat.wiring import NoConnections, make_vault, unlock

Say = pytest.CaptureFixture[str]


@pytest.fixture
def place(tmp_path: Path) -> list[str]:
    """The options that open a new vault with a generated key."""
    (tmp_path / "machine").write_text(generate_key() + "\n")
    options = ["--vault", f"file://{tmp_path / 'vault'}", "--key", f"file:{tmp_path / 'machine'}"]
    make_vault(entry(options), NoConnections())
    return options


def entry(options: list[str]) -> VaultEntry:
    return VaultEntry(name="main", url=options[1], key=options[3])


def lifeboat(monkeypatch: pytest.MonkeyPatch, capsys: Say, *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of the command."""
    monkeypatch.setattr("sys.argv", ["lifeboat", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def ids(monkeypatch: pytest.MonkeyPatch, capsys: Say, place: list[str]) -> dict[str, str]:
    """Of the wrappings, by label."""
    _, out, _ = lifeboat(monkeypatch, capsys, "vault", "key", "list", "--json", *place)
    return {found["label"]: found["id"] for found in json.loads(out)["wrappings"]}


def test_rotation_step_by_step(
    monkeypatch: pytest.MonkeyPatch, capsys: Say, tmp_path: Path, place: list[str]
) -> None:
    """docs/keys.md: the next key is added, tried, and the old one removed with the next."""
    new = tmp_path / "next"
    code, out, _ = lifeboat(monkeypatch, capsys, "vault", "new-key", "--file", str(new))
    assert (code, new.stat().st_mode & 0o777) == (0, 0o600)
    assert new.read_text().strip() not in out
    command = ("vault", "key", "add", "--label", "ops laptop", "--new", f"file:{new}", *place)
    code, out, _ = lifeboat(monkeypatch, capsys, *command)
    assert (code, "it opens the vault" in out) == (0, True)
    found = ids(monkeypatch, capsys, place)
    assert set(found) == {"first key", "ops laptop"}
    command = ("vault", "key", "remove", found["first key"])
    code, _, err = lifeboat(monkeypatch, capsys, *command, *place)
    assert (code, "add the next key first" in err) == (14, True)
    place[3] = f"file:{new}"
    code, out, _ = lifeboat(monkeypatch, capsys, *command, *place)
    assert (code, "can still read every point" in out) == (0, True)
    unlock(entry(place), NoConnections())


def test_an_offline_recipient_is_added_with_its_public_half(
    monkeypatch: pytest.MonkeyPatch, capsys: Say, tmp_path: Path, place: list[str]
) -> None:
    offline = tmp_path / "offline"
    _, out, _ = lifeboat(monkeypatch, capsys, "vault", "new-identity", "--file", str(offline))
    assert offline.read_text().strip() not in out
    recipient = out.strip().splitlines()[-1]
    command = ("vault", "key", "add", "--label", "safe", "--recipient", recipient, *place)
    code, out, _ = lifeboat(monkeypatch, capsys, *command)
    assert (code, "only the identity can open it" in out) == (0, True)
    place[3] = f"file:{offline}"
    code, out, _ = lifeboat(monkeypatch, capsys, "vault", "key", "list", *place)
    assert code == 0
    lines = {line.split()[1]: line for line in out.splitlines()[1:]}
    assert " opens " in lines["safe"]
    assert recipient in lines["safe"]
    assert " opens " not in lines["first"]


def test_no_secret_is_ever_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: Say, tmp_path: Path, place: list[str]
) -> None:
    words = "correct horse battery staple"
    (tmp_path / "words").write_text(words)
    identity = tmp_path / "identity"
    lifeboat(monkeypatch, capsys, "vault", "new-identity", "--file", str(identity))
    secrets = [words, identity.read_text().strip(), (tmp_path / "machine").read_text().strip()]
    said = ""
    for name in ("words", "identity"):
        command = ("vault", "key", "add", "--label", name, "--new", f"file:{tmp_path / name}")
        said += "".join(map(str, lifeboat(monkeypatch, capsys, *command, *place)))
    wrong = ("vault", "key", "add", "--label", "x")
    said += str(lifeboat(monkeypatch, capsys, *wrong, "--recipient", secrets[1], *place))
    said += str(lifeboat(monkeypatch, capsys, *wrong, "--new", secrets[0], *place))
    said += str(lifeboat(monkeypatch, capsys, *wrong, "--new", secrets[2], *place))
    said += str(lifeboat(monkeypatch, capsys, "vault", "key", "list", "--json", *place))
    said += str(lifeboat(monkeypatch, capsys, "vault", "key", "list", *place[:3], secrets[2]))
    assert "was tried: it opens" in said
    assert not [secret for secret in secrets if secret in said]


def test_what_is_wrong_is_told_with_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: Say, tmp_path: Path, place: list[str]
) -> None:
    (tmp_path / "other").write_text(generate_key())
    wrong = [*place[:3], f"file:{tmp_path / 'other'}"]
    assert lifeboat(monkeypatch, capsys, "vault", "key", "list", *wrong)[0] == 25
    add = ("vault", "key", "add", *place)
    assert lifeboat(monkeypatch, capsys, *add, "--label", "x")[0] == 2
    assert lifeboat(monkeypatch, capsys, *add, "--new", f"file:{tmp_path / 'other'}")[0] == 2
    assert lifeboat(monkeypatch, capsys, "vault", "key", "remove", "nothing", *place)[0] == 2
    assert list(ids(monkeypatch, capsys, place)) == ["first key"]


def test_the_vault_may_be_named_by_the_files(
    monkeypatch: pytest.MonkeyPatch, capsys: Say, tmp_path: Path, place: list[str]
) -> None:
    (tmp_path / "clusters.yaml").write_text(
        f"vaults: [{{name: main, url: '{place[1]}', key: '{place[3]}'}}]\n"
    )
    command = ("vault", "key", "list", "main", "--include", str(tmp_path))
    code, out, _ = lifeboat(monkeypatch, capsys, *command)
    assert (code, "first key" in out) == (0, True)
    assert lifeboat(monkeypatch, capsys, "vault", "key", "list", "x", *command[4:])[0] == 2
