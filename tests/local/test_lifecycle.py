"""Starting and stopping: nothing is left running, nothing foreign is ended, data stays."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import sample_app, state
from local.api import KubeApi, wait_until
from local.cluster import LocalCluster, temporary_cluster
from local.commands import CSI_ROOT_VARIABLE
from local.errors import LocalClusterError
from local.processes import ProcessId
from local.volumes import claim_data, tree

_REPOSITORY = Path(__file__).resolve().parents[2]
_SECONDS = 300.0


def local(*arguments: str | Path, expect: int = 0) -> str:
    """Run `python -m local` and return everything that it said."""
    done = subprocess.run(
        [sys.executable, "-m", "local", *map(str, arguments)],
        cwd=_REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == expect, done.stdout
    return done.stdout


def processes_of(root: Path) -> list[str]:
    """The command lines of every running process that names `root`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                line += (entry / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            # The driver gets its root by environment.
            if f"{root}/" in line or f"{CSI_ROOT_VARIABLE}={root}" in line:
                found.append(line)
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path of its own, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="lifeboat-life-") as made:
        yield Path(made)


@contextlib.contextmanager
def foreground(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A ready `python -m local up` below folder/root, killed at the end if it still runs."""
    place = ["--root", str(folder / "root"), "--kubeconfig", str(folder / "kubeconfig")]
    with subprocess.Popen([sys.executable, "-m", "local", "up", *place], cwd=_REPOSITORY) as up:
        try:
            deadline = time.monotonic() + _SECONDS
            while not state.read(folder / "root").server:
                assert up.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield up
        finally:
            up.kill()


def test_up_sample_status_down_and_up_again(folder: Path) -> None:
    root, kubeconfig = folder / "root", folder / "kubeconfig"
    place = ("--root", root, "--kubeconfig", kubeconfig)
    assert "is ready at https://127.0.0.1:" in local("up", *place, "--detach")
    try:
        assert "already runs" in local("up", *place, expect=1)
        assert "kube-apiserver" in local("status", "--root", root)
        assert "is ready" in local("sample", "--root", root)
        api = KubeApi.from_kubeconfig(kubeconfig)
        before = {name: tree(claim_data(api, root / "csi", *name)) for name in sample_app.CLAIMS}
        orders = api.list("shop.lifeboat.dev/v1", "Order", "shop")
        assert [order["status"]["phase"] for order in orders] == ["Shipped", "Packed", "Received"]
        api.close()
    finally:
        assert "Stopped 9 processes" in local("down", "--root", root)
    wait_until("every process is gone", lambda: processes_of(root) == [], _SECONDS)
    assert all(len(files) > 10 for files in before.values())
    assert "Nothing runs" in local("status", "--root", root, expect=1)

    local("up", *place, "--detach")
    try:
        api = KubeApi.from_kubeconfig(kubeconfig)
        sample_app.wait_ready(api)
        after = {name: tree(claim_data(api, root / "csi", *name)) for name in sample_app.CLAIMS}
        api.close()
    finally:
        local("down", "--root", root)
    assert after == before


def test_a_signal_ends_a_foreground_up(folder: Path) -> None:
    root = folder / "root"
    with foreground(folder) as up:
        up.send_signal(signal.SIGTERM)
        assert up.wait(timeout=_SECONDS) == 0
    assert processes_of(root) == []
    assert not state.recorded(root)


def test_every_part_dies_with_a_killed_up(folder: Path) -> None:
    with foreground(folder) as up:
        assert len(processes_of(folder / "root")) >= 9
        up.kill()
        up.wait()
        wait_until("every part is gone", lambda: not processes_of(folder / "root"), _SECONDS)


def test_down_never_ends_a_process_that_took_over_a_pid(folder: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as innocent:
        found = ProcessId.of(innocent.pid)
        assert found is not None
        parts = {"etcd": ProcessId(found.pid, found.started - 1)}
        state.record(folder, state.Running(parts))
        assert "Nothing runs" in local("down", "--root", folder)
        spared = innocent.poll() is None
        innocent.kill()
    assert spared


def test_a_killed_api_server_comes_back_with_its_objects() -> None:
    with temporary_cluster() as cluster:
        metadata = {"name": "kept", "namespace": "default"}
        cluster.api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
        server = cluster.part("kube-apiserver")
        server.kill()
        assert not cluster.api.ready()
        server.start()
        server.wait_ready(cluster.api.ready, _SECONDS)
        assert cluster.api.get("v1", "ConfigMap", "default", "kept")["metadata"]["name"] == "kept"
        root = cluster.root
    assert processes_of(root) == []


def test_a_failed_start_says_why_and_leaves_nothing(folder: Path) -> None:
    credentials = folder / "root" / "credentials"
    credentials.mkdir(parents=True)
    (credentials / "tokens.csv").write_text("a,local-system,b\nc,lifeboat,d\n")
    for name in ("ca.crt", "server.crt", "server.key", "service-account.key"):
        (credentials / name).write_text("no PEM at all")
    cluster = LocalCluster(folder / "root", folder / "kubeconfig")
    reason = r"(?s)kube-apiserver ended \(exit 1\).*service-account"
    with pytest.raises(LocalClusterError, match=reason):
        cluster.start()
    assert processes_of(folder / "root") == []
    assert not (folder / "kubeconfig").exists()


def test_the_record_survives_being_read(folder: Path) -> None:
    own = ProcessId.of(os.getpid())
    assert own is not None
    running = state.Running({"etcd": own}, "https://127.0.0.1:1", "/k")
    state.record(folder, running)
    assert state.read(folder) == running
    assert json.loads((folder / "running.json").read_text())["parts"]["etcd"][0] == own.pid
