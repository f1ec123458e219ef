"""Versions that the target does not serve, and which one is taken instead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")
_LEVELS = {"alpha": 0, "beta": 1, None: 2}


def nearest(captured: str, served: Sequence[str]) -> str:
    """The served version to restore at: the captured one; else the oldest stable one that is newer,
    to which the API server keeps conversions; else the newest that is older, which knows no field
    that the captured one lacks the meaning of. `served` is not empty."""
    if captured in served:
        return captured
    rank = _rank(captured)
    older = [version for version in served if _rank(version) < rank]
    newer = [version for version in served if _rank(version) > rank]
    stable = [version for version in newer if _rank(version)[0] == _LEVELS[None]]
    if stable:
        return min(stable, key=_rank)
    return max(older, key=_rank) if older else min(newer, key=_rank)


def served_warnings(versions: Mapping[tuple[str, str, str], int]) -> Iterator[str]:
    """`versions`: objects by kind, captured and restored version."""
    for (kind, captured, restored), number in sorted(versions.items()):
        how = "down to" if _rank(restored) < _rank(captured) else "as"
        yield (
            f"{kind}: the target does not serve {captured}; {number} objects are restored"
            f" {how} {restored}, which may not know all of their fields"
        )


def _rank(version: str) -> tuple[int, int, int]:
    """Kubernetes' version priority (CompareKubeAwareVersionStrings of k8s.io/apimachinery); what is
    no version comes first."""
    found = _VERSION.fullmatch(version)
    if not found:
        return (-1, 0, 0)
    major, level, minor = found.groups()
    return (_LEVELS[level], int(major), int(minor or 0))
