"""The `standby` section of a policy: a second cluster that holds the newest point, ready to take
over (docs/standby.md)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from lifeboat.policy.fields import Count, Duration, Strict, refuse, unique
from lifeboat.policy.recovery import Approval
from lifeboat.policy.schedule import Schedule

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SHORTEST_LAG = timedelta(minutes=5)

TransformName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?$")]
TransformNames = Annotated[tuple[TransformName, ...], AfterValidator(unique)]


class Standby(Strict):
    """Keeps another cluster at the newest point, ready to take over."""

    cluster: str = Field(
        min_length=1,
        description="The cluster that stands by, by its name in clusters.yaml. Not one that the"
        " policy protects.",
        examples=["standby"],
    )
    mapping: dict[str, str] = Field(
        default={},
        description="Other names for namespaces there, FROM: TO. Default none: they are called as"
        " here.",
        examples=[{"shop": "shop-standby"}],
    )
    transforms: TransformNames = Field(
        default=(),
        description="What is changed on the way there: names of files in include/transforms"
        " (docs/transforms.md). Default none.",
        json_schema_extra={"x-example": []},
    )
    transforms_back: TransformNames = Field(
        default=(),
        description="What a failback changes on the way back, which is what `transforms` did, the"
        " other way round. Required where `transforms` names any; `[]` if nothing has to be undone."
        " Default none.",
        json_schema_extra={"x-example": []},
    )
    volumes: Literal["snapshots", "vault", "none"] = Field(
        default="snapshots",
        description="Where the standby's volumes come from: snapshots (the point's, or their copies"
        " in the standby's region), vault (their files in the vault), none (claims are made empty)."
        " Default snapshots.",
    )
    workloads: Literal["held", "running"] = Field(
        default="held",
        description="held: nothing runs there until a failover: replicas 0, jobs suspended."
        " running: Deployments, StatefulSets and DaemonSets run beside the primary's; jobs are"
        " suspended all the same. Default held.",
    )
    cluster_scoped: bool = Field(
        default=True,
        strict=True,
        description="Whether the point's cluster-scoped objects are made there where they are"
        " missing; what is there is left as it is. Default true.",
    )
    prune: bool = Field(
        default=True,
        strict=True,
        description="Whether objects that left the point are deleted there, too, with the data of"
        " claims; only what the standby itself made. Default true.",
    )
    every_points: Count = Field(
        default=1,
        ge=0,
        le=1000,
        description="Brings a point there as soon as so many new ones stand: 1 is every point."
        " 0: points start none. Default 1.",
        examples=[1],
    )
    schedule: Schedule | None = Field(
        default=None,
        description="Also brings the newest point there at these times. Default none.",
    )
    max_lag: Duration | None = Field(
        default=None,
        description="How old the standby's point may become before the instance is `behind`"
        " (docs/alerts.md), a duration. Default twice the rpo.",
        examples=["12h"],
    )
    approval: Approval = Field(
        default="required",
        description="Who must approve a failover and a failback that Airflow runs: none, required"
        " (a person), second-person (somebody other than who asked for it). Bringing points there"
        " needs nobody. Default required.",
    )

    @model_validator(mode="after")
    def _mapping_fits(self) -> Standby:
        for source, target in self.mapping.items():
            if not _NAMESPACE.fullmatch(target):
                expected = "1 to 63 of a-z, 0-9 and -, beginning and ending with a letter or digit"
                raise refuse(expected, found=repr(target), at=("mapping", source))
        targets = list(self.mapping.values())
        twice = [name for name in targets if targets.count(name) > 1]
        if twice:
            raise refuse("each target once", found=f"{twice[0]} twice", at=("mapping",))
        return self

    @model_validator(mode="after")
    def _starts_by_something(self) -> Standby:
        if not self.every_points and self.schedule is None:
            raise refuse(
                "a schedule, or everyPoints of 1 or more: nothing would ever be brought there",
                found="everyPoints: 0 and no schedule",
                at=("everyPoints",),
            )
        if self.max_lag is not None and self.max_lag < _SHORTEST_LAG:
            raise refuse("5m or more: no point is brought sooner", at=("maxLag",))
        return self

    @model_validator(mode="after")
    def _way_back(self) -> Standby:
        if self.transforms and "transforms_back" not in self.model_fields_set:
            raise refuse(
                "transformsBack: what a failback has to undo of `transforms`; [] if nothing",
                found="transforms without a way back",
                at=("transformsBack",),
            )
        return self

    @property
    def shape(self) -> dict[str, Any]:
        """What decides how a point lies in the standby: a change of it brings the point anew."""
        wanted = ("mapping", "transforms", "volumes", "workloads", "cluster_scoped", "prune")
        return self.model_dump(mode="json", include=set(wanted))
