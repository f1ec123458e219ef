"""Hooks that run an image of the user's: a plain Job, made through the cluster port.

Not KubernetesPodOperator: a backup from the command line runs the same steps without Airflow, with
the same credential. The Job's name is made of who asks and why, so a retry waits for the Job that
is there instead of making a second one.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from math import ceil

from lifeboat.clock import monotonic, pause, poll_until
from lifeboat.errors import AlreadyExists, LifeboatError, NotFound, NotReady
from lifeboat.policy.hooks import Job, JobRun
from lifeboat.ports.cluster import Cluster, Json, Kind
from lifeboat.ports.marks import MANAGED

JOB = Kind("batch", "v1", "jobs", "Job", namespaced=True)
_POLL_SECONDS = 0.5
_GOING_SECONDS = 60.0
"""A pod has 30 s to end, by default."""
_KEPT_SECONDS = 3600
"""How long a finished Job stays when the run that made it died."""


def _deaf(_name: str) -> None:
    """Listens to nothing."""


def run_job(
    cluster: Cluster,
    hook: Job,
    run: JobRun,
    asked_by: str,
    seconds: float,
    listen: Callable[[str], None] = _deaf,
) -> str:
    """Make the Job, wait for its end and remove it; returns what is wrong, empty when it succeeded.

    `asked_by` tells this run of the image from every other one; `listen` is told the Job's name
    before it is removed. Raises what the cluster raises when the Job cannot be made.
    """
    name = _name(asked_by)
    body = _body(hook, run, name, asked_by, seconds)
    with contextlib.suppress(AlreadyExists):  # of an earlier try, which was cut off
        cluster.create(JOB, hook.namespace, body)
    try:
        trouble = _wait(cluster, hook.namespace, name, seconds)
        listen(name)
        remove_job(cluster, hook, asked_by)
    except LifeboatError as error:  # raised, it would mean that the image never ran
        return error.message
    return trouble


def remove_job(cluster: Cluster, hook: Job, asked_by: str) -> None:
    """Remove what a run that was cut off left, pods first, so that it does nothing more.

    Raises NotReady when it does not go.
    """
    name = _name(asked_by)
    cluster.delete(JOB, hook.namespace, name, propagation="Foreground")

    def look() -> list[str]:
        try:
            cluster.get(JOB, hook.namespace, name)
        except NotFound:
            return []
        return [name]

    if poll_until(look, seconds=_GOING_SECONDS):
        raise NotReady(f"Job {hook.namespace}/{name} was deleted and does not go")


def _name(asked_by: str) -> str:
    return f"lifeboat-hook-{hashlib.sha256(asked_by.encode()).hexdigest()[:16]}"


def _wait(cluster: Cluster, namespace: str, name: str, seconds: float) -> str:
    deadline = monotonic() + seconds
    while True:
        try:
            status = cluster.get(JOB, namespace, name).get("status") or {}
        except NotFound:
            return "its Job was deleted by somebody else"
        for condition in status.get("conditions") or ():
            if condition.get("status") != "True":
                continue
            if condition.get("type") in ("Complete", "SuccessCriteriaMet"):
                return ""
            if condition.get("type") in ("Failed", "FailureTarget"):
                return f"its Job failed: {condition.get('reason', 'no reason given')}"
        if monotonic() > deadline:
            return f"its Job still ran after {seconds:g} s"
        pause(_POLL_SECONDS)


def _body(hook: Job, run: JobRun, name: str, asked_by: str, seconds: float) -> Json:
    container: Json = {
        "name": "hook",
        "image": run.image,
        "securityContext": {"allowPrivilegeEscalation": False},
    }
    if run.command:
        container["command"] = list(run.command)
    if run.args:
        container["args"] = list(run.args)
    if hook.secrets:
        container["envFrom"] = [{"secretRef": {"name": secret}} for secret in hook.secrets]
    pod: Json = {"restartPolicy": "Never", "containers": [container]}
    if hook.service_account:
        pod["serviceAccountName"] = hook.service_account
    labels = {MANAGED: "true"}
    return {
        "apiVersion": JOB.api_version,
        "kind": JOB.kind,
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": {"lifeboat.dev/hook": asked_by},
        },
        "spec": {
            "backoffLimit": 0,  # whether to try again is the hook's onError to say
            "activeDeadlineSeconds": max(1, ceil(seconds)),
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
