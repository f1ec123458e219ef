"""The compression dictionary of an instance, and the older ones that its frames may still name.

Objects that change alone are small and look like what was stored before: with a dictionary trained
on a few hundred records of the first point they take about as little room as in a large frame. A
zstd frame carries its dictionary's id (RFC 8878, 3.1.1.1.3), so nothing else has to name it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import zstandard

from lifeboat.errors import Damaged

DICTIONARY_BYTES = 16 * 1024
SAMPLE_BYTES = 1024 * 1024
_FEWEST_SAMPLES = 64
# cover's own search for these takes seconds; segments of 1 KiB and 8-byte words suit JSON.
_SEGMENT, _WORD = 1024, 8


class Dictionaries:
    """Compresses small frames with the first of `stored`, opens frames made with any of them."""

    def __init__(self, stored: Sequence[bytes] = ()) -> None:
        self.stored = tuple(stored)
        self._known = {
            parsed.dict_id(): parsed for parsed in map(zstandard.ZstdCompressionDict, stored)
        }
        self._current = next(iter(self._known.values()), None)

    def compress(self, plain: bytes, level: int) -> bytes:
        """One zstd frame, with the current dictionary where there is one."""
        if self._current is None:
            return zstandard.ZstdCompressor(level=level).compress(plain)
        return zstandard.ZstdCompressor(level=level, dict_data=self._current).compress(plain)

    def decompress(self, packed: bytes, limit: int) -> bytes:
        """Raises zstandard.ZstdError, or Damaged for a frame of a dictionary that is not here."""
        wanted = zstandard.get_frame_parameters(packed).dict_id
        if not wanted:
            return zstandard.ZstdDecompressor().decompress(packed, max_output_size=limit)
        known = self._known.get(wanted)
        if known is None:
            raise Damaged(f"a frame names dictionary {wanted:08x}, which the point does not hold")
        return zstandard.ZstdDecompressor(dict_data=known).decompress(packed, max_output_size=limit)


def train(samples: Iterable[bytes]) -> bytes:
    """A dictionary for records like these; empty when they are too few to learn from."""
    chosen: list[bytes | bytearray | memoryview[int]] = list(samples)
    if len(chosen) < _FEWEST_SAMPLES:
        return b""
    try:
        return zstandard.train_dictionary(
            DICTIONARY_BYTES, chosen, k=_SEGMENT, d=_WORD, level=12
        ).as_bytes()
    except zstandard.ZstdError:
        return b""  # samples without anything in common: then a dictionary would not help either
