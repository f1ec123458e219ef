"""Notes what belongs to a new point and is no object of it, after the point is there.

Nothing here can take the point away again: what cannot be asked is noted as that.
"""

from __future__ import annotations

from collections.abc import Callable

from lifeboat.errors import LifeboatError
from lifeboat.point.context import DEFINITION, IMAGES, Definition, ImageStates, note
from lifeboat.point.images import read_images
from lifeboat.point.manifest import Manifest, open_contents
from lifeboat.steps.check_images import check_images, describe, lost
from lifeboat.steps.context import Context

Say = Callable[[str], None]


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
