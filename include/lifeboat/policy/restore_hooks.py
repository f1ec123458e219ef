"""What a restore does beside creating objects: containers that pods begin with, and commands,
requests and Jobs once they are there. The means are those of hooks.py."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from lifeboat.policy.fields import Duration, SecretRef, Strict, Switch, refuse
from lifeboat.policy.hooks import (
    NAMESPACE,
    Command,
    ContainerName,
    HttpCall,
    JobAccount,
    JobRun,
    JobSecrets,
    OnError,
    PodLabels,
    check_headers,
)
from lifeboat.policy.patterns import Selector

_ON_ERROR = (
    "What a failure or a time-out means. Fail: the hooks after it do not run, and the restore fails"
    " and names it; Continue: the report carries a warning. Default Fail."
)
_NAMESPACE_FIELD = "as it was captured: where a restore renames it, the hook follows"


class RestoreCommand(Command):
    """One command in one container, once its pod is restored."""

    on_error: OnError = Field(default="Fail", description=_ON_ERROR)


class RestoreCall(HttpCall):
    """One request, once the workloads are ready."""

    on_error: OnError = Field(default="Fail", description=_ON_ERROR)


class RestoreRun(JobRun):
    """One run of an image, once the workloads are ready."""

    on_error: OnError = Field(default="Fail", description=_ON_ERROR)


class RestoreExec(Strict):
    """A command that runs in restored pods."""

    namespace: str = Field(
        pattern=NAMESPACE,
        description=f"The pods' namespace, {_NAMESPACE_FIELD}.",
        examples=["shop"],
    )
    labels: PodLabels = ""
    container: ContainerName = ""
    ready: Switch = Field(
        default=True,
        description="Whether all workloads have to be ready first. False: its pods only have to"
        " run, for commands that make them ready. Default true.",
    )
    run: RestoreCommand = Field(
        description="What runs. It may run twice when a restore is cut off in it."
    )


class RestoreHttp(Strict):
    """A request that is sent once the workloads are ready. A test restore sends none."""

    headers: Annotated[dict[str, SecretRef], AfterValidator(check_headers)] = Field(
        default={},
        description="Its headers: the name, and the place of the value (env:NAME, file:/path or"
        " connection:<Airflow connection id>, whose password it is). Values are never logged or"
        " stored. Default none.",
        examples=[{"Authorization": "connection:shop-admin"}],
    )
    call: RestoreCall = Field(
        description="What is sent. It may come twice when a restore is cut off in it."
    )


class RestoreJob(Strict):
    """A Job that runs an image of yours once the workloads are ready."""

    namespace: str = Field(
        pattern=NAMESPACE, description=f"Where it runs, {_NAMESPACE_FIELD}.", examples=["shop"]
    )
    service_account: JobAccount = ""
    secrets: JobSecrets = ()
    run: RestoreRun = Field(
        description="What runs. It may run twice when a restore is cut off in it."
    )


class RestoreHook(Strict):
    """What to do once objects are restored, by one or more means. Of several in one hook the
    commands come first, then the request, then the Job."""

    exec_: RestoreExec | None = Field(
        default=None, alias="exec", description="A command to run in pods. Default none."
    )
    http: RestoreHttp | None = Field(default=None, description="A request to send. Default none.")
    job: RestoreJob | None = Field(default=None, description="An image to run. Default none.")

    @model_validator(mode="after")
    def _does_something(self) -> RestoreHook:
        if not (self.exec_ or self.http or self.job):
            raise refuse("exec, http or job", found="none of them")
        return self


class InitContainers(Strict):
    """Containers that restored pods begin with, before those they have. Of a Deployment and its
    like they come into the template, and so run whenever one of its pods starts."""

    namespace: str = Field(
        pattern=NAMESPACE,
        description=f"The namespace of the pods, {_NAMESPACE_FIELD}.",
        examples=["shop"],
    )
    labels: Selector = Field(
        default="",
        description="Only pods, or templates of pods, whose labels match this Kubernetes label"
        " selector. Default empty: all of them.",
        examples=["app=db"],
    )
    containers: tuple[dict[str, Any], ...] = Field(
        min_length=1,
        description="Containers as in a pod, each with name and image. Write no secret here.",
        examples=[[{"name": "owner", "image": "busybox:1", "command": ["chown", "9", "/data"]}]],
    )

    @model_validator(mode="after")
    def _named(self) -> InitContainers:
        for index, container in enumerate(self.containers):
            for field in ("name", "image"):
                if not isinstance(container.get(field), str) or not container[field]:
                    raise refuse(
                        f"a container with its {field}",
                        found=f"none with a {field}",
                        at=("containers", index),
                    )
        return self


class RestoreHooks(Strict):
    """What a restore does beside creating objects (docs/hooks.md)."""

    init: tuple[InitContainers, ...] = Field(
        default=(), description="Containers that restored pods begin with. Default none."
    )
    after: tuple[RestoreHook, ...] = Field(
        default=(),
        description="What to do once objects are restored, one after the other. Default none.",
    )
    annotations: Switch = Field(
        default=True,
        description="Whether Velero's annotations of pods count (init.hook.restore.velero.io/… and"
        " post.hook.restore.velero.io/…). Default true.",
    )
    wait: Duration = Field(
        default=timedelta(minutes=5),
        description="How long to wait, in all, until the pods that hooks talk to are there, a"
        " duration. Then hooks run all the same, and fail where nothing runs. Default 5m.",
        examples=["15m"],
    )
