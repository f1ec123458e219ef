"""Commands that prepare and explain: policy check, policy explain, vault init."""

from __future__ import annotations

from typing import Annotated

import typer

from lifeboat.cli.options import AsJson, Include, InstanceArg
from lifeboat.cli.output import show_json, show_lines
from lifeboat.cli.source import Source
from lifeboat.errors import PolicyError
from lifeboat.policy.explain import describe
from lifeboat.policy.load import load_include, load_instance
from lifeboat.wiring import NoConnections, make_vault

policy_app = typer.Typer(no_args_is_help=True, help="Check and explain policies.")
vault_app = typer.Typer(no_args_is_help=True, help="Make a vault, and the keys that open it.")


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
    vault = make_vault(Source(include=include).vault_entry(name), NoConnections())
    if as_json:
        show_json(vault.header)
        return
    show_lines(
        [
            f"made vault {vault.header.vault} in {vault.store.describe()}",
            "keep its key somewhere else too: without it nobody can read the vault. Best add a"
            " second one now: lifeboat vault key add (docs/keys.md)",
        ]
    )
