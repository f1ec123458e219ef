"""Notes what belongs to a new point and is no object of it, after the point is there.

Nothing here can take the point away again: what cannot be asked is noted as that.
"""

from __future__ import annotations

from collections.abc import Callable

from lifeboat.errors import LifeboatError
from lifeboat.point.context import DEFINITION, Definition, note
from lifeboat.point.manifest import Manifest
from lifeboat.steps.context import Context

Say = Callable[[str], None]


def note_context(context: Context, manifest: Manifest, say: Say) -> None:
    """Ask and write what differs from the note before; told in words. Raises nothing of ours."""
    try:
        _note_definition(context, manifest, say)
    except LifeboatError as error:  # the vault refuses: the point is whole all the same
        say(f"warning: the context of {manifest.point} was not noted: {error.message}")


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
