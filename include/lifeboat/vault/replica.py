"""A vault in a second place: the same id and data key, with wrappings of its own.

So every sealed blob of one place opens in the other, byte for byte (docs/format.md, "Copies").
"""

from __future__ import annotations

import msgspec

from lifeboat.clock import Clock, rfc3339
from lifeboat.errors import BlobExists, UsageError
from lifeboat.ports.store import Store
from lifeboat.vault.clear import encode_clear
from lifeboat.vault.crypto import NONE
from lifeboat.vault.keyring import find_data_key, put_wrapping
from lifeboat.vault.keys import VaultKey
from lifeboat.vault.vault import (
    FIRST_LABEL,
    HEADER_KEY,
    Vault,
    given_key,
    open_vault,
    read_header,
)
from lifeboat.vault.written import put_surely


def create_replica(
    store: Store,
    secret: str | VaultKey,
    source: Store,
    source_secret: str | VaultKey,
    clock: Clock,
) -> Vault:
    """Make an empty place the copy of a vault: `source` with its key gives the data key, which is
    wrapped for `secret`.

    Raises BlobExists when the place holds a vault already, UsageError for a weak key or when one of
    the two has a key and the other is not encrypted, and as `open_vault` for the source.
    """
    if store.stat(HEADER_KEY) is not None:
        raise BlobExists(f"{store.describe()} already holds a vault")
    header = read_header(source)
    if header.encryption == NONE and secret:
        raise UsageError(
            f"{source.describe()} is not encrypted, and its copy cannot be",
            hint="a copy has the same bytes: write encryption: none for both, or a key for both",
        )
    if header.encryption != NONE:
        key = given_key(store, secret)
        owner = given_key(source, source_secret)
        data_key = find_data_key(source, header.vault, header.check, owner)
        put_wrapping(store, header.vault, data_key, key, FIRST_LABEL, clock)
    made = msgspec.structs.replace(header, created=rfc3339(clock()))
    put_surely(store, HEADER_KEY, encode_clear(made))
    return open_vault(store, secret)


def ensure_same(first: Vault, second: Vault) -> None:
    """Raises UsageError unless both places hold the same vault: what is sealed in one would not
    open in the other."""
    one, two = first.header, second.header
    places = f"{second.store.describe()} is no copy of {first.store.describe()}"
    hint = "make the copy in an empty place: lifeboat vault init NAME --copy-of FIRST"
    if one.encryption != two.encryption:
        raise UsageError(
            f"{places}: one is {one.encryption}, the other {two.encryption}", hint=hint
        )
    if one.vault != two.vault or one.check != two.check:
        raise UsageError(f"{places}: it was made by itself, with another data key", hint=hint)
