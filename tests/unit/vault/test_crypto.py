"""Sealing: what was changed, cut or moved does not open, and ids need the key."""

from __future__ import annotations

import os

import pytest

from lifeboat.errors import Damaged
from lifeboat.vault.crypto import AesGcm, Cipher, Plain

CIPHERS = [AesGcm(bytes(32)), Plain("v" * 32)]


@pytest.mark.parametrize("cipher", CIPHERS, ids=lambda cipher: cipher.name)
class TestSeal:
    def test_opens_what_it_sealed(self, cipher: Cipher) -> None:
        assert cipher.open(cipher.seal(b"secret", b"here"), b"here", "it") == b"secret"

    def test_every_flipped_byte_and_every_cut_is_noticed(self, cipher: Cipher) -> None:
        sealed = cipher.seal(b"some plain bytes", b"here")
        for position in range(len(sealed)):
            changed = bytearray(sealed)
            changed[position] ^= 1
            with pytest.raises(Damaged, match="the thing"):
                cipher.open(bytes(changed), b"here", "the thing")
            with pytest.raises(Damaged):
                cipher.open(sealed[:position], b"here", "the thing")

    def test_does_not_open_in_another_place(self, cipher: Cipher) -> None:
        with pytest.raises(Damaged):
            cipher.open(cipher.seal(b"x", b"here"), b"there", "it")


def test_sealed_bytes_hide_the_plain_ones_and_differ_every_time() -> None:
    cipher = AesGcm(os.urandom(32))
    first, second = cipher.seal(b"password", b""), cipher.seal(b"password", b"")
    assert b"password" not in first
    assert first != second


def test_ids_are_equal_for_equal_contents_under_one_key_only() -> None:
    one, other = AesGcm(bytes(32)), AesGcm(bytes(31) + b"\1")
    assert one.record_id(b"a") == one.record_id(b"a") != one.record_id(b"b")
    assert one.record_id(b"a") != other.record_id(b"a")
