"""Wrapping by every method: what was wrapped opens, and no bytes read as a wrapping do harm."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifeboat.errors import Damaged, UsageError
from lifeboat.vault.key_x25519 import Identity
from lifeboat.vault.keys import generate_key, key_of, read_wrapping, recipient_of, unwrap, wrap

KEYS = {
    "raw": key_of(generate_key()),
    "scrypt": key_of("correct horse battery staple"),
    "x25519": Identity.generate(),
}
LABELS = st.text(min_size=1, max_size=80).filter(str.isprintable)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = ["salt", "n", "r", "p", "recipient", "sealed"]


@settings(print_blob=True, deadline=None, max_examples=30)
@given(st.sampled_from(sorted(KEYS)), st.binary(min_size=32, max_size=32), LABELS)
def test_what_was_wrapped_opens_after_it_was_stored(method: str, data: bytes, label: str) -> None:
    key = KEYS[method]
    made = wrap(data, key, "v", ident="0", label=label, created="2026-11-22T00:00:00Z")
    read = read_wrapping(msgspec.json.encode(made), "keys/v-0")
    assert read == made
    assert unwrap(read, key, "v") == data
    assert unwrap(read, key, "w") is None


@settings(print_blob=True, deadline=None)
@given(st.sampled_from(sorted(KEYS)), st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_any_parameters_are_damage_or_open_nothing(method: str, changes: dict[str, Any]) -> None:
    key = KEYS[method]
    made = wrap(bytes(32), key, "v", ident="0", label="me", created="now")
    params = {**made.params, **changes}
    if params == made.params:
        return
    changed = msgspec.structs.replace(made, params=params)
    try:
        opened = unwrap(changed, key, "v")
    except Damaged:
        return
    # A field that the method does not read changes nothing.
    assert opened is None or not {*changes} & {*made.params}


@settings(print_blob=True)
@given(st.one_of(st.binary(), JSON.map(msgspec.json.encode)))
def test_any_bytes_are_no_wrapping(stored: bytes) -> None:
    with pytest.raises(Damaged, match=r"^keys/v-0: is not a wrapped key"):
        read_wrapping(stored, "keys/v-0")


@settings(print_blob=True)
@given(st.sampled_from(["lifeboat-key-1:", "lifeboat-identity-1:"]), st.text())
def test_any_other_spelling_is_refused(prefix: str, rest: str) -> None:
    with pytest.raises(UsageError):
        key_of(prefix + rest)
    with pytest.raises(UsageError):
        recipient_of(prefix + rest)
