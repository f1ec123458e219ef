"""The Repository port over a restic of this machine, for what needs no volume: list and forget.

Must not: put the password or a credential into arguments or errors; they go by the environment of
the child alone.
"""

from __future__ import annotations

import os
import subprocess

from lifeboat.adapters import restic
from lifeboat.adapters.restic import Access
from lifeboat.errors import LifeboatError, StoreUnavailable, Unsupported, WrongKey
from lifeboat.ports.movers import Kept

_NO_REPOSITORY = 10  # restic, "Exit codes", as are these
_LOCKED = 11
_WRONG_PASSWORD = 12
_LONGEST_SECONDS = 6 * 3600.0
_AT_ONCE = 200  # ids a call: an argument list has its bounds


class RepositoryRestic:
    """See lifeboat.ports.movers.Repository. `program` is empty where there is no restic."""

    def __init__(self, access: Access, program: str) -> None:
        self._access = access
        self._program = program

    def kept(self, instance: str) -> tuple[Kept, ...]:
        done = self._run("snapshots", "--json", "--no-lock", "--tag", f"instance={instance}")
        if done.returncode == _NO_REPOSITORY:
            return ()
        self._ensure(done)
        return restic.kept(done.stdout)

    def forget(self, ids: tuple[str, ...]) -> None:
        if not ids:
            return
        self._ensure(self._run("unlock"))  # only locks whose holder is gone
        for start in range(0, len(ids), _AT_ONCE):
            self._ensure(self._run("forget", "--retry-lock", "5m", *ids[start : start + _AT_ONCE]))
        self._ensure(self._run("prune", "--retry-lock", "5m"))

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        if not self._program:
            raise Unsupported(
                "no restic program is installed here, which lists and forgets files in the vault",
                hint="install restic 0.17 or newer where prune and reconcile run",
            )
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": os.environ.get("HOME", "/"),
            "RESTIC_REPOSITORY": self._access.url,
            "RESTIC_PASSWORD": self._access.password,
            "RESTIC_CACHE_DIR": os.environ.get("RESTIC_CACHE_DIR", ""),
            **self._access.environment,
        }
        command = [self._program, *self._access.options.split(), *arguments]
        try:
            return subprocess.run(
                command,
                env={key: value for key, value in environment.items() if value},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_LONGEST_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise StoreUnavailable(f"restic {arguments[0]} did not end in time") from None
        except OSError as error:
            raise Unsupported(f"{self._program} cannot be run: {error.strerror}") from None

    def _ensure(self, done: subprocess.CompletedProcess[str]) -> None:
        if done.returncode == 0:
            return
        raise self._error(done.returncode, restic.complaint(done.stderr))

    def _error(self, code: int, reason: str) -> LifeboatError:
        where = f"the files of volumes in {self._access.url}"
        if code == _WRONG_PASSWORD:
            return WrongKey(
                f"{where} do not open with this vault's key",
                hint="was the folder put there by another vault? See docs/movers.md",
            )
        if code == _LOCKED:
            return StoreUnavailable(f"{where} are locked by somebody who is at work: {reason}")
        return StoreUnavailable(f"{where}: {reason or f'restic ended with {code}'}")
