"""Clusters that Airflow has connections to, by its REST API: a task may read a connection that it
knows, and has no way to list them. Connections of the environment or of a secrets backend are in
no list."""

from __future__ import annotations

import json
from typing import Any

from lifeboat.adapters.flows_airflow import AirflowFlows
from lifeboat.errors import Invalid
from lifeboat.policy.discover import CONNECTION
from lifeboat.ports.finder import FoundCluster

MARK = "lifeboat"
"""The field of a connection's extra that says that the cluster is to be found."""


class AirflowFinder:
    """Connections of type kubernetes that are marked. See ports.finder.Finder."""

    def __init__(self, airflow: AirflowFlows) -> None:
        self._airflow = airflow

    def find(self) -> tuple[FoundCluster, ...]:
        """Also raises Invalid for a mark that cannot be read."""
        found = [_of_connection(one) for one in self._airflow.connections("kubernetes")]
        return tuple(one for one in found if one is not None)


def _of_connection(told: dict[str, Any]) -> FoundCluster | None:
    ident = str(told["connection_id"])
    try:
        extra = json.loads(told["extra"] or "{}")
    except ValueError:
        return None  # whoever uses it is told
    mark = extra.get(MARK) if isinstance(extra, dict) else None
    if not mark:
        return None
    said = mark if isinstance(mark, dict) else {}
    labels = said.get("labels", {})
    if not isinstance(labels, dict):
        raise Invalid(f"connection {ident}: {MARK}.labels is not an object in its extra")
    texts = {str(key): str(value) for key, value in labels.items()}
    return FoundCluster(f"{CONNECTION}{ident}", str(said.get("name") or ident), texts)
