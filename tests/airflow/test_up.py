"""`make up` (`python -m local airflow`): refuses clearly, else stays up until Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
import yaml

from local.api import wait_until
from local.cluster import LocalCluster
from local.ports import free_ports

pytestmark = pytest.mark.airflow

_REPOSITORY = Path(__file__).resolve().parents[2]
_SECONDS = 500.0
_OURS = ("KUBECONFIG", "LIFEBOAT_VAULT_URL", "LIFEBOAT_VAULT_KEY")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """This process's environment without what `make up` reads, and a data folder of its own."""
    kept = {name: value for name, value in os.environ.items() if name not in _OURS}
    return {**kept, "XDG_DATA_HOME": str(tmp_path / "data")}


def refused(environment: dict[str, str], tmp_path: Path) -> str:
    """What is said when it does not start."""
    done = subprocess.run(
        [sys.executable, "-m", "local", "airflow", "--root", str(tmp_path / "root")],
        cwd=_REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "root").exists()
    return done.stderr


def test_no_kubeconfig(environment: dict[str, str], tmp_path: Path) -> None:
    said = refused(environment, tmp_path)
    assert "KUBECONFIG is not set" in said
    assert "make demo" in said


def test_a_kubeconfig_that_is_missing_or_is_none(
    environment: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "kubeconfig"
    environment["KUBECONFIG"] = str(path)
    assert f"{path}, which is not a file" in refused(environment, tmp_path)
    path.write_text("a: b: c")
    assert "no usable kubeconfig" in refused(environment, tmp_path)
    environment["KUBECONFIG"] = f"{path}:{path}"
    assert "more than one file" in refused(environment, tmp_path)


def test_a_cluster_that_does_not_answer_or_refuses(
    environment: dict[str, str], tmp_path: Path, cluster: LocalCluster
) -> None:
    document = yaml.safe_load(cluster.kubeconfig.read_text())
    path = tmp_path / "kubeconfig"
    environment["KUBECONFIG"] = str(path)
    document["users"][0]["user"] = {"token": "wrong"}
    path.write_text(yaml.safe_dump(document))
    assert "401 Unauthorized" in refused(environment, tmp_path)
    document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{free_ports(1)[0]}"
    path.write_text(yaml.safe_dump(document))
    assert "does not answer" in refused(environment, tmp_path)
    assert not (tmp_path / "data").exists()


@pytest.fixture
def running(
    environment: dict[str, str], tmp_path: Path, cluster: LocalCluster
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and everything that it said until it was up."""
    environment["KUBECONFIG"] = str(cluster.kubeconfig)
    said = tmp_path / "said"
    with (
        said.open("w") as output,
        subprocess.Popen(
            # Whoever runs the tests in the background has SIGINT ignored, and so would this have.
            [
                *("/usr/bin/env", "--default-signal=INT", sys.executable),
                *("-m", "local", "airflow", "--root", str(tmp_path / "root")),
            ],
            cwd=_REPOSITORY,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        try:
            wait_until(
                "Airflow",
                lambda: "Ctrl-C ends it" in said.read_text() or process.poll() is not None,
                _SECONDS,
            )
            yield process, said.read_text()
        finally:
            process.kill()


def test_it_makes_a_vault_says_where_everything_is_and_ends_with_ctrl_c(
    running: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    process, said = running
    assert process.poll() is None, said
    key = tmp_path / "data" / "lifeboat" / "vault.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert str(key) in said
    assert key.read_text().strip() not in said
    assert list((tmp_path / "data" / "lifeboat" / "vault").iterdir())
    url = re.search(r"open +(http://\S+)", said)
    assert url is not None
    answer = urllib3.request("GET", f"{url[1]}/api/v2/monitor/health", retries=False)
    assert answer.json()["scheduler"]["status"] == "healthy"
    process.send_signal(signal.SIGINT)
    assert process.wait(_SECONDS) == 0
    assert "Stopped." in (tmp_path / "said").read_text()
    with pytest.raises(urllib3.exceptions.HTTPError):
        urllib3.request("GET", url[1], retries=False)
