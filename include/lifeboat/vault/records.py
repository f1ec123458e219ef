"""Where a record lies and how a frame of neighbouring records becomes bytes.

A record is the JSON of one object or one tree. Records are compressed in frames of neighbours,
since objects of one kind resemble each other (zstd -3 in frames of 256 KiB reaches 97 % of the
ratio of whole packs, one object still costs one range request); each frame is sealed on its own.
"""

from __future__ import annotations

from typing import NamedTuple

import zstandard

from lifeboat.errors import Damaged
from lifeboat.vault.crypto import Cipher

FRAME_BYTES = 256 * 1024
_LEVEL = 3
_LARGEST_FRAME = 512 * 1024 * 1024  # refuses to inflate a forged frame; etcd's objects are < 10 MiB


class Place(NamedTuple):
    """A record's address: `length` sealed bytes at `offset` of `pack` hold the frame, in which the
    record is `size` bytes from `start`."""

    pack: str
    offset: int
    length: int
    start: int
    size: int


def seal_frame(cipher: Cipher, pack: str, offset: int, plain: bytes) -> bytes:
    """The stored form of one frame, bound to its pack and offset."""
    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(plain)
    return cipher.seal(packed, _context(pack, offset))


def open_frame(cipher: Cipher, pack: str, offset: int, sealed: bytes) -> bytes:
    """The inverse. Raises Damaged, naming pack and offset."""
    what = f"pack {pack} at byte {offset}"
    packed = cipher.open(sealed, _context(pack, offset), what)
    try:
        return zstandard.ZstdDecompressor().decompress(packed, max_output_size=_LARGEST_FRAME)
    except zstandard.ZstdError as error:
        raise Damaged(f"{what}: does not decompress") from error


def _context(pack: str, offset: int) -> bytes:
    return f"frame {pack} {offset}".encode()
