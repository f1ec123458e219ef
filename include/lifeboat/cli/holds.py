"""Commands that keep a point whatever retention says: hold, release."""

from __future__ import annotations

from typing import Annotated

import typer

from lifeboat.cli.options import AsJson, Include, InstanceArg, Key, PointArg, VaultUrl
from lifeboat.cli.output import show_json, show_lines
from lifeboat.cli.source import Source
from lifeboat.cli.trail import leave
from lifeboat.clock import utc_now
from lifeboat.point import catalog
from lifeboat.point.audit import Deed
from lifeboat.steps.hold import hold as hold_point
from lifeboat.steps.hold import release as release_point


def hold(
    instance: InstanceArg,
    point: PointArg,
    reason: Annotated[str, typer.Option("--reason", help="why, for those who find it later")],
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Keep a point until it is released, whatever the policy's retention says."""
    opened = Source(include=include, vault_url=vault, key=key).vault(instance)
    chosen = catalog.find(opened, instance, point).point
    made = hold_point(opened, instance, chosen, reason, utc_now())
    leave(opened, Deed("hold", instance, chosen, made.reason))
    if as_json:
        show_json(made)
        return
    show_lines(
        [
            f"point {chosen} of {instance} is held: {made.reason}",
            f"let it go with: lifeboat release {instance} {chosen} --hold {made.id}",
        ]
    )


def release(
    instance: InstanceArg,
    point: PointArg,
    hold_id: Annotated[
        str, typer.Option("--hold", help="which hold, by its id; default the only one")
    ] = "",
    reason: Annotated[str, typer.Option("--reason", help="why it may go")] = "",
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """End a hold: from now on the policy's retention decides about the point again."""
    opened = Source(include=include, vault_url=vault, key=key).vault(instance)
    chosen = catalog.find(opened, instance, point).point
    leave(opened, Deed("release", instance, chosen, reason))
    ended = release_point(opened, instance, chosen, reason, utc_now(), hold_id)
    if as_json:
        show_json(ended)
        return
    show_lines([f"hold {ended.id} of point {chosen} is released; the next prune decides about it"])
