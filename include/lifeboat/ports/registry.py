"""What the engine needs of the registries that images are pulled from."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

Found = Literal["there", "gone", "refused", "unknown"]


class Answer(NamedTuple):
    """`there`: it can be pulled, and `digest` is what the registry has under this reference;
    `gone`: the registry knows no such thing; `refused`: we may not see it, and some registries say
    no more of what is gone; `unknown`: nobody could be asked, `reason` says why."""

    found: Found
    reason: str = ""
    digest: str = ""


class Registries(Protocol):
    """All registries, by the host in an image's name."""

    def look(self, host: str, repository: str, reference: str) -> Answer:
        """`reference` is a tag or a digest (`sha256:<hex>`). Downloads no image, asks once and does
        not wait; never raises for what a registry says. Safe for several threads."""
        ...
