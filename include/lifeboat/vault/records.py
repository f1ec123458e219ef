"""Where a record lies and how a frame of neighbouring records becomes bytes.

A record is the JSON of one object, on one line. Records are compressed in frames of neighbours,
since objects of one kind resemble each other; each frame is sealed on its own, so that one object
costs one range request. A frame that is large explains itself to the compressor; a small one, such
as the few objects that changed in an hour, is compressed with the instance's dictionary.
"""

from __future__ import annotations

from typing import NamedTuple

import zstandard

from lifeboat.errors import Damaged
from lifeboat.vault.crypto import Cipher
from lifeboat.vault.dictionaries import Dictionaries

FRAME_BYTES = 256 * 1024
_LEVEL = 3  # 60 us of processor an object of 4 KB is the budget for all of packing
_SMALL_BYTES = 64 * 1024
_SMALL_LEVEL = 12
_LARGEST_FRAME = 512 * 1024 * 1024  # refuses to inflate a forged frame; etcd's objects are < 10 MiB
_BETWEEN = b"\n"


class Place(NamedTuple):
    """A record's address: `length` sealed bytes at `offset` of `pack` hold a frame of `lines`
    records, of which it is number `line`."""

    pack: str
    offset: int
    length: int
    lines: int
    line: int


def seal_frame(
    cipher: Cipher, pack: str, offset: int, records: list[bytes], dictionaries: Dictionaries
) -> bytes:
    """The stored form of one frame, bound to its pack and offset."""
    plain = _BETWEEN.join(records)
    if len(plain) > _SMALL_BYTES:
        packed = zstandard.ZstdCompressor(level=_LEVEL).compress(plain)
    else:
        packed = dictionaries.compress(plain, _SMALL_LEVEL)
    return cipher.seal(packed, _context(pack, offset))


def open_frame(
    cipher: Cipher, place: Place, sealed: bytes, dictionaries: Dictionaries
) -> list[bytes]:
    """The records of the frame that `place` lies in. Raises Damaged, naming pack and offset."""
    what = f"pack {place.pack} at byte {place.offset}"
    packed = cipher.open(sealed, _context(place.pack, place.offset), what)
    try:
        plain = dictionaries.decompress(packed, _LARGEST_FRAME)
    except zstandard.ZstdError as error:
        raise Damaged(f"{what}: does not decompress: {error}") from error
    return plain.split(_BETWEEN)


def _context(pack: str, offset: int) -> bytes:
    return f"frame {pack} {offset}".encode()
