"""The clusters there are, written down and found: clusters list, discover, forget."""

from __future__ import annotations

from typing import Annotated

import typer

from lifeboat.cli.options import AsJson, Include
from lifeboat.cli.output import show_json, show_lines, show_table
from lifeboat.cli.source import Source
from lifeboat.clock import utc_now
from lifeboat.errors import UsageError
from lifeboat.policy.discover import read_discovered, write_discovered
from lifeboat.policy.load import load_clusters
from lifeboat.steps.discover import ensure_asked, look_around
from lifeboat.steps.discover import forget as forget_cluster
from lifeboat.wiring import NoConnections, finders

clusters_app = typer.Typer(no_args_is_help=True, help="Clusters, written down and found.")


@clusters_app.command("list")
def list_clusters(include: Include = None, as_json: AsJson = False) -> None:
    """Show every cluster that policies may name, and where it comes from."""
    folder = Source(include=include).folder
    known = load_clusters(folder)
    found = {one.name: one for one in read_discovered(folder).clusters} if known.discover else {}
    rows = []
    for entry in known.clusters:
        one = found.get(entry.name)
        rows.append(
            {
                "name": entry.name,
                "labels": entry.labels,
                "source": one.source if one else "clusters.yaml",
                "seen": one.seen if one else "",
                "lost": one.lost if one else "",
            }
        )
    if as_json:
        show_json(rows)
        return
    told = (
        (str(row["name"]), str(row["source"]), str(row["seen"]), str(row["lost"])) for row in rows
    )
    show_table(("CLUSTER", "FROM", "SEEN", "LOST SINCE"), told)


@clusters_app.command("discover")
def discover(
    include: Include = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only tell, write nothing")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask Azure and Airflow, as clusters.yaml says, and keep what they know.

    Ends with the code of a source that could not be asked, after keeping what the others know.
    """
    folder = Source(include=include).folder
    clusters = load_clusters(folder)
    if clusters.discover is None:
        raise UsageError("clusters.yaml has no `discover`", hint="docs/clusters.md says how")
    sources = finders(clusters.discover, NoConnections())
    look = look_around(folder, clusters, sources, utc_now())
    if not dry_run:
        write_discovered(folder, look.file)
    if as_json:
        told = look.file.model_dump(mode="json", by_alias=True)["clusters"]
        show_json({"clusters": told, "new": look.new, "lost": look.lost, "back": look.back})
    else:
        show_lines(look.told())
    ensure_asked(look)


@clusters_app.command("forget")
def forget(
    name: Annotated[str, typer.Argument(help="a cluster that discovery lost")],
    include: Include = None,
    as_json: AsJson = False,
) -> None:
    """Let go of a cluster that is gone for good. Its points stay in their vaults."""
    folder = Source(include=include).folder
    write_discovered(folder, forget_cluster(read_discovered(folder), name))
    show_json({"forgotten": name}) if as_json else show_lines([f"forgot {name}"])
