"""The parameters of a wrapping: a method's own Struct on one side, plain JSON on the other."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from lifeboat.errors import Damaged

P = TypeVar("P", bound=msgspec.Struct)


def as_params(params: msgspec.Struct) -> dict[str, Any]:
    """As a wrapping stores them; bytes become base64."""
    plain: dict[str, Any] = msgspec.to_builtins(params)
    return plain


def read_params(params: dict[str, Any], shape: type[P]) -> P:
    """As the method wants them. Raises Damaged; unknown fields are a newer program's and passed."""
    try:
        return msgspec.convert(params, shape)
    except msgspec.ValidationError as error:
        raise Damaged(f"its parameters are wrong: {error}") from None
