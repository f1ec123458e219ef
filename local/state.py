"""The file that says what runs below a root: written by a running cluster, read by the CLI.

A process is named by pid and start time, so a recycled pid is never taken for one of ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.credentials import write_private
from local.errors import LocalClusterError
from local.processes import ProcessId

_FILE = "running.json"


@dataclass(frozen=True)
class Running:
    """The parts that are alive, by name. `server` and `kubeconfig` are "" until all is ready."""

    parts: Mapping[str, ProcessId]
    server: str = ""
    kubeconfig: str = ""


def record(root: Path, running: Running) -> None:
    """Write down what runs below `root`."""
    document = {
        "parts": {name: [part.pid, part.started] for name, part in running.parts.items()},
        "server": running.server,
        "kubeconfig": running.kubeconfig,
    }
    write_private(root / _FILE, json.dumps(document, indent=1))


def recorded(root: Path) -> bool:
    """Whether a cluster was started below `root` and not stopped, alive or not."""
    return (root / _FILE).exists()


def read(root: Path) -> Running:
    """What is recorded and still alive; nothing, if nothing is."""
    try:
        document = json.loads((root / _FILE).read_text())
    except FileNotFoundError:
        return Running({})
    parts = {name: ProcessId(*numbers) for name, numbers in document["parts"].items()}
    alive = {name: part for name, part in parts.items() if part.alive}
    return Running(alive, document["server"], document["kubeconfig"])


def forget(root: Path) -> None:
    """Remove the record. A running `up` takes this as the order to end."""
    (root / _FILE).unlink(missing_ok=True)


def refuse_if_running(root: Path) -> None:
    """Raise LocalClusterError when parts of an earlier start still run below `root`."""
    parts = read(root).parts
    if parts:
        raise LocalClusterError(
            f"a local cluster already runs below {root}: {', '.join(sorted(parts))}",
            hint=f"Stop it: python -m local down --root {root}",
        )
