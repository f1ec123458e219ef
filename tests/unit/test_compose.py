"""docker-compose.yaml: Airflow's layout, no default secrets, nothing floating, nothing as root."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.fernet import Fernet
from redis import Redis, RedisError

from lifeboat.policy.vault_tier import MOVER_IMAGE
from local.ports import free_ports
from local.processes import Child
from local.redis_server import redis_binary

_REPOSITORY = Path(__file__).resolve().parents[2]
_FILE = _REPOSITORY / "docker-compose.yaml"
_AIRFLOW = {
    "airflow-apiserver": "api-server",
    "airflow-scheduler": "scheduler",
    "airflow-dag-processor": "dag-processor",
    "airflow-triggerer": "triggerer",
    "airflow-worker": "celery worker",
}
_SHARED_SECRETS = (
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__API_AUTH__JWT_SECRET",
    "AIRFLOW__API__SECRET_KEY",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__CELERY__BROKER_URL",
    "LIFEBOAT_VAULT_KEY",
)
_SECRET = re.compile(r"KEY|SECRET|PASSWORD")
_REFERENCE = re.compile(r"(?<!\$)\$\{(\w+)(:[-?][^}]*)?\}")


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    """Every service, with the anchors merged."""
    document = yaml.safe_load(_FILE.read_text())
    found: dict[str, dict[str, Any]] = document["services"]
    return found


def test_the_services_are_those_of_airflows_own_file(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == {*_AIRFLOW, "airflow-init", "postgres", "redis"}
    for name, command in _AIRFLOW.items():
        assert services[name]["command"].startswith(command)
        environment = services[name]["environment"]
        assert environment["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
        assert environment["PYTHONPATH"] == "/opt/airflow/include"
        assert {mount.split(":")[1] for mount in services[name]["volumes"] if ":" in mount} >= {
            "/opt/airflow/dags",
            "/opt/airflow/plugins",
            "/opt/airflow/include",
            "/opt/airflow/logs",
        }


def test_everything_that_stays_is_watched_and_restarted(
    services: dict[str, dict[str, Any]],
) -> None:
    for name in set(services) - {"airflow-init"}:
        assert services[name]["healthcheck"]["test"], name
        assert services[name]["restart"] == "always", name
    for name in _AIRFLOW:
        waits = services[name]["depends_on"]
        assert waits["airflow-init"]["condition"] == "service_completed_successfully", name
        assert waits["postgres"]["condition"] == "service_healthy", name


def test_every_part_of_airflow_shares_its_secrets(services: dict[str, dict[str, Any]]) -> None:
    for variable in _SHARED_SECRETS:
        seen = {services[name]["environment"][variable] for name in (*_AIRFLOW, "airflow-init")}
        assert len(seen) == 1, variable


def test_redis_keeps_the_tasks_on_their_way_when_it_is_killed(
    services: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """The command of compose, run by a real Redis in the folder that is its volume there."""
    assert services["redis"]["volumes"] == ["broker:/data"]
    shell, option, line = services["redis"]["command"]
    assert (shell, option) == ("sh", "-c")
    (port,) = free_ports(1)
    place = f"--bind 127.0.0.1 --port {port} --dir {tmp_path}"
    server = Child(
        "redis",
        ["/bin/sh", option, f"{line.replace('$$', '$')} {place}"],
        tmp_path / "redis.log",
        {"REDISCLI_AUTH": "of-this-test", "PATH": f"{redis_binary().parent}:{os.environ['PATH']}"},
    )
    client, stranger = Redis(port=port, password="of-this-test"), Redis(port=port)
    with closing(client), closing(stranger):
        for kept in (0, 1):
            server.start()
            try:
                server.wait_ready(lambda: _answers(client), 30)
                assert not _answers(stranger)
                assert client.llen("default") == kept
                client.rpush("default", "a task")
            finally:
                server.kill()


def test_no_secret_has_a_default(services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        for variable, value in service["environment"].items():
            if _SECRET.search(variable):
                assert _REFERENCE.search(str(value)), f"{variable} is written out"
    for name, form in _REFERENCE.findall(_FILE.read_text()):
        if _SECRET.search(name):
            assert form.startswith(":?"), f"{name} may stay empty"


def test_nothing_runs_as_root_and_no_image_floats(services: dict[str, dict[str, Any]]) -> None:
    for name in (*_AIRFLOW, "airflow-init"):
        assert services[name]["user"] == "${AIRFLOW_UID:-50000}:0"
    assert services["redis"]["user"] == "redis"
    assert services["postgres"].keys().isdisjoint({"user", "command"}), "its image gives up root"
    images = {service["image"] for service in services.values()}
    base = re.search(r"^FROM (\S+)$", (_REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    assert base is not None
    copied = re.findall(r"^COPY --from=(\S+)", (_REPOSITORY / "Dockerfile").read_text(), re.M)
    for image in {*images, base[1], *copied}:
        _, _, tag = image.partition(":")
        exact = r"\d+\.\d+\.\d+(-\w+)?|1[0-9]\.\d+"  # PostgreSQL's versions have two numbers
        assert re.fullmatch(exact, tag), f"{image} is not an exact version"


def test_the_image_is_the_airflow_that_is_pinned(services: dict[str, dict[str, Any]]) -> None:
    pins = (_REPOSITORY / "requirements.txt").read_text()
    pinned = re.search(r"^apache-airflow==(\S+)$", pins, re.MULTILINE)
    assert pinned is not None
    assert f"FROM apache/airflow:{pinned[1]}\n" in (_REPOSITORY / "Dockerfile").read_text()
    assert services["airflow-worker"]["image"] == f"lifeboat-airflow:{pinned[1]}"


def test_the_image_has_the_restic_that_movers_run_and_tests_build() -> None:
    dockerfile = (_REPOSITORY / "Dockerfile").read_text()
    copied = re.search(r"^COPY --from=(\S+) /usr/bin/restic /usr/local/bin/", dockerfile, re.M)
    assert copied is not None
    assert copied[1] == MOVER_IMAGE.removeprefix("docker.io/")
    _, _, version = copied[1].partition(":")
    module = (_REPOSITORY / "local" / "restic" / "go.mod").read_text()
    assert f"require github.com/restic/restic v{version}\n" in module


def test_the_example_names_every_variable() -> None:
    example = (_REPOSITORY / ".env.example").read_text()
    named = set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE))
    used = {name for name, _ in _REFERENCE.findall(_FILE.read_text())}
    services = yaml.safe_load(_FILE.read_text())["services"]
    for service in services.values():  # handed on as they are, where they are set
        used |= {name for name, value in service["environment"].items() if value is None}
    assert used == named
    required = {name for name, form in _REFERENCE.findall(_FILE.read_text()) if form[:2] == ":?"}
    assert required == set(re.findall(r"^([A-Z_]+)=$", example, re.MULTILINE))


def test_connections_come_from_key_vault_where_the_example_is_uncommented(
    services: dict[str, dict[str, Any]],
) -> None:
    """The backend that Airflow would load, with arguments that it takes; empty is none."""
    example = (_REPOSITORY / ".env.example").read_text()
    said = dict(re.findall(r"^#(AIRFLOW_CONNECTIONS_BACKEND\w*)=(.+)$", example, re.MULTILINE))
    backend = _loaded(said["AIRFLOW_CONNECTIONS_BACKEND"])
    keywords = json.loads(said["AIRFLOW_CONNECTIONS_BACKEND_KWARGS"])
    made = backend(**keywords)
    assert made.build_path(made.connections_prefix, "azure_backup") == (
        "airflow-connections-azure-backup"
    )
    assert made.get_variable("any") is None, "no variable and no setting is asked for"
    assert made.get_config("any") is None
    for name in (*_AIRFLOW, "airflow-init"):
        environment = services[name]["environment"]
        for variable in ("BACKEND", "BACKEND_KWARGS"):
            reference = environment[f"AIRFLOW__SECRETS__{variable}"]
            assert reference == f"${{AIRFLOW_CONNECTIONS_{variable}:-}}"
    helm = yaml.safe_load((_REPOSITORY / "deploy/helm/values.yaml").read_text())
    there = {entry["name"]: entry["value"] for entry in helm["env"]}
    assert there["AIRFLOW__SECRETS__BACKEND"] == said["AIRFLOW_CONNECTIONS_BACKEND"]
    assert json.loads(there["AIRFLOW__SECRETS__BACKEND_KWARGS"]).keys() == keywords.keys()


def test_an_empty_backend_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """What compose hands on where .env names none."""
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND", "")
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND_KWARGS", "")
    code = "from airflow.configuration import ensure_secrets_loaded as load; print(len(load()))"
    done = _run([sys.executable, "-c", code])
    assert (done.returncode, done.stdout.split()[-1:]) == (0, ["2"]), done.stderr


def test_a_fernet_key_is_changed_as_the_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the old key sealed is read with the new one before it, and sealed anew by the new one
    alone; Airflow's command that does it to the whole database has the page's name."""
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    page = (_REPOSITORY / "docs/operations.md").read_text()
    assert "`AIRFLOW_FERNET_KEY=<new>,<old>`" in page
    (command,) = re.findall(r"run `airflow ([\w-]+)` once", page)
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", f"{new},{old}")
    code = (
        "import sys; from airflow.models.crypto import get_fernet as fernet\n"
        "from airflow.cli.cli_config import core_commands\n"
        "assert sys.argv[1] in [one.name for one in core_commands]\n"
        "print(fernet().rotate(sys.argv[2].encode()).decode())"
    )
    sealed = Fernet(old).encrypt(b"a password").decode()
    done = _run([sys.executable, "-c", code, command, sealed])
    assert done.returncode == 0, done.stderr
    assert Fernet(new).decrypt(done.stdout.split()[-1]) == b"a password"


def test_what_is_found_is_kept_where_all_of_airflow_can_write_and_read(
    services: dict[str, dict[str, Any]],
) -> None:
    for name in _AIRFLOW:
        folder, _, file = services[name]["environment"]["LIFEBOAT_DISCOVERED"].rpartition("/")
        assert file == "discovered.json"
        assert f"found:{folder}" in services[name]["volumes"]
    assert "/opt/airflow/found" in (_REPOSITORY / "Dockerfile").read_text()


def _answers(client: Redis) -> bool:
    with suppress(RedisError):
        return bool(client.ping())
    return False


def _loaded(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_runs_tasks_waits_for_the_api_server() -> None:
    services = yaml.safe_load(_FILE.read_text())["services"]
    for name in ("airflow-scheduler", "airflow-worker"):
        wanted = services[name]["depends_on"]["airflow-apiserver"]
        assert wanted == {"condition": "service_healthy"}, name
