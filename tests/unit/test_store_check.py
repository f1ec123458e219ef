"""`lifeboat vault check` against stores that lie: each lie is found, and named for what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lifeboat.cli import app, vault_check
from lifeboat.errors import BlobMissing, Conflict, Forbidden, StoreUnavailable, Unsupported
from lifeboat.ports.store import BlobStat, Traits
from lifeboat.report.store_check import Finding, Verdict, check_store
from tests.support.memory_store import MemoryStore
from tests.support.turned_clock import TurnedClock


class Overwrites(MemoryStore):
    def put_new(self, key: str, data: bytes, *, immutable_until: datetime | None = None) -> None:
        self.blobs.pop(key, None)
        super().put_new(key, data, immutable_until=immutable_until)


class LosesWrites(MemoryStore):
    """Answers success, and the blob is not there."""

    def put_new(self, key: str, data: bytes, *, immutable_until: datetime | None = None) -> None:
        super().put_new(key, data, immutable_until=immutable_until)
        self.blobs.pop(key)


class ListsLate(MemoryStore):
    """A listing does not show the newest blob yet."""

    def list(self, prefix: str) -> Iterator[BlobStat]:
        newest = list(self.blobs)[-1:]
        return (blob for blob in super().list(prefix) if blob.key not in newest)


class ListsBackwards(MemoryStore):
    def list(self, prefix: str) -> Iterator[BlobStat]:
        return iter(list(super().list(prefix))[::-1])


class ListsByText(MemoryStore):
    """Takes a prefix for any beginning: finds a/b in a-b's folder."""

    def list(self, prefix: str) -> Iterator[BlobStat]:
        found = (self._stat(key) for key in sorted(self.blobs) if key.startswith(prefix[:-1]))
        return found if prefix else super().list(prefix)


class OneByteOff(MemoryStore):
    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return super().get_range(key, offset, length + 1)


class EmptyForMissing(MemoryStore):
    def get(self, key: str) -> bytes:
        try:
            return super().get(key)
        except BlobMissing:
            return b""


class Truncates(MemoryStore):
    def get(self, key: str) -> bytes:
        return super().get(key)[: 4 << 20]


class DeletesOnlyOnce(MemoryStore):
    def delete(self, key: str) -> None:
        if key not in self.blobs:
            raise BlobMissing(f"{key} is not in memory")
        super().delete(key)


class WrongClock(MemoryStore):
    def _stat(self, key: str) -> BlobStat:
        found = super()._stat(key)
        return BlobStat(key, found.size, found.created + timedelta(hours=1))


class LeavesLocksOut(MemoryStore):
    def put_new(self, key: str, data: bytes, *, immutable_until: datetime | None = None) -> None:
        super().put_new(key, data)

    def extend_immutability(self, key: str, until: datetime) -> None:
        """Nothing."""


class ShortensLocks(MemoryStore):
    def extend_immutability(self, key: str, until: datetime) -> None:
        self.locks[key] = until


class NeverUnlocks(MemoryStore):
    def delete(self, key: str) -> None:
        if key in self.locks:
            raise Conflict(f"{key} is locked")
        super().delete(key)


LIES: list[tuple[type[MemoryStore], str, bool]] = [
    (Overwrites, "overwritten", True),
    (Overwrites, "racing writers", True),
    (LosesWrites, "read back", True),
    (ListsLate, "read back", True),
    (ListsBackwards, "in order", True),
    (ListsByText, "in order", True),
    (OneByteOff, "ranges", True),
    (EmptyForMissing, "missing", True),
    (Truncates, "8 MiB", True),
    (DeletesOnlyOnce, "deleting it again", True),
    (WrongClock, "clock", True),
    (LeavesLocksOut, "locked blob", False),
    (ShortensLocks, "locked blob", False),
    (NeverUnlocks, "locked blob", False),
]


def findings(store: MemoryStore) -> dict[str, Finding]:
    turned = TurnedClock()
    store.clock = turned
    found = check_store(lambda: store, clock=turned, pause=turned.pause)
    return {finding.promise: finding for finding in found}


def about(found: dict[str, Finding], words: str) -> Finding:
    (finding,) = [finding for promise, finding in found.items() if words in promise]
    return finding


@pytest.mark.parametrize(("lie", "words", "fatal"), LIES, ids=lambda value: str(value))
def test_every_lie_is_found(lie: type[MemoryStore], words: str, fatal: bool) -> None:
    finding = about(findings(lie()), words)
    assert finding.verdict is Verdict.BROKEN
    assert finding.detail
    assert finding.meaning
    assert finding.fatal is fatal


def test_an_honest_store_keeps_every_promise_and_is_left_empty() -> None:
    store = MemoryStore()
    found = findings(store)
    assert {finding.verdict for finding in found.values()} == {Verdict.OK}
    assert store.blobs == {}


class MayNotDelete(MemoryStore):
    def delete(self, key: str) -> None:
        raise Forbidden(f"may not delete {key}")


def test_a_credential_that_may_not_delete_breaks_nothing_and_says_what_is_left() -> None:
    found = findings(MayNotDelete())
    assert not [finding for finding in found.values() if finding.fatal]
    for words in ("deleting it again", "neighbours", "locked blob"):
        finding = about(found, words)
        assert (finding.verdict, "may not" in finding.detail) == (Verdict.NOT_OFFERED, True)
    assert "are left below check/" in about(found, "gone again").detail


class NoLocks(MemoryStore):
    def traits(self) -> Traits:
        return Traits(immutability=None, keeps_deleted=True, notes=("versions stay",))

    def put_new(self, key: str, data: bytes, *, immutable_until: datetime | None = None) -> None:
        if immutable_until is not None:
            raise Unsupported("no locks here")
        super().put_new(key, data)


def test_what_is_not_offered_says_why() -> None:
    found = findings(NoLocks())
    assert about(found, "locked blob").verdict is Verdict.NOT_OFFERED
    assert about(found, "locked blob").detail == "no locks here"
    assert about(found, "frees the space").detail == "versions stay"


def test_a_store_that_stops_answering_is_an_error_and_is_cleaned_up() -> None:
    store = MemoryStore()
    store.fail_next("get_range", StoreUnavailable("no answer"))
    with pytest.raises(StoreUnavailable, match="no answer"):
        findings(store)
    assert store.blobs == {}


# --- the command


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    def invoke(store: MemoryStore, *arguments: str) -> Any:
        turned = TurnedClock()
        store.clock = turned
        monkeypatch.setattr(vault_check, "open_store", lambda entry, connections: store)
        monkeypatch.setattr(
            vault_check,
            "check_store",
            lambda opened: check_store(opened, clock=turned, pause=turned.pause),
        )
        return CliRunner().invoke(
            app, ["vault", "check", "--vault", f"file://{tmp_path}", *arguments]
        )

    return invoke


def test_the_command_ends_with_1_when_a_needed_promise_is_broken(run: Callable[..., Any]) -> None:
    result = run(Overwrites())
    assert result.exit_code == 1
    (line,) = [line for line in result.stdout.splitlines() if "overwritten" in line]
    assert line.startswith("broken ")
    assert "a later write could destroy a point" in line
    assert "no vault should lie here" in result.stdout


def test_the_command_ends_with_0_when_only_locks_are_missing(run: Callable[..., Any]) -> None:
    result = run(NoLocks())
    assert result.exit_code == 0
    assert "not offered  a locked blob" in result.stdout
    assert result.stdout.splitlines()[-1] == "a vault may lie here"


def test_the_command_speaks_json(run: Callable[..., Any]) -> None:
    result = run(OneByteOff(), "--json")
    assert result.exit_code == 1
    assert '"fit": false' in result.stdout
    assert '"verdict": "broken"' in result.stdout
