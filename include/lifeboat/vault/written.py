"""Writing so that what a document or a manifest names is there."""

from __future__ import annotations

from datetime import datetime

from lifeboat.errors import StoreUnavailable
from lifeboat.ports.store import Store


def put_surely(
    store: Store, key: str, data: bytes, immutable_until: datetime | None = None
) -> None:
    """Store a new blob and look whether it is there: a store that says yes and loses the write
    would let a manifest name what does not exist (I1). Raises BlobExists, StoreUnavailable and, for
    `immutable_until`, Unsupported."""
    if immutable_until is None:
        store.put_new(key, data)
    else:
        store.put_new(key, data, immutable_until=immutable_until)
    stat = store.stat(key)
    if stat is None or stat.size != len(data):
        raise StoreUnavailable(
            f"{store.describe()} said that it stored {key} ({len(data)} bytes) and has"
            f" {'nothing' if stat is None else f'{stat.size} bytes'} there"
        )
