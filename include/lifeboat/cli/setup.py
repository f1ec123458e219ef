"""Commands that prepare and explain: policy check, policy explain, vault init, vault new-key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from lifeboat.cli.options import AsJson, Include, InstanceArg
from lifeboat.cli.output import show_json, show_lines
from lifeboat.cli.source import Source, vault_entry
from lifeboat.errors import PolicyError, UsageError
from lifeboat.policy.explain import describe
from lifeboat.policy.load import load_include, load_instance
from lifeboat.vault.keys import generate_key
from lifeboat.wiring import NoConnections, make_vault

policy_app = typer.Typer(no_args_is_help=True, help="Check and explain policies.")
vault_app = typer.Typer(no_args_is_help=True, help="Make a vault, or a key for one.")


@policy_app.command("check")
def check(include: Include = None, as_json: AsJson = False) -> None:
    """Read every policy file and name everything that is wrong with it."""
    found = load_include(Source(include=include).folder)
    if found.problems:
        raise PolicyError(list(found.problems))
    if as_json:
        show_json({"instances": [instance.id for instance in found.instances]})
        return
    show_lines(f"ok  {instance.id}  {instance.source}" for instance in found.instances)
    show_lines([f"{len(found.instances)} instances, nothing wrong"])


@policy_app.command("explain")
def explain(instance: InstanceArg, include: Include = None) -> None:
    """Say in words what a policy protects, how often, and for how long it keeps it."""
    show_lines([describe(load_instance(Source(include=include).folder, instance))])


@vault_app.command("init")
def init(
    name: Annotated[str, typer.Argument(help="the vault's name in clusters.yaml")] = "main",
    include: Include = None,
    as_json: AsJson = False,
) -> None:
    """Make a vault in the place that clusters.yaml names."""
    vault = make_vault(vault_entry(Source(include=include).folder, name), NoConnections())
    if as_json:
        show_json(vault.header)
        return
    show_lines(
        [
            f"made vault {vault.header.vault} in {vault.store.describe()}",
            "keep its key somewhere else too: without it nobody can read the vault",
        ]
    )


@vault_app.command("new-key")
def new_key(
    file: Annotated[
        Path | None, typer.Option("--file", help="write it here (0600) instead of printing it")
    ] = None,
) -> None:
    """Generate a key that no one can guess."""
    key = generate_key()
    if file is None:
        show_lines([key])
        return
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from None
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(key + "\n")
    show_lines([f"wrote {file}; whoever loses it loses the vault"])
