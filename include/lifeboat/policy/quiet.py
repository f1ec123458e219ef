"""The `quiesce` section of a policy: other DAGs of the same Airflow that write the data."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lifeboat.policy.fields import Duration, Strict, unique

DagId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,250}$")]


class Quiesce(Strict):
    """Holds pipelines that write the data while volumes are snapshotted."""

    dags: Annotated[tuple[DagId, ...], AfterValidator(unique)] = Field(
        min_length=1,
        description="The ids of the DAGs. One that Airflow does not know fails the run.",
        examples=[["load_orders", "nightly_stock"]],
    )
    mode: Literal["wait", "pause"] = Field(
        default="wait",
        description="wait: until no run of theirs is queued or running; one that begins afterwards"
        " is named in the point. pause: they are paused, what was not paused before is unpaused"
        " once the snapshots are there, and their running tasks are waited for; a run between two"
        " tasks stands still meanwhile. Default wait, because it changes nothing.",
        examples=["pause"],
    )
    timeout: Duration = Field(
        default=timedelta(minutes=30),
        description="How long to wait until they are quiet, a duration. Default 30m.",
        examples=["2h"],
    )
    on_timeout: Literal["fail", "warn"] = Field(
        default="fail",
        description="What it means when they are not quiet in time. fail: no volume is snapshotted"
        " and the run fails; warn: the snapshots are taken, and the point names who was busy."
        " Default fail, because the pipelines are named for a reason.",
    )
    connection: str = Field(
        default="lifeboat_airflow",
        pattern=r"^[A-Za-z0-9_.-]{1,250}$",
        description="The Airflow connection (type http) of Airflow's own REST API: host with port,"
        " login and password of a user who may see these DAGs, their runs and tasks, and with mode"
        " pause edit them. Default lifeboat_airflow.",
    )
