"""The wrapping method `scrypt` (RFC 7914): a passphrase that a person can remember.

KEK = scrypt(passphrase, salt, n, r, p). New wrappings take n=2^15, r=8, p=3: 32 MiB, the OWASP
Password Storage Cheat Sheet's setting of that memory size. Who opens obeys the wrapping's own
parameters, so that they can grow, but only within bounds: whoever writes to the store could
otherwise make every reader use all its memory.
"""

from __future__ import annotations

import hashlib
import os
from typing import Annotated, Any

import msgspec

from lifeboat.errors import Damaged, UsageError
from lifeboat.vault.crypto import KEY_BYTES
from lifeboat.vault.key_params import as_params, read_params

_SHORTEST = 12
_LARGEST_MEMORY = 256 * 2**20  # bytes; 128 * n * r is what scrypt takes
_LARGEST_WORK = 2**23  # n * r * p; ten times what new wrappings take, some seconds
_Count = Annotated[int, msgspec.Meta(ge=1)]


class _Params(msgspec.Struct, frozen=True):
    salt: bytes
    n: Annotated[int, msgspec.Meta(ge=2)]
    r: _Count
    p: _Count


class Passphrase:
    """Words of somebody's choice, at least 12 characters to make a wrapping."""

    method = "scrypt"

    def __init__(self, words: str) -> None:
        self._words = words

    def new_kek(self) -> tuple[bytes, dict[str, Any]]:
        if len(self._words) < _SHORTEST:
            raise UsageError(
                f"the vault's passphrase has {len(self._words)} characters, at least {_SHORTEST}"
                " are needed",
                hint="`lifeboat vault new-key` prints a generated key that no one can guess",
            )
        params = _Params(os.urandom(16), n=2**15, r=8, p=3)
        return self._stretch(params), as_params(params)

    def find_kek(self, params: dict[str, Any]) -> bytes | None:
        return self._stretch(_bounded(read_params(params, _Params)))

    def _stretch(self, params: _Params) -> bytes:
        n, r, p = params.n, params.r, params.p
        return hashlib.scrypt(
            self._words.encode(),
            salt=params.salt,
            n=n,
            r=r,
            p=p,
            maxmem=128 * r * (n + p) + 2**20,  # what OpenSSL must be allowed, and some
            dklen=KEY_BYTES,
        )


def _bounded(params: _Params) -> _Params:
    n, r, p = params.n, params.r, params.p
    if n & (n - 1):
        raise Damaged(f"its scrypt parameter n is {n}, which is no power of two")
    if 128 * n * r > _LARGEST_MEMORY or n * r * p > _LARGEST_WORK:
        raise Damaged(
            f"its scrypt parameters n={n}, r={r}, p={p} ask for more than"
            f" {_LARGEST_MEMORY >> 20} MiB or minutes of work; Lifeboat makes no such wrapping"
        )
    return params
