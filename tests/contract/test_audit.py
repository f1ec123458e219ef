"""The audit trail over every store: written once, read in order, locked where the store can."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lifeboat.clock import rfc3339
from lifeboat.errors import BlobExists, Conflict
from lifeboat.point.audit import Actor, Deed, read, record
from lifeboat.vault.keys import generate_key
from lifeboat.vault.vault import create_vault
from tests.contract.test_store import Place, place

__all__ = ["place"]

ADA = Actor(who="ada", how="airflow", dag="restore", run="r1", attempt="2026-11-22T12:00:00Z")


def test_an_event_is_written_once_and_never_edited(place: Place) -> None:
    vault = create_vault(place.open(), generate_key(), place.clock)
    now = place.clock()
    deed = Deed("restore", "shop.local", "plan", "3 objects")
    for later in (0, 60):  # a second attempt
        record(vault, ADA, deed, now + timedelta(seconds=later))
    record(vault, Actor(who="bob@desk", how="terminal"), Deed("hold", "shop.local"), now)
    found = list(read(vault))
    assert sorted(event.who for _, event in found if event) == ["ada", "bob@desk"]
    (first,) = [event for _, event in found if event and event.who == "ada"]
    assert (first.at, first.subject, first.run) == (rfc3339(now), "plan", "r1")
    for key, event in found:
        with pytest.raises(BlobExists):
            vault.put_document(key, event)
    assert [key for key, _ in read(vault, now + timedelta(days=1))] == []


def test_nobody_deletes_it_before_the_lock_is_over(place: Place) -> None:
    vault, now = create_vault(place.open(), generate_key(), place.clock), place.clock()
    record(vault, ADA, Deed("delete", "shop.local"), now, now + timedelta(days=1))
    ((key, _),) = read(vault)
    if not place.locks:
        return  # then it is written all the same
    with pytest.raises(Conflict, match="locked until"):
        vault.store.delete(key)
