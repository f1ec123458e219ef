"""A backup's schedule: by time as any other, and after other pipelines of the same Airflow."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator
from typing_extensions import override

from lifeboat.policy.fields import Strict, refuse, unique
from lifeboat.policy.quiet import DagId
from lifeboat.policy.schedule import Schedule

AssetName = Annotated[str, Field(min_length=1, max_length=1500, pattern=r"^[ -~]+$")]


class After(Strict):
    """Pipelines of the same Airflow whose work a point is to hold."""

    assets: Annotated[tuple[AssetName, ...], AfterValidator(unique)] = Field(
        default=(),
        description="Assets by name, or by URI where there is a :// in it. Default none.",
        examples=[["warehouse/orders"]],
    )
    dags: Annotated[tuple[DagId, ...], AfterValidator(unique)] = Field(
        default=(),
        description="DAGs by id, for those that update no asset: each of their runs that succeeds"
        " counts, seen within half a minute by Airflow's triggerer. Default none.",
        examples=[["nightly_load"]],
    )
    connection: str = Field(
        default="lifeboat_airflow",
        pattern=r"^[A-Za-z0-9_.-]{1,250}$",
        description="For `dags`: the Airflow connection (type http) of Airflow's own REST API, of a"
        " user who may see the runs of these DAGs. Default lifeboat_airflow.",
    )

    @model_validator(mode="after")
    def _after_something(self) -> After:
        if not self.assets and not self.dags:
            raise refuse("at least one of assets and dags", found="neither")
        return self


class BackupSchedule(Schedule):
    """When backups run by themselves: by one of `cron`, `every` and `noPointOlderThan`, `after`
    something, or both."""

    after: After | None = Field(
        default=None,
        description="Also, or only, when all of these were updated or succeeded since the last such"
        " run. With a time as well, either makes a run. Without one, write an objectives.rpo:"
        " nobody else knows how often that is. Default none.",
    )

    @property
    @override
    def needs_rhythm(self) -> bool:
        return self.after is None
