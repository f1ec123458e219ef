"""Commands that prepare and explain: policy check, explain, preview, impact; vault init."""

from __future__ import annotations

from typing import Annotated

import typer

from lifeboat.cli.explained import describe_growth, describe_preview
from lifeboat.cli.options import AsJson, Include, InstanceArg
from lifeboat.cli.output import show_json, show_lines
from lifeboat.cli.plans import describe_impact
from lifeboat.cli.source import Source
from lifeboat.cli.trail import leave
from lifeboat.clock import utc_now
from lifeboat.errors import PolicyError
from lifeboat.point import catalog
from lifeboat.point.audit import Deed
from lifeboat.policy.explain import describe
from lifeboat.policy.instance import Instance
from lifeboat.policy.load import load_include
from lifeboat.policy.steady import steady_state
from lifeboat.report.growth import Growth, measure_growth
from lifeboat.steps.edit import edit_impact
from lifeboat.steps.preview import preview
from lifeboat.steps.retained import retention_points
from lifeboat.wiring import NoConnections, make_copy, make_vault

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
def explain(
    instance: InstanceArg,
    measured: Annotated[
        bool, typer.Option("--measured", help="with sizes, growth and cost from the vault's points")
    ] = False,
    include: Include = None,
    as_json: AsJson = False,
) -> None:
    """Say in words what a policy protects, how often, for how long, and what that comes to."""
    source = Source(include=include)
    chosen = source.instance(instance)
    growth = _growth(source, chosen) if measured else None
    if as_json:
        state = steady_state(chosen.policy)
        show_json({"instance": chosen.id, "steady": state, "growth": growth})
        return
    show_lines([describe(chosen)])
    if growth:
        show_lines(describe_growth(chosen, growth))


@policy_app.command("preview")
def preview_now(instance: InstanceArg, include: Include = None, as_json: AsJson = False) -> None:
    """Say what a policy selects in its cluster right now, without running it."""
    source = Source(include=include)
    chosen = source.instance(instance)
    found = preview(chosen.policy, *source.cluster_of(chosen.cluster))
    if as_json:
        show_json(found)
        return
    show_lines(describe_preview(found))


def _growth(source: Source, instance: Instance) -> Growth:
    vault = source.vault(instance.id)
    manifests = catalog.manifests(vault, instance.id)
    points = retention_points(vault, instance.id, manifests)
    return measure_growth(vault, instance, manifests, points, utc_now())


@policy_app.command("impact")
def impact(
    instance: InstanceArg,
    include: Include = None,
    as_json: AsJson = False,
) -> None:
    """Say which points go or stay because the policy was edited since the newest one."""
    source = Source(include=include)
    found = edit_impact(source.vault(instance), source.instance(instance), utc_now())
    if as_json:
        show_json(found)
        return
    show_lines(describe_impact(found))


@vault_app.command("init")
def init(
    name: Annotated[str, typer.Argument(help="the vault's name in clusters.yaml")] = "main",
    copy_of: Annotated[
        str, typer.Option("--copy-of", help="as a copy of this vault: same data key, own keys")
    ] = "",
    include: Include = None,
    as_json: AsJson = False,
) -> None:
    """Make a vault, or a copy of one, in the place that clusters.yaml names."""
    source = Source(include=include)
    entry = source.vault_entry(name)
    if copy_of:
        vault = make_copy(entry, source.vault_entry(copy_of), NoConnections())
    else:
        vault = make_vault(entry, NoConnections())
    leave(vault, Deed("make-vault", detail=f"a copy of {copy_of}" if copy_of else ""))
    if as_json:
        show_json(vault.header)
        return
    made = f"an empty copy of vault {vault.header.vault}" if copy_of else vault.header.vault
    show_lines(
        [
            f"made {made if copy_of else f'vault {made}'} in {vault.store.describe()}",
            "keep its key somewhere else too: without it nobody can read the vault. Best add a"
            " second one now: lifeboat vault key add (docs/keys.md)",
        ]
    )
