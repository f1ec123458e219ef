"""`lifeboat`: the engine from a terminal, without Airflow.

Two ways to say what to work on: by the files (`--include`, an instance such as `shop.local`), or
with nothing but the vault (`--vault`, `--key`, `--kubeconfig`), for the day all else is gone.
Errors print one message with the next step and end with the exit code of their class (errors.py).
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lifeboat import __version__
from lifeboat.cli import (
    clusters,
    contents,
    context,
    copy,
    diff,
    fleet,
    holds,
    keys,
    metrics,
    points,
    pools,
    proof,
    restoring,
    setup,
    standby,
    thaw,
    trail,
    transforms,
    upkeep,
    vault_check,
)
from lifeboat.cli.output import show_error
from lifeboat.errors import LifeboatError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Recovery points of Kubernetes clusters, and the proof that they restore.",
)
app.command()(points.backup)
app.command()(thaw.thaw)
app.command()(points.points)
app.command()(points.show)
app.command()(contents.contents)
app.command()(contents.get)
app.command()(context.context)
app.command()(context.owners)
app.command()(context.images)
app.command()(diff.diff)
app.command()(restoring.restore)
app.command()(restoring.approve)
app.command()(proof.prove)
app.command("test-restore", hidden=True)(proof.prove)  # its name before 1.1
app.command()(proof.rehearse)
app.command()(proof.coverage)
app.command()(copy.copy)
app.command()(holds.hold)
app.command()(holds.release)
app.command()(trail.audit)
app.command()(metrics.metrics)
app.command()(pools.pools)
app.command("copy-regions")(upkeep.copy_regions)
app.command()(upkeep.prune)
app.command()(upkeep.reconcile)
app.command()(upkeep.scrub)
app.add_typer(setup.policy_app, name="policy")
app.add_typer(transforms.transform_app, name="transform")
app.add_typer(clusters.clusters_app, name="clusters")
app.command()(standby.failover)
app.command()(standby.failback)
app.add_typer(standby.standby_app, name="standby")
app.add_typer(fleet.fleet_app, name="fleet")
setup.vault_app.command("check")(vault_check.check)
app.add_typer(setup.vault_app, name="vault")
setup.vault_app.command("new-key")(keys.new_key)
setup.vault_app.command("new-identity")(keys.new_identity)
setup.vault_app.add_typer(keys.key_app, name="key")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lifeboat {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """Recovery points of Kubernetes clusters, and the proof that they restore."""


def main() -> None:
    """The console script."""
    try:
        app()
    except LifeboatError as error:
        show_error(error, as_json="--json" in sys.argv)
        sys.exit(error.exit_code)
