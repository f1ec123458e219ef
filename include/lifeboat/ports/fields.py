"""Objects split into their top-level fields, for who captures all of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

# Field name -> its value as the server sent it.
Fields = dict[str, msgspec.Raw]


@dataclass(frozen=True)
class FieldsPage:
    """One page of a list; `size` are its bytes."""

    items: Sequence[Fields]
    size: int
    resource_version: str
