"""Which point a new one builds on: damage to old points never keeps new ones from being made."""

from __future__ import annotations

from dataclasses import dataclass

from lifeboat.errors import BlobMissing, Damaged, NewerFormat
from lifeboat.point import catalog
from lifeboat.point.liveness import needed_by, stored_blobs
from lifeboat.point.manifest import read_manifest
from lifeboat.vault.packs import pack_key
from lifeboat.vault.vault import Vault


@dataclass(frozen=True)
class Footing:
    """The point to build on ("" for none), and packs of it whose records are to be stored anew."""

    point: str = ""
    sparse: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def find_footing(vault: Vault, instance: str) -> Footing:
    """The newest complete point whose trees can be read; what is gone of its packs is stored anew.

    A pack that a late listing does not show costs a second copy of its records, nothing else.
    """
    warnings: list[str] = []
    for point in reversed(catalog.point_ids(vault, instance)):
        try:
            manifest = read_manifest(vault, instance, point)
            if not manifest.complete:
                continue
            packs = needed_by(vault, [manifest]).packs
        except (Damaged, NewerFormat, BlobMissing) as error:
            warnings.append(f"not built on point {point}: {error.message}")
            continue
        stored = stored_blobs(vault)
        gone = tuple(sorted(pack for pack in packs if pack_key(pack) not in stored))
        if gone:
            warnings.append(f"{len(gone)} packs of point {point} are gone: stored anew")
        return Footing(point, gone, tuple(warnings))
    return Footing(warnings=tuple(warnings))
