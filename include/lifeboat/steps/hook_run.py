"""Runs one phase of one action, by whatever means it has. An error becomes what is told of it: who
freezes and who thaws decide what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import msgspec

from lifeboat.clock import monotonic
from lifeboat.errors import HookFailed, LifeboatError, Permanent, Unsupported
from lifeboat.policy.hooks import Http, HttpCall, Job, JobRun
from lifeboat.ports.calls import Call
from lifeboat.steps.context import Context
from lifeboat.steps.hook_jobs import remove_job, run_job
from lifeboat.steps.hook_pods import run_command
from lifeboat.steps.hook_record import (
    Action,
    CallAction,
    JobAction,
    Outcome,
    Phase,
    PodAction,
    ScaleAction,
    Step,
)
from lifeboat.steps.hook_scale import start, stop


@dataclass(frozen=True)
class Turn:
    """One phase of one action; `asked_by` tells it from every other one, `holder` is
    `<instance>/<point>`."""

    action: Action
    phase: Phase
    asked_by: str
    holder: str


def does(action: Action, phase: Phase) -> bool:
    """Whether there is anything to do in this phase."""
    return isinstance(action, ScaleAction) or _written(action, phase) is not None


def phases(action: Action) -> str:
    """`pre and post`, `pre` or `post`: what an action does."""
    both: tuple[Phase, ...] = ("pre", "post")
    return " and ".join(phase for phase in both if does(action, phase))


def fails(action: Action, phase: Phase) -> bool:
    """Whether its trouble means that there is no point, or no thaw yet (onError: Fail)."""
    if isinstance(action, ScaleAction):
        return True
    written = _written(action, phase)
    return written is not None and written.fails


def run(context: Context, turn: Turn, most: float) -> Outcome:
    """Do it, for `most` seconds or its own time-out, whichever is shorter. Raises nothing that a
    port raises."""
    began = monotonic()
    try:
        outcome = _run(context, turn, most)
    except LifeboatError as error:
        refused = isinstance(error, Permanent) and not isinstance(error, HookFailed)
        seconds = monotonic() - began
        outcome = Outcome(seconds=seconds, trouble=error.message, started=not refused)
    if not outcome.trouble:
        return outcome
    told = f"{turn.phase} of {turn.action.title}: {outcome.trouble}"
    return msgspec.structs.replace(outcome, trouble=told)


def abandon(context: Context, turn: Turn) -> str:
    """Ends what a freeze that was cut off may have left running; returns what is wrong. Of a
    command or a request nobody can: whoever killed the run has ended those."""
    if not isinstance(turn.action, JobAction):
        return ""
    try:
        remove_job(context.cluster, Job.model_validate(turn.action.hook), turn.asked_by)
    except LifeboatError as error:
        return f"{turn.action.title}: {error.message}"
    return ""


def _run(context: Context, turn: Turn, most: float) -> Outcome:
    action = turn.action
    began = monotonic()
    match action:
        case ScaleAction() if turn.phase == "pre":
            seconds = min(most, action.seconds)
            trouble = stop(context.cluster, action, turn.holder, seconds)
        case ScaleAction():
            note = start(context.cluster, action, turn.holder)
            return Outcome(None, monotonic() - began, note=note)
        case PodAction():
            if context.pods is None:
                raise Unsupported("no command can be run in pods here")
            step = _step(action, turn.phase)
            return run_command(context.pods, action, step, min(most, step.seconds))
        case CallAction():
            trouble = _call(context, action, turn.phase, most)
        case JobAction():
            job, run_ = _job(action, turn.phase)
            seconds = min(most, run_.seconds)
            trouble = run_job(context.cluster, job, run_, turn.asked_by, seconds)
        case _:
            assert_never(action)
    return Outcome(None, monotonic() - began, trouble)


def _call(context: Context, action: CallAction, phase: Phase, most: float) -> str:
    http, request = _http(action, phase)
    if context.calls is None:
        raise Unsupported("no request can be sent here")
    headers = tuple(http.headers.items())
    call = Call(request.method, request.url, request.body, headers)
    status = context.calls.call(call, min(most, request.seconds))
    if status in request.expect:
        return ""
    expected = ", ".join(map(str, request.expect))
    return f"answered {status}, expected {expected}"


def _written(action: Action, phase: Phase) -> Step | HttpCall | JobRun | None:
    match action:
        case ScaleAction():
            return None
        case PodAction():
            return action.pre if phase == "pre" else action.post
        case CallAction():
            http = Http.model_validate(action.hook)
            return http.pre if phase == "pre" else http.post
        case JobAction():
            job = Job.model_validate(action.hook)
            return job.pre if phase == "pre" else job.post
        case _:
            assert_never(action)


def _step(action: PodAction, phase: Phase) -> Step:
    step = action.pre if phase == "pre" else action.post
    assert step is not None  # `does` was asked
    return step


def _http(action: CallAction, phase: Phase) -> tuple[Http, HttpCall]:
    http = Http.model_validate(action.hook)
    request = http.pre if phase == "pre" else http.post
    assert request is not None
    return http, request


def _job(action: JobAction, phase: Phase) -> tuple[Job, JobRun]:
    job = Job.model_validate(action.hook)
    run_ = job.pre if phase == "pre" else job.post
    assert run_ is not None
    return job, run_
