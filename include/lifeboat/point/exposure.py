"""What no policy protects in a cluster, as the run of a point found it: a note beside the point
(context.py), so that it can be told without the cluster."""

from __future__ import annotations

import msgspec


class OpenSpace(msgspec.Struct, frozen=True):
    """A namespace that no policy selects whole. `reasons` are by policy, and empty where none looks
    at the cluster; `partly` are the policies that take some of its objects. `system` tells that it
    belongs to the cluster itself, which a new cluster brings along."""

    namespace: str
    system: bool
    reasons: dict[str, str]
    partly: tuple[str, ...] = ()


class OpenVolume(msgspec.Struct, frozen=True):
    """A claim (`namespace/claim`) of which no policy takes a snapshot, and why, by policy."""

    volume: str
    system: bool
    reasons: dict[str, str]


class Exposure(msgspec.Struct, frozen=True):
    """Of all `policies` of one cluster together. `protected` counts namespaces that are selected
    whole, `snapshotted` volumes; the others are named, without those of the system. `unnamed` are
    so many more than a note names. `unread` says why the cluster could not be asked."""

    policies: tuple[str, ...]
    protected: int = 0
    snapshotted: int = 0
    namespaces: tuple[OpenSpace, ...] = ()
    volumes: tuple[OpenVolume, ...] = ()
    unnamed: int = 0
    unread: str = ""
