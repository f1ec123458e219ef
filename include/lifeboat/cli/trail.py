"""The audit trail from a terminal: the command that prints it, and what other commands leave."""

from __future__ import annotations

import socket
from getpass import getuser
from typing import Annotated

import typer

from lifeboat.cli.options import AsJson, BareVault, Include, Key
from lifeboat.cli.output import show_json, show_lines, show_table
from lifeboat.cli.source import Source
from lifeboat.clock import Clock, utc_now
from lifeboat.errors import Damaged, UsageError
from lifeboat.point.audit import ACTIONS, Actor, Deed, Event, read, record
from lifeboat.restore.request import parse_moment
from lifeboat.steps.context import Custody
from lifeboat.vault.vault import Vault
from lifeboat.wiring import NoConnections, unlock

_COLUMNS = ("AT", "WHO", "ACTION", "INSTANCE", "SUBJECT", "DETAIL")


def audit(
    name: Annotated[str, typer.Argument(help="the vault's name in clusters.yaml")] = "main",
    since: Annotated[str, typer.Option(help="not before this time (RFC 3339)")] = "",
    instance: Annotated[str, typer.Option(help="only of this instance: shop.local")] = "",
    action: Annotated[str, typer.Option(help=f"only this: {', '.join(ACTIONS)}")] = "",
    include: Include = None,
    vault: BareVault = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Tell who triggered, approved and deleted what, oldest first."""
    if action and action not in ACTIONS:
        raise UsageError(f"--action {action} is never recorded", hint=f"one of {_words()}")
    entry = Source(include=include, vault_url=vault, key=key).vault_entry(name)
    opened = unlock(entry, NoConnections(), read_only=True)
    events: list[Event] = []
    unreadable: list[str] = []
    for at, event in read(opened, parse_moment(since)):
        if event is None:
            unreadable.append(at)
        elif instance in ("", event.instance) and action in ("", event.action):
            events.append(event)
    if as_json:
        show_json({"events": events, "unreadable": unreadable})
    else:
        show_table(_COLUMNS, map(_row, events))
        show_lines(f"DAMAGED {at}" for at in unreadable)
    if unreadable:
        raise typer.Exit(Damaged.exit_code)


def login() -> str:
    """Who sits here, as far as this machine knows."""
    try:
        return getuser()
    except (OSError, KeyError):
        return ""


def leave(vault: Vault, deed: Deed, clock: Clock = utc_now) -> None:
    """One event of the audit trail, by whoever sits here."""
    record(vault, _actor(), deed, clock())


def leave_at(place: Custody, action: str, subject: str = "", detail: str = "") -> None:
    """One event about an instance; locked, where the store can, as long as its points are."""
    retention, now = place.instance.policy.retention, place.clock()
    deed = Deed(action, place.instance.id, subject, detail)
    record(place.vault, _actor(), deed, now, retention.locked_until(now))


def _actor() -> Actor:
    return Actor(who=f"{login() or 'somebody'}@{socket.gethostname()}", how="terminal")


def _words() -> str:
    return ", ".join(ACTIONS)


def _row(event: Event) -> tuple[str, ...]:
    who = event.who or f"{event.trigger or 'nobody'} run"
    return (event.at, who, event.action, event.instance, event.subject, event.detail)
