"""Airflow's pools that clusters.yaml asks for, imported as a deployment does it (operations.md)."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from lifeboat.errors import LifeboatError
from lifeboat.policy.load import load_clusters
from local.airflow_stack import AirflowStack
from local.cache import Report


def import_pools(stack: AirflowStack, include: Path, report: Report) -> None:
    """Make them in a running Airflow, or bring them to the size that is asked for.

    Tasks that were scheduled before wait until their pool is there. A clusters.yaml that cannot be
    read is told and no more: Airflow shows what is wrong with it. Raises LocalClusterError.
    """
    try:
        wanted = load_clusters(include).pools()
    except LifeboatError as error:
        report(f"No pools were imported: {error.message}")
        return
    if not wanted:
        return
    path = stack.root / "pools.json"
    path.write_text(json.dumps({name: asdict(pool) for name, pool in wanted.items()}))
    stack.command("pools", "import", str(path))
    report(f"Imported pools: {', '.join(sorted(wanted))}")
