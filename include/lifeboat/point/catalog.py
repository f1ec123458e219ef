"""The catalog: what points there are, straight from the vault's listing. No database (P5)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial

from lifeboat.clock import parse_rfc3339
from lifeboat.errors import Damaged, LifeboatError, NewerFormat, UsageError
from lifeboat.point import layout
from lifeboat.point.ident import check_point_id, stamp
from lifeboat.point.manifest import Manifest, read_manifest
from lifeboat.ports.store import each_of
from lifeboat.vault.vault import Vault


def instances(vault: Vault) -> list[str]:
    """Every instance that ever wrote a point into this vault.

    Lists every document of every instance, since the store port knows no folders; asked for by
    reconcile and by error messages alone, which is not worth a method of the port.
    """
    names: set[str] = set()
    for stat in vault.store.list(layout.ROOT):
        names.add(stat.key.removeprefix(layout.ROOT).split("/", 1)[0])
    return sorted(names)


def point_ids(vault: Vault, instance: str) -> list[str]:
    """Ids of the committed points, oldest first; one listing, nothing is read."""
    return [layout.last_segment(stat.key) for stat in vault.store.list(layout.points(instance))]


def manifests(vault: Vault, instance: str) -> list[Manifest]:
    """All manifests, oldest first. Raises Damaged at the first that cannot be read."""
    read = partial(read_manifest, vault, instance)
    return list(each_of(vault.store, read, point_ids(vault, instance)))


def readable(
    vault: Vault, instance: str, points: Iterable[str] | None = None
) -> tuple[list[Manifest], dict[str, str]]:
    """All manifests, or those of `points`, that can be read, oldest first, and why the others
    cannot, by point. A point that a prune removes meanwhile is in neither."""
    found, damaged = [], {}
    wanted = point_ids(vault, instance) if points is None else sorted(points)

    def read(point: str) -> Manifest | LifeboatError:
        try:
            return read_manifest(vault, instance, point)
        except (Damaged, NewerFormat, UsageError) as error:
            return error

    for point, manifest in zip(wanted, each_of(vault.store, read, wanted), strict=True):
        if isinstance(manifest, Manifest):
            found.append(manifest)
        elif not isinstance(manifest, UsageError):
            damaged[point] = manifest.message
    return found, damaged


def newest(vault: Vault, instance: str, *, complete: bool = True) -> Manifest | None:
    """The newest point, by default the newest complete one; reads as few manifests as it can."""
    for point in reversed(point_ids(vault, instance)):
        manifest = read_manifest(vault, instance, point)
        if manifest.complete or not complete:
            return manifest
    return None


def find(vault: Vault, instance: str, point: str = "", before: datetime | None = None) -> Manifest:
    """The point of this id; without one the newest complete point, or the newest of those captured
    before a moment. Raises UsageError saying what there is."""
    if point and point != "latest":
        return read_manifest(vault, instance, check_point_id(point))
    limit = stamp(before) if before else "~"
    for candidate in reversed(point_ids(vault, instance)):
        if candidate < limit:
            manifest = read_manifest(vault, instance, candidate)
            early = before is None or parse_rfc3339(manifest.captured_to) <= before
            if manifest.complete and early:
                return manifest
    when = f" captured before {before:%Y-%m-%d %H:%M %Z}" if before else ""
    raise UsageError(
        f"{instance} has no complete recovery point{when}",
        hint=f"`lifeboat points {instance}` lists what there is; name one to restore it anyway",
    )
