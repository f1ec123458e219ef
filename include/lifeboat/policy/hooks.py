"""What is stilled around the snapshots, and for how long at most."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from lifeboat.policy.fields import Duration, Strict, refuse
from lifeboat.policy.patterns import Selector

_NAMESPACE = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"


class Scale(Strict):
    """A workload to stop while snapshots are taken."""

    namespace: str = Field(
        pattern=_NAMESPACE,
        description="The workload's namespace.",
        examples=["shop"],
    )
    workload: str = Field(
        pattern=r"^(deployment|statefulset)/[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$",
        description="The workload, written deployment/<name> or statefulset/<name>.",
        examples=["statefulset/db"],
    )
    timeout: Duration = Field(
        default=timedelta(minutes=2),
        description="How long its pods may take to stop, and to come back, a duration. Default 2m.",
        examples=["5m"],
    )


class Command(Strict):
    """One command in one container. What it prints is never kept: it may hold secrets."""

    command: tuple[str, ...] = Field(
        min_length=1,
        description="The program and its arguments, as a list: no shell reads them. Write no secret"
        " here; the container has its own.",
        examples=[["/bin/fsfreeze", "--freeze", "/data"]],
    )
    on_error: Literal["Fail", "Continue"] = Field(
        default="Fail",
        description="What an exit code other than 0, or a time-out, means. Fail: the volumes are"
        " thawed and the run makes no point; Continue: the point carries a warning. Default Fail.",
    )
    timeout: Duration = Field(
        default=timedelta(seconds=30),
        description="How long it may run, a duration. Default 30s.",
        examples=["1m"],
    )


class Exec(Strict):
    """Commands that run in pods before and after the snapshots are cut."""

    namespace: str = Field(
        pattern=_NAMESPACE, description="The pods' namespace.", examples=["shop"]
    )
    labels: Selector = Field(
        default="",
        description="Only running pods whose labels match this Kubernetes label selector. Default"
        " empty: all of them.",
        examples=["app=db"],
    )
    container: str = Field(
        default="",
        description="The container. Default empty: the one that the pod's annotation"
        " kubectl.kubernetes.io/default-container names, else the first.",
        examples=["postgres"],
    )
    pre: Command | None = Field(default=None, description="What freezes. Default none.")
    post: Command | None = Field(
        default=None,
        description="What thaws: it runs whatever happened since, and again if it failed, so it"
        " must bear to run twice. Default none.",
    )

    @model_validator(mode="after")
    def _does_something(self) -> Exec:
        if self.pre is None and self.post is None:
            raise refuse("a pre or a post command", found="neither")
        return self


class Hook(Strict):
    """A workload to stop, commands to run in pods, or both: then the commands run first."""

    scale: Scale | None = Field(
        default=None,
        description="The workload to scale to zero before the snapshots and back to what it was"
        " after them, always. Default none.",
    )
    exec_: Exec | None = Field(
        default=None,
        alias="exec",
        description="The commands to run. They run in the hooks' order while every workload still"
        " runs; the thaw goes the other way. Default none.",
    )

    @model_validator(mode="after")
    def _does_something(self) -> Hook:
        if self.scale is None and self.exec_ is None:
            raise refuse("scale or exec", found="neither")
        return self
