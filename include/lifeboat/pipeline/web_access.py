"""Airflow's own authorization behind the Recovery page, and the page itself put together.

The only place that touches Airflow's `api_fastapi` internals, which are no public interface: the
version of Airflow is pinned and a test logs in to a real one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import (
    AccessView,
    DagAccessEntity,
    DagDetails,
)
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_view
from airflow.models.dag import DagModel
from fastapi import FastAPI

from lifeboat.pipeline.connections import AirflowConnections
from lifeboat.pipeline.frame import RESTORE_DAG
from lifeboat.policy.folder import include_folder
from lifeboat.policy.load import load_include
from lifeboat.report.clusters import FleetStanding
from lifeboat.web.app import create_app
from lifeboat.wiring import fleet_reader


class AirflowVisitor:
    """The logged-in user, as Airflow's auth manager knows them (lifeboat.web.access.Visitor)."""

    def __init__(self, user: BaseUser) -> None:
        self._user = user

    def readable(self, dags: Collection[str]) -> frozenset[str]:
        manager = get_auth_manager()
        allowed: set[str] = set()
        for team, names in _by_team(dags).items():
            allowed |= manager.filter_authorized_dag_ids(
                dag_ids=names, user=self._user, method="GET", team_name=team
            )
        return frozenset(allowed)

    def triggerable(self, dags: Collection[str]) -> frozenset[str]:
        # The same question that POST /api/v2/dags/{id}/dagRuns asks.
        manager = get_auth_manager()
        return frozenset(
            dag
            for team, names in _by_team(dags).items()
            for dag in names
            if manager.is_authorized_dag(
                method="POST",
                access_entity=DagAccessEntity.RUN,
                details=DagDetails(id=dag, team_name=team),
                user=self._user,
            )
        )


class AirflowAccess:
    """Airflow's dependencies in the form the page asks for (lifeboat.web.access.Access)."""

    @property
    def page(self) -> Any:
        return requires_access_view(AccessView.WEBSITE)

    @property
    def visitor(self) -> Any:
        return _visitor


class Fleet:
    """Reads the policies anew each time, so that a repaired file shows without a restart
    (lifeboat.web.reader.FleetReader)."""

    def read(self) -> FleetStanding:
        return fleet_reader(include_folder(), AirflowConnections()).read()

    def problems(self) -> tuple[str, ...]:
        return tuple(str(problem) for problem in load_include(include_folder()).problems)


def recovery_app() -> FastAPI:
    """The app that the plugin mounts."""
    return create_app(Fleet(), AirflowAccess(), restore_dag=RESTORE_DAG)


def _visitor(user: GetUserDep) -> AirflowVisitor:
    return AirflowVisitor(user)


def _by_team(dags: Collection[str]) -> dict[str | None, set[str]]:
    """The DAGs by team: None where Airflow has no teams, or does not know the DAG yet."""
    teams = DagModel.get_dag_id_to_team_name_mapping(list(dags))
    grouped: dict[str | None, set[str]] = defaultdict(set)
    for dag in dags:
        grouped[teams.get(dag)].add(dag)
    return grouped
