"""Which point a new one builds on: damage to old points never keeps new ones from being made."""

from __future__ import annotations

from dataclasses import dataclass

from lifeboat.errors import BlobMissing, Damaged, NewerFormat
from lifeboat.point import catalog, layout
from lifeboat.point.liveness import needed_by
from lifeboat.point.manifest import read_manifest
from lifeboat.vault.packs import stat_packs
from lifeboat.vault.vault import Vault


@dataclass(frozen=True)
class Footing:
    """The point to build on ("" for none), and packs of it whose records are to be stored anew."""

    point: str = ""
    sparse: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def find_footing(vault: Vault, instance: str) -> Footing:
    """The newest complete point whose trees can be read; what is gone of its packs, or was found
    damaged by scrub, is stored anew."""
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
        gone = packs - stat_packs(vault.store, packs).keys()
        damaged = packs & _found_damaged(vault, instance)
        for what, some in (("gone", gone), ("damaged", damaged - gone)):
            if some:
                warnings.append(f"{len(some)} packs of point {point} are {what}: stored anew")
        return Footing(point, tuple(sorted(gone | damaged)), tuple(warnings))
    return Footing(warnings=tuple(warnings))


def _found_damaged(vault: Vault, instance: str) -> set[str]:
    stats = vault.store.list(layout.damaged_packs(instance))
    return {layout.last_segment(stat.key) for stat in stats}
