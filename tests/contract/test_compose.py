"""docker-compose.yaml as `docker compose config` reads it: by docker compose's own library."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from local.go_tools import ensure_compose

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / ".env.example").read_text()
REQUIRED = re.findall(r"^([A-Z_]+)=$", EXAMPLE, re.MULTILINE)
FILLED = {name: f"/of-{name.lower()}" for name in REQUIRED}
AIRFLOW = {"apiserver", "scheduler", "dag-processor", "triggerer", "worker", "init"}
SECRET = re.compile(r"(KEY|SECRET|PASSWORD|AUTH)$")


def read(tmp_path: Path, values: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What it says of the file with these variables in `.env`."""
    (tmp_path / "env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    command = [str(ensure_compose()), str(tmp_path / "env"), str(ROOT / "docker-compose.yaml")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    done = read(tmp_path_factory.mktemp("env"), FILLED)
    assert (done.returncode, done.stderr) == (0, ""), "no variable is unknown"
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)["services"]
    return found


def test_it_is_refused_by_name_while_any_secret_is_missing(tmp_path: Path) -> None:
    assert len(REQUIRED) >= 8
    for name in REQUIRED:
        done = read(tmp_path, {**FILLED, name: ""})
        assert done.returncode != 0, name
        assert f"required variable {name} is missing a value: see .env.example" in done.stderr


def test_every_service_is_watched_restarted_and_not_root(
    services: dict[str, dict[str, Any]],
) -> None:
    assert services.keys() == {*(f"airflow-{part}" for part in AIRFLOW), "redis", "postgres"}
    for name, service in services.items():
        if name == "airflow-init":
            assert (service["restart"], "healthcheck" in service) == ("no", False)
        else:
            assert service["restart"] == "always"
            assert service["healthcheck"].keys() >= {"test", "interval", "retries", "start_period"}
        assert not service.get("privileged")
    users = {name: service.get("user") for name, service in services.items()}
    # PostgreSQL's image makes its folder as root and then gives that up itself.
    assert users.pop("postgres") is None
    assert users.pop("redis") == "redis"
    assert set(users.values()) == {"50000:0"}


def test_logs_and_data_lie_on_volumes_and_the_code_cannot_be_written(
    services: dict[str, dict[str, Any]],
) -> None:
    for name in AIRFLOW:
        mounts = {one["target"]: one for one in services[f"airflow-{name}"]["volumes"]}
        for folder in ("dags", "plugins", "include", "azure", "kubeconfig"):
            assert mounts[f"/opt/airflow/{folder}"]["read_only"], folder
        for folder in ("logs", "vault", "found"):
            mount = mounts[f"/opt/airflow/{folder}"]
            assert (mount["type"], mount["source"]) == ("volume", folder)
    for name, folder in (("postgres", "/var/lib/postgresql/data"), ("redis", "/data")):
        (mount,) = services[name]["volumes"]
        assert (mount["type"], mount["target"]) == ("volume", folder)


def test_every_secret_is_one_of_env_and_only_the_ui_listens(
    services: dict[str, dict[str, Any]],
) -> None:
    for service in services.values():
        for variable, value in service["environment"].items():
            if SECRET.search(variable):
                assert value in FILLED.values(), variable
    listening = {name: one["ports"] for name, one in services.items() if one.get("ports")}
    (port,) = listening.pop("airflow-apiserver")
    assert (port["host_ip"], listening) == ("127.0.0.1", {})
