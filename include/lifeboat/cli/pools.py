"""The command that tells Airflow's pools."""

from __future__ import annotations

from lifeboat.cli.options import Include
from lifeboat.cli.output import show_json
from lifeboat.cli.source import Source
from lifeboat.policy.load import load_clusters


def pools(include: Include = None) -> None:
    """Print the Airflow pools that clusters.yaml asks for, as `airflow pools import` reads them.

    A task whose pool does not exist waits for ever: import them before the DAGs are parsed.
    """
    show_json(load_clusters(Source(include=include).folder).pools())
