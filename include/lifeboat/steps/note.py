"""Notes what belongs to a new point and is no object of it, after the point is there.

Nothing here can take the point away again: what cannot be asked is noted as that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

from lifeboat.errors import LifeboatError
from lifeboat.point.context import (
    DEFINITION,
    EXPOSURE,
    IMAGES,
    SERVED,
    Definition,
    ImageStates,
    Served,
    note,
)
from lifeboat.point.exposure import Exposure
from lifeboat.point.images import read_images
from lifeboat.point.manifest import Manifest, open_contents
from lifeboat.policy.model import Policy
from lifeboat.steps.check_images import check_images, describe, lost
from lifeboat.steps.context import Context
from lifeboat.steps.unprotected import Coverage, find_unprotected

Say = Callable[[str], None]

NAMED = 500
"""Namespaces, and volumes, that a note names; the others it counts."""


def note_context(context: Context, manifest: Manifest, say: Say) -> None:
    """Ask and write what differs from the note before; told in words. Raises nothing of ours."""
    for noting in (_note_definition, _note_images):
        try:
            noting(context, manifest, say)
        except LifeboatError as error:  # the vault refuses: the point is whole all the same
            say(f"warning: not everything about {manifest.point} was noted: {error.message}")


def _note_definition(context: Context, manifest: Manifest, say: Say) -> None:
    if context.definitions is None:
        return
    try:
        found = context.definitions.read()
        said = Definition(found.api_version, found.cluster, found.node_pools)
    except LifeboatError as error:
        say(f"warning: the cluster's definition was not read: {error.message}")
        said = Definition(unread=error.message)
    new = note(context.vault, manifest.instance, DEFINITION, manifest.point, said)
    say(f"the cluster's definition {'was noted' if new else 'is as it was'}")


def _note_images(context: Context, manifest: Manifest, say: Say) -> None:
    if context.registries is None:
        return
    uses = read_images(open_contents(context.vault, manifest))
    states = check_images(context.registries, uses)
    for state in lost(states):
        say(f"warning: image {describe(state)}")
    new = note(context.vault, manifest.instance, IMAGES, manifest.point, ImageStates(tuple(states)))
    say(f"{len(states)} images: what registries say {'was noted' if new else 'is as it was'}")


def note_served(context: Context, manifest: Manifest, say: Say) -> None:
    """Note in which versions the API server serves each kind, if that differs from the note before:
    with the cluster gone nobody else can tell. Raises nothing of ours."""
    try:
        kinds = context.cluster.discover().kinds
        said = Served({kind.resource: kind.versions or (kind.version,) for kind in sorted(kinds)})
    except LifeboatError as error:
        say(f"warning: what the cluster serves is not known: {error.message}")
        said = Served(unread=error.message)
    try:
        note(context.vault, manifest.instance, SERVED, manifest.point, said)
    except LifeboatError as error:
        say(f"warning: what the cluster serves was not noted: {error.message}")


def note_exposure(
    context: Context, manifest: Manifest, policies: Sequence[Policy], say: Say
) -> None:
    """Note what none of the `policies` of the point's cluster protects there now, if that differs
    from the note before. Raises nothing of ours."""
    names = tuple(policy.name for policy in policies)
    try:
        said = _exposed(names, find_unprotected(policies, context.cluster, context.disks))
    except LifeboatError as error:
        say(f"warning: what no policy protects is not known: {error.message}")
        said = Exposure(names, unread=error.message)
    try:
        note(context.vault, manifest.instance, EXPOSURE, manifest.point, said)
    except LifeboatError as error:
        say(f"warning: what no policy protects was not noted: {error.message}")
        return
    if not said.unread:
        open_ones = len(said.namespaces) + len(said.volumes) + said.unnamed
        say(f"{open_ones} namespaces and volumes of the cluster are in no policy")


def _exposed(policies: tuple[str, ...], found: Coverage) -> Exposure:
    spaces = [space for space in found.namespaces if not space.system]
    volumes = [volume for volume in found.volumes if not volume.system]
    return Exposure(
        policies=policies,
        protected=found.protected,
        snapshotted=found.snapshotted,
        namespaces=tuple(islice(spaces, NAMED)),
        volumes=tuple(islice(volumes, NAMED)),
        unnamed=max(0, len(spaces) - NAMED) + max(0, len(volumes) - NAMED),
    )
