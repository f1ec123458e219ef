"""Tries every promise of a store on the place itself, and says how each one stands.

Works in a scratch prefix of its own (`check/<random>/`) and removes what it wrote, also when an
error stops it. Knows nothing of vaults: none needs to be there.

A promise that the store breaks is a finding; a store that cannot be reached or refuses the
credential is an error, raised as such.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from lifeboat.clock import Clock, pause, utc_now
from lifeboat.errors import (
    BlobExists,
    BlobMissing,
    Conflict,
    Forbidden,
    Invalid,
    LifeboatError,
    Unsupported,
)
from lifeboat.ports.store import Store
from lifeboat.report.store_promises import PROMISES, Broken, NotOffered, Promise, Scratch


class Verdict(StrEnum):
    """What was found of one promise."""

    OK = "ok"
    BROKEN = "broken"
    NOT_OFFERED = "not offered"


@dataclass(frozen=True)
class Finding:
    """One promise and how it stands; `meaning` is what follows when it is not kept.

    `needed`: Lifeboat cannot keep its own promises on a store that breaks this one.
    """

    promise: str
    verdict: Verdict
    needed: bool
    detail: str = ""
    meaning: str = ""

    @property
    def fatal(self) -> bool:
        """Whether no vault should lie here."""
        return self.needed and self.verdict is Verdict.BROKEN


def check_store(
    open_store: Callable[[], Store],
    *,
    clock: Clock = utc_now,
    pause: Callable[[float], None] = pause,
) -> Iterator[Finding]:
    """Every promise in turn, and at last whether the scratch blobs are gone again.

    Takes about half a minute, writes some 10 MB. Raises what opening, reaching or writing to the
    store raises (NotAVault, Unauthorized, Forbidden, StoreUnavailable, StoreFull, StoreReadOnly).
    """
    store = open_store()
    root = f"check/{secrets.token_hex(8)}/"
    try:
        for number, promise in enumerate(PROMISES):
            scratch = Scratch(open_store, store, f"{root}{number}/", clock, pause)
            yield check_promise(promise, scratch)
    except BaseException:
        with suppress(LifeboatError):
            _remove(store, root)
        raise
    yield _cleaned(store, root)


def check_promise(promise: Promise, scratch: Scratch) -> Finding:
    """One promise, in an empty scratch prefix that is left to the caller."""

    def found(verdict: Verdict, detail: str) -> Finding:
        return Finding(promise.says, verdict, promise.needed, detail, promise.meaning)

    try:
        promise.try_it(scratch)
    except Broken as error:
        return found(Verdict.BROKEN, str(error))
    except NotOffered as error:
        return found(Verdict.NOT_OFFERED, str(error))
    except Unsupported as error:
        verdict = Verdict.BROKEN if promise.needed else Verdict.NOT_OFFERED
        return found(verdict, error.message)
    except (BlobMissing, BlobExists, Conflict, Invalid) as error:
        return found(Verdict.BROKEN, f"{type(error).__name__}: {error.message}")
    return Finding(promise.says, Verdict.OK, promise.needed)


def _remove(store: Store, root: str) -> list[str]:
    """Returns what could not be removed, and why."""
    left = []
    for blob in list(store.list(root)):
        try:
            store.delete(blob.key)
        except (Forbidden, Conflict) as error:
            left.append(f"{blob.key}: {error.message}")
    return left


def _cleaned(store: Store, root: str) -> Finding:
    says = "the check's own blobs are gone again"
    left = _remove(store, root)
    if not left:
        return Finding(says, Verdict.OK, needed=False)
    return Finding(
        says,
        Verdict.NOT_OFFERED,
        needed=False,
        detail=f"{len(left)} are left below {root}; the first: {left[0]}",
        meaning="they cost a little space; a credential that may delete removes them",
    )
