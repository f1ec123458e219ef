"""Packs: write-once blobs of a few MiB that hold the frames of many records.

A pack is stored when it is full or the writer is closed; only then may anything refer to it. A
writer that dies leaves nothing, or a whole pack that nobody names (reconcile finds it).
"""

from __future__ import annotations

import secrets
from collections import OrderedDict

from lifeboat.errors import Damaged, NewerFormat
from lifeboat.ports.store import Store
from lifeboat.vault.crypto import Cipher
from lifeboat.vault.records import FRAME_BYTES, Place, open_frame, seal_frame

MAGIC = b"LBP1"
PACK_BYTES = 8 * 1024 * 1024
_FRAMES_KEPT = 16


def pack_key(pack: str) -> str:
    """The store key of a pack; two digits of fan-out keep folders small."""
    return f"packs/{pack[:2]}/{pack}"


class PackWriter:
    """Collects records into frames and frames into packs. Not for several threads.

    `written` counts stored bytes, `packs` names what was stored; both grow at `close`.
    """

    def __init__(self, store: Store, cipher: Cipher) -> None:
        self._store = store
        self._cipher = cipher
        self._frame: list[bytes] = []
        self._frame_size = 0
        self._pending: list[tuple[str, int, int]] = []
        self._start_pack()
        self.places: dict[str, Place] = {}
        self.written = 0
        self.packs: list[str] = []

    def add(self, record_id: str, content: bytes) -> None:
        """Queue one record; its place is in `places` after the frame was sealed (`flush`)."""
        self._pending.append((record_id, self._frame_size, len(content)))
        self._frame.append(content)
        self._frame_size += len(content)
        if self._frame_size >= FRAME_BYTES:
            self.flush()

    def flush(self) -> None:
        """Seal the open frame, so that every record added so far has its place."""
        if not self._pending:
            return
        offset = len(self._body)
        sealed = seal_frame(self._cipher, self._pack, offset, b"".join(self._frame))
        self._body += sealed
        for record_id, start, size in self._pending:
            self.places[record_id] = Place(self._pack, offset, len(sealed), start, size)
        self._frame.clear()
        self._pending.clear()
        self._frame_size = 0
        if len(self._body) >= PACK_BYTES:
            self._store_pack()

    def close(self) -> None:
        """Store what is left. Nothing may refer to a place before this returned."""
        self.flush()
        if len(self._body) > len(MAGIC):
            self._store_pack()

    def _store_pack(self) -> None:
        body = bytes(self._body)
        self._store.put_new(pack_key(self._pack), body)
        self.packs.append(self._pack)
        self.written += len(body)
        self._start_pack()

    def _start_pack(self) -> None:
        self._pack = secrets.token_hex(16)
        self._body = bytearray(MAGIC)


class PackReader:
    """Reads records by place, one range request a frame; keeps the latest frames for neighbours."""

    def __init__(self, store: Store, cipher: Cipher) -> None:
        self._store = store
        self._cipher = cipher
        self._frames: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def read(self, record_id: str, place: Place) -> bytes:
        """The record's content. Raises Damaged or BlobMissing, both naming the pack."""
        frame = self._frame(place)
        content = frame[place.start : place.start + place.size]
        if self._cipher.content_id(content) != record_id:
            raise Damaged(f"pack {place.pack} at byte {place.offset}: is not record {record_id}")
        return content

    def _frame(self, place: Place) -> bytes:
        address = (place.pack, place.offset)
        frame = self._frames.get(address)
        if frame is None:
            sealed = self._store.get_range(pack_key(place.pack), place.offset, place.length)
            if len(sealed) != place.length:
                raise Damaged(
                    f"pack {place.pack}: ends at byte {place.offset + len(sealed)},"
                    f" a frame of {place.length} bytes starts at {place.offset}"
                )
            try:
                frame = open_frame(self._cipher, place.pack, place.offset, sealed)
            except Damaged:
                # Only now is a second request worth it: a newer format is no damage.
                check_magic(place.pack, self._store.get_range(pack_key(place.pack), 0, len(MAGIC)))
                raise
            self._frames[address] = frame
            if len(self._frames) > _FRAMES_KEPT:
                self._frames.popitem(last=False)
        else:
            self._frames.move_to_end(address)
        return frame


def check_magic(pack: str, head: bytes) -> None:
    """Raises NewerFormat or Damaged when a pack does not start as this version's packs do."""
    if head == MAGIC:
        return
    if head[:3] == MAGIC[:3] and head[3:4].isdigit():
        raise NewerFormat(f"pack {pack} is of format {head[3:4].decode()}, this program reads 1")
    raise Damaged(f"pack {pack}: does not start with {MAGIC.decode()}")
