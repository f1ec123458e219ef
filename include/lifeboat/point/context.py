"""Notes beside points: what a rebuilt cluster needs and no object of a point says.

A note of a topic is written only where it differs from the one before, and holds for its point and
every later one up to the next note. So an hourly point costs none while nothing changes. A restore
needs no note; one that is damaged takes nothing from its point.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import pairwise
from typing import TypeVar

import msgspec

from lifeboat.errors import BlobMissing, Damaged
from lifeboat.point import layout
from lifeboat.vault.vault import Vault

DEFINITION = "aks"
IMAGES = "images"
FIGURES = "figures"
EXPOSURE = "unprotected"
SERVED = "served"
TOPICS = (DEFINITION, IMAGES, FIGURES, EXPOSURE, SERVED)

T = TypeVar("T")


class Definition(msgspec.Struct, frozen=True):
    """The managed cluster's own definition, without secrets, as Azure Resource Manager gives it in
    `api_version`; `unread` says why there is none."""

    api_version: str = ""
    cluster: dict[str, object] = {}
    node_pools: list[dict[str, object]] = []
    unread: str = ""


class Served(msgspec.Struct, frozen=True):
    """Every kind that the API server served (`deployments.apps`) with all its versions, preferred
    first; `unread` says why that is not known."""

    kinds: dict[str, tuple[str, ...]] = {}
    unread: str = ""


class ImageState(msgspec.Struct, frozen=True):
    """What a registry said of one image when it was asked: `state` is there, moved, gone, refused
    or unknown (docs/context.md)."""

    image: str
    state: str
    reason: str = ""
    digest: str = ""


class ImageStates(msgspec.Struct, frozen=True):
    """Every image of a point with what its registry said."""

    images: tuple[ImageState, ...] = ()


class Figure(msgspec.Struct, frozen=True):
    """A number or a digest (`sha256:…`) that a command gave at the backup; `unread` says why there
    is none."""

    value: str = ""
    unread: str = ""


class Figures(msgspec.Struct, frozen=True):
    """What test restores are held against, by the check's title."""

    figures: dict[str, Figure] = {}


def note(vault: Vault, instance: str, topic: str, point: str, said: object) -> bool:
    """Write what is so as of a point, unless the note before says the same; whether it was written.
    A second attempt changes nothing."""
    before = _noted(vault, instance, topic, point)
    if before and (before == point or _same(vault, instance, topic, before, said)):
        return False
    vault.settle_document(layout.note(instance, topic, point), said, type(said))
    return True


def noted(
    vault: Vault, instance: str, topic: str, point: str, shape: type[T]
) -> tuple[str, T] | None:
    """What holds for a point, with the point that it was first written for; None when nothing was
    noted by then. Raises Damaged."""
    found = _noted(vault, instance, topic, point)
    if not found:
        return None
    return found, vault.get_document(layout.note(instance, topic, found), shape)


def unneeded_notes(vault: Vault, instance: str, points: Iterable[str]) -> list[str]:
    """Keys of notes that hold for none of these points. The newest of a topic always stays: a point
    that is being made may rely on it."""
    there = sorted(points)
    found = []
    for topic in TOPICS:
        stats = list(vault.store.list(layout.notes(instance, topic)))
        for stat, after in pairwise(stats):
            since = layout.last_segment(stat.key)
            until = layout.last_segment(after.key)
            if bisect_left(there, since) == bisect_left(there, until):
                found.append(stat.key)
    return found


def _noted(vault: Vault, instance: str, topic: str, point: str) -> str:
    """The point of the note that holds for this one, empty when there is none."""
    notes = [layout.last_segment(s.key) for s in vault.store.list(layout.notes(instance, topic))]
    before = bisect_right(notes, point)
    return notes[before - 1] if before else ""


def _same(vault: Vault, instance: str, topic: str, point: str, said: object) -> bool:
    try:
        return vault.get_document(layout.note(instance, topic, point), type(said)) == said
    except (BlobMissing, Damaged):  # write it anew: the next points need a whole one
        return False
