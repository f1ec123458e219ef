"""Asks registries whether the images of a point can still be had."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from lifeboat.point.context import ImageState
from lifeboat.point.images import ImageName, ImageUse, parse_image
from lifeboat.ports.parallel import each
from lifeboat.ports.registry import Answer, Registries

_AT_ONCE = 4  # registries count requests of one address
LOST = ("gone", "refused")


def check_images(registries: Registries, uses: Iterable[ImageUse]) -> list[ImageState]:
    """What can be had of each image: as it is written, and as it ran. Raises nothing of registries;
    `state` is there, moved, gone, refused or unknown (docs/context.md)."""
    return list(each(_AT_ONCE, partial(_check, registries), uses))


def lost(states: Iterable[ImageState]) -> list[ImageState]:
    """Those that a restore could not pull."""
    return [state for state in states if state.state in LOST]


def describe(state: ImageState) -> str:
    return f"{state.image}: {state.state}" + (f", {state.reason}" if state.reason else "")


def _check(registries: Registries, use: ImageUse) -> ImageState:
    name = parse_image(use.image)
    if name.digest:
        return _told(use, _look(registries, name, name.digest))
    tagged = _look(registries, name, name.tag)
    if tagged.found not in ("there", "gone"):
        return _told(use, tagged)
    if tagged.digest in use.digests or not use.digests:
        return _told(use, tagged)
    for digest in use.digests:
        ran = _look(registries, name, digest)
        if ran.found != "there":
            reason = f"the tag is {_of(tagged)}; {digest} ran: {ran.reason}"
            return ImageState(use.image, ran.found, reason, digest)
    # A registry may name the index by its tag where the kubelet told the image within.
    if tagged.found == "there" and not tagged.digest:
        return _told(use, tagged)
    reason = f"the tag is {_of(tagged)}; what ran can be had by its digest"
    return ImageState(use.image, "moved", reason, use.digests[0])


def _of(tagged: Answer) -> str:
    return "at another digest now" if tagged.found == "there" else "gone"


def _look(registries: Registries, name: ImageName, reference: str) -> Answer:
    return registries.look(name.host, name.repository, reference)


def _told(use: ImageUse, answer: Answer) -> ImageState:
    return ImageState(use.image, answer.found, answer.reason, answer.digest)
