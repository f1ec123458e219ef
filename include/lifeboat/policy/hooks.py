"""What is stilled around the snapshots, by which means, and for how long at most."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from lifeboat.policy.fields import Count, Duration, SecretRef, Strict, Switch, refuse, unique
from lifeboat.policy.patterns import Globs, Selector

NAMESPACE = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
OBJECT_NAME = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$"

OnError = Literal["Fail", "Continue"]


class _Phase(Strict):
    """What every phase of a hook has."""

    on_error: OnError = Field(
        default="Fail",
        description="What a failure or a time-out means. Fail: all is thawed and the run makes no"
        " point; Continue: the point carries a warning. Default Fail.",
    )
    timeout: Duration = Field(
        default=timedelta(seconds=30),
        description="How long it may take, a duration. Default 30s.",
        examples=["1m"],
    )

    @property
    def fails(self) -> bool:
        return self.on_error == "Fail"

    @property
    def seconds(self) -> float:
        return self.timeout.total_seconds()


class Scale(Strict):
    """A workload to stop while snapshots are taken."""

    namespace: str = Field(
        pattern=NAMESPACE,
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
        description="How long its pods may take to stop, a duration. Default 2m.",
        examples=["5m"],
    )


class Command(_Phase):
    """One command in one container: it fails with an exit code other than 0. What it prints is
    never kept: it may hold secrets."""

    command: tuple[str, ...] = Field(
        min_length=1,
        description="The program and its arguments, as a list: no shell reads them. Write no secret"
        " here; the container has its own.",
        examples=[["/bin/fsfreeze", "--freeze", "/data"]],
    )


PodLabels = Annotated[
    Selector,
    Field(
        description="Only running pods whose labels match this Kubernetes label selector. Default"
        " empty: all of them.",
        examples=["app=db"],
    ),
]
ContainerName = Annotated[
    str,
    Field(
        description="The container. Default empty: the one that the pod's annotation"
        " kubectl.kubernetes.io/default-container names, else the first.",
        examples=["postgres"],
    ),
]
JobAccount = Annotated[
    str,
    Field(
        pattern=OBJECT_NAME,
        description="The ServiceAccount of its pod. Default empty: the namespace's default.",
        examples=["orders-admin"],
    ),
]
JobSecrets = Annotated[
    tuple[str, ...],
    AfterValidator(unique),
    Field(
        description="Secrets of the namespace whose keys become environment variables. Lifeboat"
        " names them and reads none. Default none.",
        examples=[["orders-login"]],
    ),
]


class Exec(Strict):
    """Commands that run in pods before and after the snapshots are cut."""

    namespace: str = Field(pattern=NAMESPACE, description="The pods' namespace.", examples=["shop"])
    labels: PodLabels = ""
    container: ContainerName = ""
    pre: Command | None = Field(default=None, description="What freezes. Default none.")
    post: Command | None = Field(
        default=None,
        description="What thaws: it runs whatever happened since its hook began, and again if it"
        " failed, so it must bear to run twice, and without the pre command. Default none.",
    )


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.username
        _ = parts.port
    except ValueError:
        good = False
    if not good or not url.isprintable() or " " in url:
        raise refuse("http://HOST/PATH or https://HOST/PATH, without a user or a password")
    return url


class HttpCall(_Phase):
    """One request. It fails when the answer has another status; redirects are not followed."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = Field(
        default="POST", description="The request's method. Default POST."
    )
    url: Annotated[str, AfterValidator(_check_url)] = Field(
        description="Where to. Write no secret here: what is secret goes into headers.",
        examples=["https://shop.example.com/admin/read-only"],
    )
    body: str = Field(
        default="",
        description="What is sent, as it is; its Content-Type is one of the headers. Default empty:"
        " nothing. Write no secret here.",
        examples=['{"readOnly": true}'],
    )
    expect: Annotated[tuple[Count, ...], AfterValidator(unique)] = Field(
        default=(200, 201, 202, 204),
        min_length=1,
        description="The statuses that mean success. Default 200, 201, 202 and 204.",
        examples=[[200]],
    )


_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def check_headers(headers: dict[str, str]) -> dict[str, str]:
    """A validator: refuses what is no name of a header."""
    for name in headers:
        if not _HEADER.fullmatch(name):
            raise refuse("the name of a header, such as Authorization", found=repr(name))
    return headers


class Http(Strict):
    """Requests that are sent before and after the snapshots are cut."""

    headers: Annotated[dict[str, SecretRef], AfterValidator(check_headers)] = Field(
        default={},
        description="Headers of both requests: the name, and the place of the value (env:NAME,"
        " file:/path or connection:<Airflow connection id>, whose password it is). Values are never"
        " logged or stored. Default none.",
        examples=[{"Authorization": "connection:shop-admin"}],
    )
    pre: HttpCall | None = Field(default=None, description="What freezes. Default none.")
    post: HttpCall | None = Field(
        default=None,
        description="What thaws: it is sent whatever happened since its hook began, and again if it"
        " failed, so it must bear to come twice, and without the pre request. Default none.",
    )


class JobRun(_Phase):
    """One run of an image: it fails when its container does, and is not tried again."""

    image: str = Field(
        min_length=1,
        description="The image to run.",
        examples=["registry.example.com/shop/tools:4"],
    )
    command: tuple[str, ...] = Field(
        default=(),
        description="What runs instead of the image's entrypoint, as a list: no shell reads it."
        " Default none.",
        examples=[["/bin/orders", "hold"]],
    )
    args: tuple[str, ...] = Field(
        default=(), description="Arguments instead of the image's own. Default none."
    )
    timeout: Duration = Field(
        default=timedelta(minutes=2),
        description="How long it may take from its creation on, the pull of its image included, a"
        " duration. Default 2m.",
        examples=["5m"],
    )


class Job(Strict):
    """Jobs that run an image of yours in the cluster before and after the snapshots are cut."""

    namespace: str = Field(pattern=NAMESPACE, description="Where the Jobs run.", examples=["shop"])
    service_account: JobAccount = ""
    secrets: JobSecrets = ()
    pre: JobRun | None = Field(default=None, description="What freezes. Default none.")
    post: JobRun | None = Field(
        default=None,
        description="What thaws: it runs whatever happened since its hook began, and again if it"
        " failed, so it must bear to run twice, and without the pre run. Default none.",
    )


class Hook(Strict):
    """What to still by one or more means. Of several in one hook the commands come first, then the
    requests, the Jobs, and the scaling down last, since it ends what the others talk to."""

    scale: Scale | None = Field(
        default=None,
        description="A workload to scale to zero before the snapshots and back to what it was"
        " after them, always. Default none.",
    )
    exec_: Exec | None = Field(
        default=None, alias="exec", description="Commands to run in pods. Default none."
    )
    http: Http | None = Field(default=None, description="Requests to send. Default none.")
    job: Job | None = Field(default=None, description="Images to run. Default none.")

    @model_validator(mode="after")
    def _does_something(self) -> Hook:
        phased = {"exec": self.exec_, "http": self.http, "job": self.job}
        if self.scale is None and not any(phased.values()):
            raise refuse("scale, exec, http or job", found="none of them")
        for name, one in phased.items():
            if one and one.pre is None and one.post is None:
                raise refuse("pre, post or both", found="neither", at=(name,))
        return self


def _each_workload_once(hooks: tuple[Hook, ...]) -> tuple[Hook, ...]:
    seen: set[tuple[str, str]] = set()
    for index, hook in enumerate(hooks):
        if hook.scale is None:
            continue
        target = (hook.scale.namespace, hook.scale.workload)
        if target in seen:
            raise refuse(
                "each workload in one hook",
                found=f"{hook.scale.workload} of {hook.scale.namespace} twice",
                at=(index, "scale", "workload"),
            )
        seen.add(target)
    return hooks


Hooks = Annotated[tuple[Hook, ...], AfterValidator(_each_workload_once)]


class PodHooks(Strict):
    """Hooks that pods ask for themselves, by Velero's annotations (pre.hook.backup.velero.io/… and
    post.hook.backup.velero.io/…). Such a command runs in its own pod and nowhere else."""

    enabled: Switch = Field(
        default=True,
        description="Whether the annotations count. Default true: who comes from Velero finds them"
        " at work. Without the role of docs/rbac/lifeboat-exec.yaml a point with such pods is"
        " incomplete and names them.",
    )
    order: Globs = Field(
        default=(),
        description="Namespaces, by name or glob, in the order in which their pods are frozen; the"
        " others come after them, by name. Thawed is the other way round. Default none.",
        examples=[["shop", "db-*"]],
    )
