"""`python -m local build | up | down | status | sample | airflow`: the local parts from a shell.

Words only; what is done is in build.py, cluster.py, state.py and up.py.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from local import sample_app, state
from local.api import KubeApi
from local.browser import ensure_chromium
from local.build import ensure_built, kubernetes_version
from local.cluster import GRACE_SECONDS, LocalCluster, stop_order
from local.errors import LocalClusterError
from local.go_tools import ensure_compose, ensure_promtool, ensure_restic
from local.node import ensure_azurite
from local.processes import end_all
from local.registry import ensure_registry

_REPOSITORY = Path(__file__).resolve().parents[1]
_DETACHED_SECONDS = 1800.0  # the first start compiles for minutes
_PAGE = os.sysconf("SC_PAGE_SIZE")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status (0, or 1 with the reason on standard error)."""
    options = _parser().parse_args(arguments)
    try:
        run = {
            "build": _build,
            "up": _up,
            "down": _down,
            "status": _status,
            "sample": _sample,
            "airflow": _airflow,
            "demo": _demo,
        }
        return run[options.command](options)
    except LocalClusterError as error:
        print(f"local: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local", description="A real Kubernetes control plane on this machine."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="compile what is missing (minutes the first time)")
    build.add_argument("--all", action="store_true", help="with everything that tests need")
    up = commands.add_parser("up", help="start a cluster; ends with Ctrl-C")
    down = commands.add_parser("down", help="stop a cluster; its data stays")
    status = commands.add_parser("status", help="say what runs")
    sample = commands.add_parser("sample", help="put the sample application into a cluster")
    airflow = commands.add_parser("airflow", help="Airflow for the cluster that KUBECONFIG names")
    airflow.add_argument("--root", type=Path, help="folder of its state")
    airflow.add_argument("--port", type=int, default=8080, help="of the UI; another if in use")
    demo = commands.add_parser("demo", help="protect, lose, restore and prove a sample application")
    demo.add_argument("--root", type=Path, help="folder of its state")
    demo.add_argument("--port", type=int, default=8080, help="of the UI; another if in use")
    demo.add_argument("--once", action="store_true", help="end by itself: 0 if all went well")
    for command in (up, down, status, sample):
        command.add_argument("--root", type=Path, required=True, help="folder of the cluster")
    up.add_argument("--kubeconfig", type=Path, required=True, help="file to write (mode 0600)")
    up.add_argument(
        "--exec-here",
        action="store_true",
        help="let `exec` into a pod run the command on this machine, as you",
    )
    up.add_argument("--detach", action="store_true", help="return when the cluster is ready")
    return parser


def _say(line: str) -> None:
    print(line, flush=True)


def _build(options: argparse.Namespace) -> int:
    binaries = ensure_built(_say, older=options.all)
    if options.all:
        programs = (ensure_restic, ensure_promtool, ensure_compose, ensure_registry)
        for ensure in (*programs, ensure_azurite, ensure_chromium):
            ensure(_say)
    _say(f"Kubernetes {kubernetes_version()} is built: {binaries.control_plane}")
    return 0


def _up(options: argparse.Namespace) -> int:
    return _up_detached(options) if options.detach else _up_here(options)


def _up_here(options: argparse.Namespace) -> int:
    told_to_end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told_to_end.set())
    started = time.monotonic()
    with LocalCluster(
        options.root, options.kubeconfig, exec_here=options.exec_here, report=_say
    ) as cluster:
        seconds = time.monotonic() - started
        _say_ready(cluster.server, cluster.kubeconfig, seconds)
        _say("  Ctrl-C ends it.")
        while not told_to_end.wait(0.5) and state.recorded(cluster.root):
            cluster.check()
        _say("Stopping")
    return 0


def _say_ready(server: str, kubeconfig: str | Path, seconds: float) -> None:
    _say(f"Kubernetes {kubernetes_version()} is ready at {server} ({seconds:.0f} s)")
    _say(f"  export KUBECONFIG={kubeconfig}")


def _up_detached(options: argparse.Namespace) -> int:
    root: Path = options.root.absolute()
    state.refuse_if_running(root)
    log = root / "logs" / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    place = ["--root", str(root), "--kubeconfig", str(options.kubeconfig.absolute())]
    place += ["--exec-here"] if options.exec_here else []
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "local", "up", *place],
            cwd=_REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    shown = 0
    started = time.monotonic()
    while True:
        ended = process.poll() is not None
        running = state.read(root)
        if running.server and not ended:
            # Said here: the record may stand before the other process has said so in its log.
            _say_ready(running.server, running.kubeconfig, time.monotonic() - started)
            _say(f"  Stop it: python -m local down --root {root}")
            return 0
        shown = _show_from(log, shown)
        if ended or time.monotonic() > started + _DETACHED_SECONDS:
            process.kill()
            process.wait()
            raise LocalClusterError(f"the cluster did not start; see {log}")
        time.sleep(0.2)


def _show_from(log: Path, position: int) -> int:
    text = log.read_text(errors="replace")
    print(text[position:], end="", flush=True)
    return len(text)


def _down(options: argparse.Namespace) -> int:
    root: Path = options.root.absolute()
    parts = state.read(root).parts
    state.forget(root)  # first, so that a watching `up` sees an order and not an accident
    for names in stop_order(parts):
        end_all([parts[name] for name in names], GRACE_SECONDS)
    _say(f"Stopped {len(parts)} processes" if parts else f"Nothing runs below {root}")
    return 0


def _sample(options: argparse.Namespace) -> int:
    root: Path = options.root.absolute()
    running = state.read(root)
    if not running.kubeconfig:
        raise LocalClusterError(
            f"no cluster is ready below {root}", hint="Start one: python -m local up"
        )
    with contextlib.closing(KubeApi.from_kubeconfig(Path(running.kubeconfig))) as api:
        sample_app.deploy(api, root / "csi")
    _say(f"The sample application is ready: namespaces {' and '.join(sample_app.NAMESPACES)}")
    return 0


def _airflow(options: argparse.Namespace) -> int:
    from local.up import up  # the Kubernetes client takes a second to import

    up(options.root, options.port, _say)
    return 0


def _demo(options: argparse.Namespace) -> int:
    from local.demo import ROOT, demo  # not for the others: it imports the engine

    demo(options.root or ROOT, options.port, once=options.once, report=_say)
    return 0


def _status(options: argparse.Namespace) -> int:
    root: Path = options.root.absolute()
    running = state.read(root)
    if not running.parts:
        _say(f"Nothing runs below {root}")
        return 1
    _say(f"Server      {running.server or '(not ready yet)'}")
    _say(f"Kubeconfig  {running.kubeconfig or '(not written yet)'}")
    total = 0
    for name, part in running.parts.items():
        pages = int(Path(f"/proc/{part.pid}/statm").read_text().split()[1])
        total += pages * _PAGE
        _say(f"  {name:<24} pid {part.pid:<8} {pages * _PAGE / 2**20:6.0f} MiB")
    _say(f"  {'together':<24} {'':<12} {total / 2**20:6.0f} MiB")
    return 0
