"""What Airflow is told: its environment, its users, its secrets. Pure but for `Secrets.load`.

Every component gets the same environment; they must agree on the secrets or tasks are refused.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from local.credentials import write_private

REPOSITORY = Path(__file__).resolve().parent.parent

ROLES = {"admin": "admin", "operator": "op", "user": "user", "viewer": "viewer"}
"""The users that can log in, each with its role in Airflow's SimpleAuthManager."""

PARALLELISM = 8
"""Tasks at once, of all runs: four a core on the two cores that figures are measured on."""


@dataclass(frozen=True)
class Secrets:
    """Made once per root and kept, so that sessions and stored connections survive a restart."""

    jwt: str
    api: str
    fernet: str
    passwords: dict[str, str]

    @staticmethod
    def load(root: Path) -> Secrets:
        """Read them from below `root`, made new where missing. Readable by the owner only."""
        path = root / "secrets.json"
        if not path.exists():
            made = Secrets(
                jwt=secrets.token_urlsafe(64),  # under 64 characters Airflow warns
                api=secrets.token_urlsafe(32),
                fernet=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
                passwords={name: secrets.token_urlsafe(9) for name in ROLES},
            )
            write_private(path, json.dumps(asdict(made), indent=1))
        found = Secrets(**json.loads(path.read_text()))
        write_private(password_file(root), json.dumps(found.passwords))
        return found


def password_file(root: Path) -> Path:
    """Where Airflow reads the passwords of its users."""
    return root / "passwords.json"


def api_url(port: int) -> str:
    """The address of the UI, which is also the base of the REST API."""
    return f"http://127.0.0.1:{port}"


def environment(
    root: Path, port: int, known: Secrets, database: str, overrides: Mapping[str, str]
) -> dict[str, str]:
    """The environment of every component; `overrides` win."""
    settings = {
        **_core(root, port, known),
        **_paths_and_logs(root),
        **_pace(),
        "DATABASE__SQL_ALCHEMY_CONN": database,
    }
    return {
        "AIRFLOW_HOME": str(root),
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "include"), str(REPOSITORY)]),
        "PYTHONUNBUFFERED": "1",  # a log that ends where the process did
        **{f"AIRFLOW__{name}": value for name, value in settings.items()},
        **overrides,
    }


def inherited(overrides: Mapping[str, str]) -> list[str]:
    """Airflow settings in this process's own environment that must not reach the components."""
    return [name for name in os.environ if name.startswith("AIRFLOW__") and name not in overrides]


def _core(root: Path, port: int, known: Secrets) -> dict[str, str]:
    return {
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": str(PARALLELISM),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__FERNET_KEY": known.fernet,
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{n}:{role}" for n, role in ROLES.items()),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(password_file(root)),
        # Moving the port takes all three.
        "API__PORT": str(port),
        "API__BASE_URL": api_url(port),
        "CORE__EXECUTION_API_SERVER_URL": f"{api_url(port)}/execution/",
        "API__HOST": "127.0.0.1",
        "API__WORKERS": "1",
        "API__SECRET_KEY": known.api,
        "API_AUTH__JWT_SECRET": known.jwt,
    }


def _paths_and_logs(root: Path) -> dict[str, str]:
    return {
        "CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(root / "bundles"),
        "LOGGING__BASE_LOG_FOLDER": str(root / "logs" / "tasks"),
        "LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(root / "logs" / "parsing"),
        "LOGGING__COLORED_CONSOLE_LOG": "False",
        # azure-core logs every HTTP request otherwise.
        "LOGGING__NAMESPACE_LEVELS": "azure=WARNING",
    }


def _pace() -> dict[str, str]:
    """How soon things are noticed. Airflow's defaults are set for fleets, not for one machine."""
    return {
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
        "SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "5",
        # Three missed heartbeats kill a task by default; a busy API server misses that many.
        "WORKERS__MAX_FAILED_HEARTBEATS": "30",
    }
