"""The wrappings of one vault: `keys/<vault>-<id>`, who holds a key, adding one, removing one.

Rotation is adding a wrapping and removing another; data is never rewritten. The data key stays the
same, so removing a wrapping takes nothing from who kept the data key, or a copy of the wrapping.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from lifeboat.clock import Clock, rfc3339
from lifeboat.errors import BlobMissing, Conflict, Damaged, LifeboatError, UsageError, WrongKey
from lifeboat.ports.store import Store
from lifeboat.vault.clear import encode_clear
from lifeboat.vault.keys import (
    METHODS,
    Lock,
    VaultKey,
    Wrapping,
    check_of,
    is_genuine,
    read_wrapping,
    unwrap,
    wrap,
)
from lifeboat.vault.written import put_surely

WRAPPINGS = "keys/"
_LARGEST = 64 * 1024  # bytes of a wrapping; real ones have less than 2,000


class KeyEntry(msgspec.Struct, frozen=True):
    """One wrapping for people. `problem` is empty when all is well; `opens` says whether the key
    that opened the ring opens this wrapping too, None where that could not be found out."""

    id: str
    label: str
    method: str
    created: str
    public: str
    opens: bool | None
    problem: str


@dataclass(frozen=True)
class _Found:
    """A blob below keys/: a wrapping, or why it is none."""

    id: str
    key: str
    wrapping: Wrapping | None
    problem: str = ""


def put_wrapping(
    store: Store, vault: str, data_key: bytes, key: Lock, label: str, clock: Clock
) -> str:
    """Store a new wrapping; returns its id."""
    ident = secrets.token_hex(4)
    created = rfc3339(clock())
    wrapping = wrap(data_key, key, vault, ident=ident, label=label, created=created)
    put_surely(store, f"{WRAPPINGS}{vault}-{ident}", encode_clear(wrapping))
    return ident


def find_data_key(store: Store, vault: str, check: str, key: VaultKey) -> bytes:
    """The data key, from the first wrapping that `key` opens; the others cannot stand in its way.

    `check` is the header's: a wrapping of another data key, which anybody can make for a public
    key, is not taken. Raises WrongKey naming every wrapping, or what the key's keeper raised.
    """
    refused: list[str] = []
    failures: list[LifeboatError] = []
    for found in _read_all(store, vault):
        try:
            data_key = _try(found, vault, key)
        except Damaged as error:
            refused.append(f"{found.id}: {error.message}")
        except LifeboatError as error:
            failures.append(error)
        else:
            if data_key is not None and check_of(data_key) == check:
                return data_key
            refused.append(_why_not(found, forged=data_key is not None))
    if failures:
        raise next((error for error in failures if error.retryable), failures[0])
    raise WrongKey(
        f"the key ({key.method}) opens none of the {len(refused)} wrappings of {store.describe()}"
        + "".join(f"\n  {line}" for line in refused),
        hint="check which key this vault was made with; without it nobody can read the vault",
    )


class KeyRing:
    """The wrappings of a vault that `key` opens. Raises WrongKey when it opens none."""

    def __init__(self, store: Store, vault: str, check: str, key: VaultKey) -> None:
        self._store = store
        self._vault = vault
        self._key = key
        self._data_key = find_data_key(store, vault, check, key)

    def entries(self) -> list[KeyEntry]:
        """Every wrapping, good or not, in the order of their ids."""
        return [self._entry(found) for found in _read_all(self._store, self._vault)]

    def add(self, key: Lock, label: str, clock: Clock) -> tuple[KeyEntry, bool]:
        """Add a wrapping for the holder of `key`, and read it back.

        Returns it, and whether it was opened as well; where only the public half is at hand it can
        only be compared. Raises Damaged when what was stored is not what was written.
        """
        ident = put_wrapping(self._store, self._vault, self._data_key, key, label, clock)
        found = self._find(ident)
        wrapping = found.wrapping
        good = wrapping is not None and is_genuine(wrapping, self._data_key, ident)
        opened = isinstance(key, VaultKey)
        if isinstance(key, VaultKey) and wrapping is not None:
            good = good and unwrap(wrapping, key, self._vault) == self._data_key
        if not good:
            raise Damaged(
                f"{found.key} was written but does not open",
                hint=f"the key was not added; remove it: lifeboat vault key remove {ident}",
            )
        return self._entry(found), opened

    def remove(self, ident: str, *, force: bool) -> KeyEntry:
        """Remove a wrapping; the data stays as it is.

        Raises UsageError for an unknown id, and Conflict when the key at hand would open nothing
        any more, unless forced.
        """
        found = self._find(ident)
        entry = self._entry(found)
        if not force and not any(
            self._opens(other)
            for other in _read_all(self._store, self._vault)
            if other.id != found.id
        ):
            raise Conflict(
                f"{ident} ({entry.label}) is the last wrapping that the key you gave opens",
                hint="add the next key first and give that one; --force removes it all the same",
            )
        self._store.delete(found.key)
        return entry

    def _find(self, ident: str) -> _Found:
        known = list(_read_all(self._store, self._vault))
        for found in known:
            if found.id == ident:
                return found
        raise UsageError(
            f"the vault has no wrapping {ident!r}",
            hint=f"it has {', '.join(found.id for found in known)}",
        )

    def _entry(self, found: _Found) -> KeyEntry:
        wrapping = found.wrapping
        if wrapping is None:
            return KeyEntry(found.id, "", "", "", "", opens=False, problem=found.problem)
        problem = ""
        opens: bool | None = None
        if not is_genuine(wrapping, self._data_key, found.id):
            problem = "forged or changed: no holder of this vault's data key made it like this"
        elif wrapping.method not in METHODS:
            problem = "made by a newer program"
        try:
            opens = self._opens(found)
        except LifeboatError as error:
            problem = problem or error.message
        return KeyEntry(
            id=found.id,
            label=wrapping.label,
            method=wrapping.method,
            created=wrapping.created,
            public=wrapping.public,
            opens=opens,
            problem=problem,
        )

    def _opens(self, found: _Found) -> bool:
        try:
            return _try(found, self._vault, self._key) == self._data_key
        except Damaged:
            return False


def _try(found: _Found, vault: str, key: VaultKey) -> bytes | None:
    """Raises Damaged and what the key's keeper raises."""
    return None if found.wrapping is None else unwrap(found.wrapping, key, vault)


def _why_not(found: _Found, *, forged: bool) -> str:
    wrapping = found.wrapping
    if wrapping is None:
        return f"{found.id}: {found.problem}"
    name = f"{found.id} ({wrapping.label}, {wrapping.method})"
    if forged:
        return f"{name}: opens, but holds another data key than this vault's: it was forged"
    if wrapping.method not in METHODS:
        return f"{name}: this program does not know the method; update Lifeboat"
    return f"{name}: is for another key"


def _read_all(store: Store, vault: str) -> Iterator[_Found]:
    """Every blob that claims to be a wrapping of this vault. One of a vault whose making lost a
    race against this one may lie beside them, and is nobody's."""
    for stat in store.list(WRAPPINGS):
        owner, _, ident = stat.key.removeprefix(WRAPPINGS).rpartition("-")
        if owner != vault:
            continue
        if stat.size > _LARGEST:
            size = f"{stat.key}: is {stat.size} bytes long, a wrapping never is"
            yield _Found(ident, stat.key, None, size)
            continue
        try:
            yield _Found(ident, stat.key, read_wrapping(store.get(stat.key), stat.key))
        except Damaged as error:
            yield _Found(ident, stat.key, None, error.message)
        except BlobMissing:
            continue  # somebody removed it after the listing
