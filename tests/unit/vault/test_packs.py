"""Packs: records come back by place, damage is named."""

from __future__ import annotations

import os
from collections import deque

import pytest

from lifeboat.errors import BlobMissing, Damaged, NewerFormat, StoreUnavailable
from lifeboat.vault.crypto import AesGcm
from lifeboat.vault.dictionaries import Dictionaries, train
from lifeboat.vault.packs import (
    MAGIC,
    PACK_BYTES,
    PackReader,
    PackWriter,
    check_magic,
    pack_key,
)
from lifeboat.vault.records import FRAME_BYTES, Place
from tests.support.memory_store import MemoryStore

CIPHER = AesGcm(bytes(32))


NONE = Dictionaries()


def line(size: int) -> bytes:
    """Random bytes without a line's end: a record is one line."""
    return os.urandom(size).replace(b"\n", b" ")


def write(
    store: MemoryStore, contents: list[bytes], dictionaries: Dictionaries = NONE
) -> tuple[PackWriter, list[tuple[str, Place]]]:
    writer = PackWriter(store, CIPHER, dictionaries)
    slots = [writer.add(content) for content in contents]
    writer.close()
    ids = [CIPHER.record_id(content) for content in contents]
    return writer, [(i, slot.place) for i, slot in zip(ids, slots, strict=True)]


def reader(store: MemoryStore, dictionaries: Dictionaries = NONE) -> PackReader:
    return PackReader(store, CIPHER, dictionaries)


def test_records_come_back_across_frames_and_packs() -> None:
    store = MemoryStore()
    contents = [line(FRAME_BYTES // 3) for _ in range(100)]
    writer, found = write(store, contents)
    assert len(writer.packs) > 1
    opened = reader(store)
    assert [opened.read(*one) for one in found] == contents
    assert writer.written == sum(stat.size for stat in store.list("packs/"))


def test_what_goes_wrong_beside_is_raised_by_who_adds_and_ends_the_writer() -> None:
    store = MemoryStore()
    store.fail_next("put_new", StoreUnavailable("full"))
    writer = PackWriter(store, CIPHER, NONE)
    with pytest.raises(StoreUnavailable, match="full"):
        deque(map(writer.add, [line(FRAME_BYTES)] * (PACK_BYTES // FRAME_BYTES + 20)), 0)
    with pytest.raises(StoreUnavailable, match="full"):
        writer.close()
    puts = [call for call in store.calls if call.method == "put_new"]
    assert len(puts) == 1


def test_small_frames_need_the_dictionary_that_they_were_made_with() -> None:
    records = [b'{"kind":"Deployment","image":"shop:%d","replicas":2}' % n * 9 for n in range(200)]
    dictionaries = Dictionaries([train(records), train(records[:100])])
    store = MemoryStore()
    plain, _ = write(store, records[:2])
    packed, found = write(store, records[:2], dictionaries)
    assert packed.written < plain.written
    assert reader(store, dictionaries).read(*found[1]) == records[1]
    older = Dictionaries(dictionaries.stored[::-1])
    assert reader(store, older).read(*found[1]) == records[1]
    with pytest.raises(Damaged, match="names dictionary"):
        reader(store).read(*found[1])


def test_too_few_samples_make_no_dictionary() -> None:
    assert train([b"{}"] * 3) == b""


def test_nothing_is_stored_before_close_and_nothing_for_an_empty_writer() -> None:
    store = MemoryStore()
    writer = PackWriter(store, CIPHER, NONE)
    writer.close()
    writer = PackWriter(store, CIPHER, NONE)
    writer.add(b"{}")
    writer.flush()
    assert list(store.list("")) == []


def test_a_truncated_pack_is_named_with_the_byte() -> None:
    store = MemoryStore()
    _, [(record, place)] = write(store, [b"x" * 5000])
    whole = store.get(pack_key(place.pack))
    store.delete(pack_key(place.pack))
    store.put_new(pack_key(place.pack), whole[:-3])
    with pytest.raises(Damaged, match=f"ends at byte {len(whole) - 3}"):
        reader(store).read(record, place)
    store.delete(pack_key(place.pack))
    with pytest.raises(BlobMissing):
        reader(store).read(record, place)


def test_a_frame_moved_within_its_pack_does_not_open() -> None:
    store = MemoryStore()
    _, [(_, first), (record, second)] = write(store, [line(FRAME_BYTES), line(FRAME_BYTES)])
    with pytest.raises(Damaged, match="is not record"):
        reader(store).read(record, second._replace(offset=first.offset, length=first.length))
    with pytest.raises(Damaged, match="is not record"):
        reader(store).read(record, second._replace(line=1))


def test_a_record_of_a_newer_pack_is_refused_as_newer_not_as_damaged() -> None:
    store = MemoryStore()
    _, [(record, place)] = write(store, [b"x" * 5000])
    key = pack_key(place.pack)
    whole = store.get(key)
    store.delete(key)
    store.put_new(key, b"LBP2" + bytes(len(whole) - 4))
    with pytest.raises(NewerFormat, match="format 2"):
        reader(store).read(record, place)
    store.delete(key)
    store.put_new(key, whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(Damaged, match="authentication failed"):
        reader(store).read(record, place)


def test_newer_and_foreign_packs_are_told_apart() -> None:
    check_magic("p", MAGIC)
    with pytest.raises(NewerFormat, match="format 2"):
        check_magic("p", b"LBP2")
    with pytest.raises(Damaged):
        check_magic("p", b"PK\3\4")
