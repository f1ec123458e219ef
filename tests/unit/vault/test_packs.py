"""Packs and trees: records come back by place, damage is named."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifeboat.errors import BlobMissing, Damaged, NewerFormat
from lifeboat.vault.crypto import AesGcm
from lifeboat.vault.packs import MAGIC, PackReader, PackWriter, check_magic, pack_key
from lifeboat.vault.records import FRAME_BYTES, Place
from lifeboat.vault.trees import Entry, decode_tree, encode_tree
from tests.support.memory_store import MemoryStore

CIPHER = AesGcm(bytes(32))


def _write(store: MemoryStore, contents: list[bytes]) -> tuple[PackWriter, list[str]]:
    writer = PackWriter(store, CIPHER)
    ids = [CIPHER.content_id(content) for content in contents]
    for record, content in zip(ids, contents, strict=True):
        writer.add(record, content)
    writer.close()
    return writer, ids


def test_records_come_back_across_frames_and_packs() -> None:
    store = MemoryStore()
    contents = [os.urandom(FRAME_BYTES // 3) + bytes([n]) for n in range(100)]
    writer, ids = _write(store, contents)
    assert len(writer.packs) > 1
    reader = PackReader(store, CIPHER)
    assert [reader.read(i, writer.places[i]) for i in ids] == contents
    assert writer.written == sum(stat.size for stat in store.list("packs/"))


def test_nothing_is_stored_before_close_and_nothing_for_an_empty_writer() -> None:
    store = MemoryStore()
    writer = PackWriter(store, CIPHER)
    writer.close()
    writer = PackWriter(store, CIPHER)
    writer.add("a" * 32, b"{}")
    writer.flush()
    assert list(store.list("")) == []


def test_a_truncated_pack_is_named_with_the_byte() -> None:
    store = MemoryStore()
    writer, (record,) = _write(store, [b"x" * 5000])
    place = writer.places[record]
    whole = store.get(pack_key(place.pack))
    store.delete(pack_key(place.pack))
    store.put_new(pack_key(place.pack), whole[:-3])
    with pytest.raises(Damaged, match=f"ends at byte {len(whole) - 3}"):
        PackReader(store, CIPHER).read(record, place)
    store.delete(pack_key(place.pack))
    with pytest.raises(BlobMissing):
        PackReader(store, CIPHER).read(record, place)


def test_a_frame_moved_within_its_pack_does_not_open() -> None:
    store = MemoryStore()
    writer, ids = _write(store, [os.urandom(FRAME_BYTES), os.urandom(FRAME_BYTES)])
    first, second = (writer.places[i] for i in ids)
    swapped = Place(second.pack, first.offset, first.length, 0, first.size)
    with pytest.raises(Damaged, match="is not record"):
        PackReader(store, CIPHER).read(ids[1], swapped)


def test_a_record_of_a_newer_pack_is_refused_as_newer_not_as_damaged() -> None:
    store = MemoryStore()
    writer, (record,) = _write(store, [b"x" * 5000])
    place = writer.places[record]
    key = pack_key(place.pack)
    whole = store.get(key)
    store.delete(key)
    store.put_new(key, b"LBP2" + bytes(len(whole) - 4))
    with pytest.raises(NewerFormat, match="format 2"):
        PackReader(store, CIPHER).read(record, place)
    store.delete(key)
    store.put_new(key, whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(Damaged, match="authentication failed"):
        PackReader(store, CIPHER).read(record, place)


def test_newer_and_foreign_packs_are_told_apart() -> None:
    check_magic("p", MAGIC)
    with pytest.raises(NewerFormat, match="format 2"):
        check_magic("p", b"LBP2")
    with pytest.raises(Damaged):
        check_magic("p", b"PK\3\4")


_names = st.text(min_size=1, max_size=40)
_entries = st.builds(
    Entry, _names, _names, _names, _names, _names,
    st.builds(Place, _names, *[st.integers(0, 2**40)] * 4),
)  # fmt: skip


@given(st.lists(_entries), st.text(max_size=30))
def test_a_tree_comes_back_sorted_whatever_the_order(entries: list[Entry], name: str) -> None:
    content = encode_tree(name, entries)
    assert decode_tree(content, "t") == (name, sorted(entries))
    assert encode_tree(name, reversed(entries)) == content


def test_what_is_no_tree_is_damage() -> None:
    for content in (b"{}", b"nonsense", b'{"namespace":"a","packs":[],"rows":[["","v1"]]}'):
        with pytest.raises(Damaged, match="the tree"):
            decode_tree(content, "the tree")
    with pytest.raises(Damaged):
        decode_tree(b'{"namespace":"","packs":[],"rows":[["","v1","k","n","i",7,0,0,0,0]]}', "t")
