"""What Lifeboat needs of whoever can look into a volume or a snapshot: a digest of its bytes.

Not every driver can be read from outside a pod; an adapter says so instead of guessing.
"""

from __future__ import annotations

from typing import Protocol


class VolumeReader(Protocol):
    """Digests of contents. Equal digests mean equal names, modes, link targets and bytes."""

    def why_not(self, driver: str) -> str:
        """Empty when volumes of this driver can be read, else the reason in a sentence."""
        ...

    def digest_volume(self, handle: str) -> str:
        """`sha256:…` over the sorted tree of the volume. Raises NotFound."""
        ...

    def digest_snapshot(self, handle: str) -> str:
        """The same over a snapshot's tree. Raises NotFound."""
        ...
