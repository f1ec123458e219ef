"""How far apart in time the parts of a point are: its objects' window, its volumes' skew.

A point is no photograph. Objects are listed kind after kind, volumes are cut one after the other;
what a restore has to live with is told here. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from lifeboat.clock import parse_rfc3339
from lifeboat.ports.disks import StoredSnapshot


class Listed(msgspec.Struct, frozen=True):
    """When objects were listed: just before the first request, and at the last page (RFC 3339).
    `lowest` and `highest` are the resourceVersions that the lists are of, empty where they are not
    numbers: Kubernetes compares them so (KEP-5504)."""

    first: str
    last: str
    lowest: str = ""
    highest: str = ""


class Cuts(msgspec.Struct, frozen=True):
    """When volumes were cut, by their driver's own clock (RFC 3339, whole seconds)."""

    first: str
    last: str
    seconds: int


class Capture(msgspec.Struct, frozen=True):
    """What a manifest tells; None where there was nothing to list or to cut."""

    listed: Listed | None = None
    cuts: Cuts | None = None


def listed(versions: Iterable[str], first: str, last: str) -> Listed:
    """The window of one share of the dump."""
    numbers = [int(version) for version in versions if version.isdecimal()]
    if not numbers:
        return Listed(first, last)
    return Listed(first, last, str(min(numbers)), str(max(numbers)))


def joined(windows: Iterable[Listed | None]) -> Listed | None:
    """The window of all shares together."""
    known = [window for window in windows if window is not None]
    if not known:
        return None
    return listed(
        (version for window in known for version in (window.lowest, window.highest)),
        min(window.first for window in known),
        max(window.last for window in known),
    )


def cuts(snapshots: Iterable[StoredSnapshot]) -> Cuts | None:
    """From the first cut to the last; snapshots of which nobody knows when do not count."""
    created = sorted((one.created for one in snapshots if one.created), key=parse_rfc3339)
    if not created:
        return None
    apart = parse_rfc3339(created[-1]) - parse_rfc3339(created[0])
    return Cuts(created[0], created[-1], int(apart.total_seconds()))


def describe(capture: Capture) -> list[str]:
    """Lines for people."""
    lines = []
    if capture.listed:
        window = capture.listed
        versions = f", resourceVersion {window.lowest} to {window.highest}" if window.lowest else ""
        lines.append(f"objects were listed from {window.first} to {window.last}{versions}")
    if capture.cuts:
        apart = capture.cuts
        when = f"from {apart.first} to {apart.last}, {apart.seconds} s apart"
        lines.append(f"volumes were cut {when if apart.seconds else f'at {apart.first}'}")
    return lines
