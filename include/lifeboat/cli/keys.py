"""The keys of a vault: vault key list, add, remove, and vault new-key, new-identity.

Whichever key opens the vault today may add the next one. No secret is printed but by the two
commands that make one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from lifeboat.cli.options import AsJson, BareVault, Include
from lifeboat.cli.output import show_json, show_lines, show_table
from lifeboat.cli.source import Source
from lifeboat.cli.trail import leave
from lifeboat.clock import utc_now
from lifeboat.errors import UsageError
from lifeboat.point.audit import Deed
from lifeboat.vault.key_x25519 import Identity
from lifeboat.vault.keyring import KeyEntry
from lifeboat.vault.keys import Lock, generate_key, recipient_of
from lifeboat.wiring import NoConnections, keyring, unlock, vault_key

key_app = typer.Typer(no_args_is_help=True, help="Who can open a vault: list, add, remove keys.")

VaultName = Annotated[str, typer.Argument(help="the vault's name in clusters.yaml")]
CurrentKey = Annotated[
    str,
    typer.Option(
        "--key",
        help="a key that opens it today: env:NAME, file:/path or azurekv:https://…"
        " [the one in clusters.yaml]",
    ),
]
KeyFile = Annotated[
    Path | None, typer.Option("--file", help="write it here (0600) instead of printing it")
]


@key_app.command("list")
def list_keys(
    name: VaultName = "main",
    include: Include = None,
    vault: BareVault = "",
    key: CurrentKey = "",
    as_json: AsJson = False,
) -> None:
    """Show every wrapping: who holds its key, since when, and whether your key opens it."""
    entry = Source(include=include, vault_url=vault, key=key).vault_entry(name)
    entries = keyring(entry, NoConnections()).entries()
    if as_json:
        show_json({"wrappings": entries})
        return
    columns = ("ID", "LABEL", "METHOD", "CREATED", "YOURS", "KEY")
    show_table(columns, (_row(found) for found in entries))
    show_lines(f"{found.id}: {found.problem}" for found in entries if found.problem)


@key_app.command("add")
def add(
    name: VaultName = "main",
    label: Annotated[str, typer.Option(help="who holds the new key, such as: ops laptop")] = "",
    new: Annotated[
        str, typer.Option("--new", help="the new key: env:NAME, file:/path or azurekv:https://…")
    ] = "",
    recipient: Annotated[
        str, typer.Option(help="lifeboat-recipient-1:…, for a holder whose identity is elsewhere")
    ] = "",
    include: Include = None,
    vault: BareVault = "",
    key: CurrentKey = "",
    as_json: AsJson = False,
) -> None:
    """Let one more key open the vault. No data is rewritten; every other key stays."""
    if bool(new) == bool(recipient):
        raise UsageError("give the new key by exactly one of --new and --recipient")
    entry = Source(include=include, vault_url=vault, key=key).vault_entry(name)
    lock: Lock | str
    lock = recipient_of(recipient) if recipient else vault_key(entry, NoConnections(), new)
    if isinstance(lock, str):
        raise UsageError("the new key is empty")
    trail = unlock(entry, NoConnections(), read_only=True)
    added, opened = keyring(entry, NoConnections()).add(lock, label, utc_now)
    leave(trail, Deed("key-add", subject=added.id, detail=f"{added.label}, {added.method}"))
    if as_json:
        show_json({"wrapping": added, "opened": opened})
        return
    proof = (
        "the new key was tried: it opens the vault"
        if opened
        else "it was read back unchanged; only the identity can open it, so let its holder try:"
        " lifeboat vault key list with that key"
    )
    show_lines([f"added {added.id} ({added.label}, {added.method})", proof])


@key_app.command("remove")
def remove(
    ident: Annotated[str, typer.Argument(metavar="ID", help="as `vault key list` shows it")],
    name: VaultName = "main",
    force: Annotated[
        bool, typer.Option("--force", help="even if your key then opens nothing any more")
    ] = False,
    include: Include = None,
    vault: BareVault = "",
    key: CurrentKey = "",
    as_json: AsJson = False,
) -> None:
    """Remove a wrapping. It takes nothing from who kept a copy: see what it prints."""
    entry = Source(include=include, vault_url=vault, key=key).vault_entry(name)
    leave(unlock(entry, NoConnections(), read_only=True), Deed("key-remove", subject=ident))
    removed = keyring(entry, NoConnections()).remove(ident, force=force)
    if as_json:
        show_json({"removed": removed})
        return
    show_lines(
        [
            f"removed {removed.id} ({removed.label or 'no label'})",
            "That key opens this store no more. But the data key is what it was: who opened the"
            " vault before and kept the data key, or has a copy of the wrapping (a store with"
            " versions or soft delete keeps one) and the key, can still read every point, new"
            " ones too.",
            "If the key leaked, make a new vault: docs/keys.md, When a key leaks.",
        ]
    )


def new_key(file: KeyFile = None) -> None:
    """Generate a key that no one can guess."""
    key = generate_key()
    if file is None:
        show_lines([key])
        return
    _write(file, key)
    show_lines([f"wrote {file}; whoever loses it loses the vault"])


def new_identity(file: KeyFile = None) -> None:
    """Generate an identity, which opens, and its recipient, which is enough to add it."""
    identity = Identity.generate()
    if file is None:
        show_lines([identity.text()])
    else:
        _write(file, identity.text())
        show_lines([f"wrote {file}: the identity, which opens the vault; keep it offline"])
    show_lines([identity.recipient.text()])


def _write(file: Path, secret: str) -> None:
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from None
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(secret + "\n")


def _row(entry: KeyEntry) -> tuple[str, ...]:
    yours = {True: "opens", False: "", None: "unknown"}[entry.opens]
    return (entry.id, entry.label, entry.method, entry.created, yours, entry.public)
