"""The checks that users write: each runs its command, Job, function or DAG, and says what it saw.

Jobs and commands run by the same means as hooks (steps/hook_jobs.py, steps/hook_pods.py). Requests
and connections are Jobs in the scratch namespace, too: from outside its network policy lets nobody
in, and a request through the API server would not meet that policy at all.
"""

from __future__ import annotations

import re
from typing import assert_never

from lifeboat.clock import poll_until
from lifeboat.errors import UsageError
from lifeboat.policy.checks import (
    Captured,
    Check,
    Custom,
    DagCheck,
    ExecCheck,
    FigureCheck,
    FileCheck,
    HttpCheck,
    JobCheck,
    PythonCheck,
    SqlCheck,
    TcpCheck,
)
from lifeboat.policy.hooks import Job, JobRun
from lifeboat.proof.evidence import said_by_job
from lifeboat.proof.facade import call_python
from lifeboat.proof.finding import Finding, Tested
from lifeboat.steps.figures import captured_figure, measure, number_of, run_in, targets
from lifeboat.steps.hook_jobs import run_job

_STATUS = re.compile(r"HTTP/\d(?:\.\d)? (\d{3})")
_SHOWN = 80


def run_custom(check: Check, tested: Tested) -> Finding:
    """Raises what the ports raise."""
    custom = check.custom
    assert custom is not None  # the others are in checks.py
    return _run(check.title, custom, tested)


def _run(title: str, custom: Custom, tested: Tested) -> Finding:
    match custom:
        case PythonCheck():
            return call_python(custom, tested)
        case DagCheck():
            return _dag(title, custom, tested)
    scratch = tested.namespaces.get(custom.namespace)
    if scratch is None:
        raise UsageError(f"the point holds no namespace {custom.namespace}")
    match custom:
        case HttpCheck():
            return _http(title, custom, tested, scratch)
        case TcpCheck():
            wait = str(max(1, int(custom.seconds / 2)))
            command = ("nc", "-z", "-w", wait, _host(custom.service, scratch), str(custom.port))
            return _job(title, _job_of(custom.image, command, custom), tested, scratch)
        case ExecCheck():
            return _exec(custom, tested, scratch)
        case SqlCheck():
            return _sql(title, custom, tested, scratch)
        case JobCheck():
            return _job(title, custom, tested, scratch)
        case FigureCheck() | FileCheck():
            return _compare(title, custom, tested, scratch)
        case _:
            assert_never(custom)


def _host(service: str, scratch: str) -> str:
    return f"{service}.{scratch}.svc"


def _job_of(
    image: str, command: tuple[str, ...], custom: HttpCheck | TcpCheck | SqlCheck
) -> JobCheck:
    made = JobCheck(
        namespace=custom.namespace, image=image, command=command, timeout=custom.timeout
    )
    if isinstance(custom, SqlCheck):
        account, secrets = custom.service_account, custom.secrets
        return made.model_copy(update={"service_account": account, "secrets": secrets})
    return made


def _job(title: str, job: JobCheck, tested: Tested, scratch: str) -> Finding:
    """Passed when its container ended with exit code 0; `log` is what it printed."""
    run = JobRun(image=job.image, command=job.command, args=job.args, timeout=job.timeout)
    hook = Job(namespace=scratch, service_account=job.service_account, secrets=job.secrets, pre=run)
    cluster, told = tested.context.cluster, ["", ""]

    def listen(name: str) -> None:
        told[:] = said_by_job(cluster, scratch, name)

    asked_by = f"{tested.plan.restore}/{title}"
    trouble = run_job(cluster, hook, run, asked_by, job.seconds, listen)
    if trouble:
        return Finding("failed", "; ".join(filter(None, (trouble, told[1]))), log=told[0])
    return Finding("passed", "its Job succeeded", log=told[0])


def _http(title: str, check: HttpCheck, tested: Tested, scratch: str) -> Finding:
    """By the status, not by the exit code: 401 may be what is expected, and wget fails at it."""
    url = f"{check.scheme}://{_host(check.service, scratch)}:{check.port}{check.path}"
    insecure = ("--no-check-certificate",) if check.scheme == "https" else ()
    wait = str(max(1, int(check.seconds / 2)))
    command = ("wget", "-q", "-S", "-O", "-", "-T", wait, *insecure, url)
    asked = _job(title, _job_of(check.image, command, check), tested, scratch)
    statuses = _STATUS.findall(asked.log)
    if not statuses:
        well = asked.outcome == "passed" and set(check.expect) <= set(range(200, 300))
        if well and not check.contains:
            return Finding("passed", "answered, and wget was content")
        why = asked.detail if asked.outcome == "failed" else "its log says no status"
        return Finding("failed", f"no answer: {why}", log=asked.log)
    status = int(statuses[-1])
    if status not in check.expect:
        expected = ", ".join(map(str, check.expect))
        return Finding("failed", f"answered {status}, expected {expected}", status, asked.log)
    if check.contains and check.contains not in asked.log:
        return Finding("failed", f"answered {status}, without the text", status, asked.log)
    return Finding("passed", f"answered {status}", status)


def _exec(check: ExecCheck, tested: Tested, scratch: str) -> Finding:
    pods = targets(tested.context, check, scratch)
    for target in pods:
        ran = run_in(tested.context, target, check.command, check.seconds)
        if ran.exit_code:
            why = f"{target.title}: ended with exit code {ran.exit_code}"
            return Finding("failed", why, ran.exit_code, ran.output)
        if check.contains and check.contains not in ran.output:
            why = f"{target.title}: its output lacks the text"
            return Finding("failed", why, log=ran.output)
    return Finding("passed", f"succeeded in {len(pods)} pods", len(pods))


def _sql(title: str, check: SqlCheck, tested: Tested, scratch: str) -> Finding:
    job = _job_of(check.image, (*check.command, check.query), check)
    asked = _job(title, job, tested, scratch)
    if asked.outcome != "passed":
        return asked
    lines = [line.strip() for line in asked.log.splitlines() if line.strip()]
    if not lines:
        return Finding("impossible", "its Job succeeded, but nothing can be read of its log")
    last = lines[-1]
    if check.expect is not None and last != check.expect:
        return Finding("failed", f"printed {_short(last)}, expected {_short(check.expect)}")
    if check.at_least is None and check.at_most is None:
        return Finding("passed", f"printed {_short(last)}")
    number = number_of(last)
    if check.at_least is not None and number < check.at_least:
        return Finding("failed", f"{number:g} is less than {check.at_least:g}", number)
    if check.at_most is not None and number > check.at_most:
        return Finding("failed", f"{number:g} is more than {check.at_most:g}", number)
    return Finding("passed", f"{number:g}", number)


def _compare(title: str, check: Captured, tested: Tested, scratch: str) -> Finding:
    captured = captured_figure(tested.context, tested.plan.request.point, title)
    if captured.unread:
        return Finding("impossible", captured.unread)
    found = measure(tested.context, check, scratch)
    if isinstance(check, FileCheck):
        if found != captured.value:
            return Finding("failed", f"{found[:19]}… is not the captured {captured.value[:19]}…")
        return Finding("passed", f"{found[:19]}…, as captured")
    number, before = float(found), float(captured.value)
    apart = abs(number - before)
    if apart > abs(before) * check.tolerance / 100:
        return Finding("failed", f"{number:g}, captured were {before:g}", number)
    return Finding("passed", f"{number:g}, captured were {before:g}", number)


def _dag(title: str, check: DagCheck, tested: Tested) -> Finding:
    if tested.flows is None:
        return Finding("impossible", "outside Airflow there is no DAG to trigger")
    request = tested.plan.request
    run = f"lifeboat-{tested.plan.restore}-{re.sub(r'[^A-Za-z0-9_.-]+', '-', title)}"
    conf = {
        "instance": request.instance,
        "point": request.point,
        "test": tested.plan.restore,
        "namespaces": tested.namespaces,
    }
    flows = tested.flows(check.connection)
    flows.trigger(check.dag, run, conf)
    states = [""]

    def look() -> list[str]:
        states[0] = flows.state(check.dag, run)
        return [] if states[0] in ("success", "failed") else [states[0]]

    poll_until(look, seconds=check.seconds)
    if states[0] == "success":
        return Finding("passed", f"run {run} succeeded")
    return Finding("failed", f"run {run} is {states[0]} after at most {check.seconds:g} s")


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
