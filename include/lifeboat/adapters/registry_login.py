"""Who Lifeboat is to a registry. Apart from the client: parsing a DAG needs no HTTP."""

from __future__ import annotations

from typing import NamedTuple


class Login(NamedTuple):
    """A name and a password, or a token in its place."""

    name: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.name!r})"
