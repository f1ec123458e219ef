"""Packs: write-once blobs of a few MiB that hold the frames of many records.

A pack is stored when it is full or the writer is closed; only then may anything refer to it. A
writer that dies leaves nothing, or a whole pack that nobody names (reconcile finds it). Full frames
are sealed, and full packs stored, beside the thread that adds: compressing, encrypting and writing
leave the interpreter free to go on.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from lifeboat.errors import Damaged, NewerFormat
from lifeboat.ports.store import BlobStat, Store, each_of
from lifeboat.vault.crypto import Cipher
from lifeboat.vault.dictionaries import Dictionaries
from lifeboat.vault.records import FRAME_BYTES, Place, open_frame, seal_frame
from lifeboat.vault.written import put_surely

MAGIC = b"LBP1"
PACK_BYTES = 8 * 1024 * 1024
ROOT = "packs/"
_NAME_BYTES = 8
_FRAMES_KEPT = 16
_FRAMES_AHEAD = 8  # 2 MiB that wait to be sealed


def pack_key(pack: str) -> str:
    """The store key of a pack; two digits of fan-out keep folders small."""
    return f"{ROOT}{pack[:2]}/{pack}"


def stat_packs(store: Store, packs: Iterable[str]) -> dict[str, BlobStat]:
    """Those of `packs` that are stored, by name. One request each: a listing would go through the
    packs of every instance of the vault."""
    names = sorted(packs)
    stats = each_of(store, lambda pack: store.stat(pack_key(pack)), names)
    return {pack: stat for pack, stat in zip(names, stats, strict=True) if stat is not None}


@dataclass
class _Frame:
    """A frame that is being filled; its address is known once it is sealed."""

    pack: str = ""
    offset: int = 0
    length: int = 0
    lines: int = 0


@dataclass(frozen=True)
class Slot:
    """A record that was added; `place` is known after the next `flush`."""

    frame: _Frame
    line: int

    @property
    def place(self) -> Place:
        frame = self.frame
        return Place(frame.pack, frame.offset, frame.length, frame.lines, self.line)


class PackWriter:
    """Collects records into frames and frames into packs. Not for several threads.

    `written` counts stored bytes, `packs` names what was stored; both grow at `close`. What sealing
    or storing raises is raised by later calls; nothing is sealed after that.
    """

    def __init__(self, store: Store, cipher: Cipher, dictionaries: Dictionaries) -> None:
        self._store = store
        self._cipher = cipher
        self._dictionaries = dictionaries
        self._records: list[bytes] = []
        self._size = 0
        self._frame = _Frame()
        self._start_pack()
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="seal")
        self._sealing: deque[Future[None]] = deque()
        self._broken: BaseException | None = None
        self.written = 0
        self.packs: list[str] = []

    def add(self, content: bytes) -> Slot:
        """Queue one record, a single line; the slot's place is known after `flush`."""
        slot = Slot(self._frame, len(self._records))
        self._records.append(content)
        self._size += len(content)
        if self._size >= FRAME_BYTES:
            self._await(_FRAMES_AHEAD - 1)
            self._sealing.append(self._beside.submit(self._seal, *self._take()))
        return slot

    def flush(self) -> None:
        """Seal the open frame, so that every record added so far has its place."""
        self._await(0)
        if self._records:
            self._seal(*self._take())

    def close(self) -> None:
        """Store what is left. Nothing may refer to a place before this returned."""
        self.flush()
        self._beside.shutdown()
        if len(self._body) > len(MAGIC):
            self._store_pack()

    def _take(self) -> tuple[_Frame, list[bytes]]:
        taken = self._frame, self._records
        self._frame, self._records, self._size = _Frame(), [], 0
        return taken

    def _await(self, left: int) -> None:
        """Until at most so many frames wait to be sealed."""
        while len(self._sealing) > left:
            self._sealing.popleft().result()

    def _seal(self, frame: _Frame, records: list[bytes]) -> None:
        if self._broken is not None:
            raise self._broken
        try:
            self._append(frame, records)
        except BaseException as error:
            self._broken = error
            raise

    def _append(self, frame: _Frame, records: list[bytes]) -> None:
        offset = len(self._body)
        sealed = seal_frame(self._cipher, self._pack, offset, records, self._dictionaries)
        self._body += sealed
        frame.pack, frame.offset = self._pack, offset
        frame.length, frame.lines = len(sealed), len(records)
        if len(self._body) >= PACK_BYTES:
            self._store_pack()

    def _store_pack(self) -> None:
        body = bytes(self._body)
        put_surely(self._store, pack_key(self._pack), body)
        self.packs.append(self._pack)
        self.written += len(body)
        self._start_pack()

    def _start_pack(self) -> None:
        self._pack = secrets.token_hex(_NAME_BYTES)
        self._body = bytearray(MAGIC)


class PackReader:
    """Reads records by place, one range request a frame; keeps the latest frames for neighbours."""

    def __init__(self, store: Store, cipher: Cipher, dictionaries: Dictionaries) -> None:
        self._store = store
        self._cipher = cipher
        self._dictionaries = dictionaries
        self._frames: OrderedDict[tuple[str, int], list[bytes]] = OrderedDict()

    def read(self, record_id: str, place: Place) -> bytes:
        """The record's content. Raises Damaged or BlobMissing, both naming the pack."""
        records = self._frame(place)
        content = records[place.line] if place.line < len(records) else b""
        if self._cipher.record_id(content) != record_id:
            raise Damaged(f"pack {place.pack} at byte {place.offset}: is not record {record_id}")
        return content

    def _frame(self, place: Place) -> list[bytes]:
        address = (place.pack, place.offset)
        records = self._frames.get(address)
        if records is not None:
            self._frames.move_to_end(address)
            return records
        sealed = self._store.get_range(pack_key(place.pack), place.offset, place.length)
        if len(sealed) != place.length:
            raise Damaged(
                f"pack {place.pack}: ends at byte {place.offset + len(sealed)},"
                f" a frame of {place.length} bytes starts at {place.offset}"
            )
        try:
            records = open_frame(self._cipher, place, sealed, self._dictionaries)
        except Damaged:
            # Only now is a second request worth it: a newer format is no damage.
            check_magic(place.pack, self._store.get_range(pack_key(place.pack), 0, len(MAGIC)))
            raise
        self._frames[address] = records
        if len(self._frames) > _FRAMES_KEPT:
            self._frames.popitem(last=False)
        return records


def check_magic(pack: str, head: bytes) -> None:
    """Raises NewerFormat or Damaged when a pack does not start as this version's packs do."""
    if head == MAGIC:
        return
    if head[:3] == MAGIC[:3] and head[3:4].isdigit():
        raise NewerFormat(f"pack {pack} is of format {head[3:4].decode()}, this program reads 1")
    raise Damaged(f"pack {pack}: does not start with {MAGIC.decode()}")
