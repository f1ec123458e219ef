"""The command that copies points to further vaults. Needs no cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from lifeboat.cli.options import AsJson, Include, InstanceArg
from lifeboat.cli.output import say, show_json, show_lines, size
from lifeboat.cli.source import Source
from lifeboat.cli.trail import leave_at
from lifeboat.errors import LifeboatError, UsageError
from lifeboat.policy.instance import CopyPlace, Instance
from lifeboat.steps.copy import Copied, copy_points, ensure_copied
from lifeboat.wiring import NoConnections, open_copy, unlock


def copy(
    instance: InstanceArg,
    point: Annotated[
        str, typer.Option("--point", help="only this point, whatever the copy's retention says")
    ] = "",
    to: Annotated[
        str, typer.Option("--to", help="only this copy, by its name; default all of the policy")
    ] = "",
    origin: Annotated[
        str, typer.Option("--from", help="read this copy instead of the policy's vault")
    ] = "",
    include: Include = None,
    as_json: AsJson = False,
) -> None:
    """Copy every point that a copy lacks to the policy's further vaults."""
    source = Source(include=include)
    found = _read_from(source.instance(instance), origin)
    first = unlock(found.vault, NoConnections(), read_only=True)
    done: list[Copied] = []
    failure: LifeboatError | None = None
    for place in _places(found, to):
        try:
            there = open_copy(found, place, NoConnections())
            leave_at(there, "copy", point, f"from {found.vault.name}")
            copied = copy_points(first, there, say, point)
            done.append(copied)
            ensure_copied(copied)
        except LifeboatError as error:
            error.message = f"{place.vault.name}: {error.message}"
            say(f"error: {error.message}")
            failure = failure or error  # the other copies are not kept waiting
    if as_json:
        show_json(done)
    else:
        show_lines(line for copied in done for line in describe_copied(copied))
    if failure:
        raise failure


def describe_copied(copied: Copied) -> list[str]:
    """What was copied, and what a copy does not hold."""
    lines = [
        f"{copied.vault}: {len(copied.points)} points copied ({copied.blobs} blobs,"
        f" {size(copied.bytes)}); it has {copied.there}"
    ]
    lines += [f"warning    {warning}" for warning in copied.warnings]
    lines += [f"NOT COPIED {what}: {why}" for what, why in copied.failed.items()]
    if copied.volumes:
        lines.append(
            f"the points name {copied.volumes} volume snapshots, whose data lies beside the disks"
            " and was not copied"
        )
    return lines


def _read_from(instance: Instance, origin: str) -> Instance:
    """The instance with the vault to read from in first place, and the policy's among its copies:
    so points come home."""
    if origin in ("", instance.vault.name):
        return instance
    chosen = [place for place in instance.copies if place.vault.name == origin]
    if not chosen:
        raise _unknown(instance, "--from", origin)
    home = CopyPlace(instance.vault, instance.policy.retention)
    others = tuple(place for place in instance.copies if place.vault.name != origin)
    return replace(instance, vault=chosen[0].vault, copies=(home, *others))


def _places(instance: Instance, to: str) -> tuple[CopyPlace, ...]:
    if not instance.copies:
        raise UsageError(
            f"the policy of {instance.id} has no copies",
            hint="name a further vault in its copies: section (docs/copies.md)",
        )
    chosen = tuple(place for place in instance.copies if to in ("", place.vault.name))
    if not chosen:
        raise _unknown(instance, "--to", to)
    return chosen


def _unknown(instance: Instance, option: str, name: str) -> UsageError:
    known = ", ".join(place.vault.name for place in instance.copies) or "none"
    return UsageError(
        f"{option} {name}: {instance.id} has no copy there", hint=f"its copies are {known}"
    )
