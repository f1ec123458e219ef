"""Why a point was not proven is kept whatever the checks are, and never with a Secret in it."""

from __future__ import annotations

import base64

import pytest

from lifeboat.errors import ClusterUnreachable, Invalid, NotProven
from lifeboat.point.facts import Verdict
from lifeboat.proof.evidence import masking
from lifeboat.restore.late import results_of
from lifeboat.restore.plan import stored_plan
from tests.support.proof_world import ProofWorld

ONE_SECOND = "testRestore:\n  timeout: 1s\n  checks:\n    - objectsComplete\n"
WAITING = {
    "phase": "Running",
    "containerStatuses": [
        {"name": "main", "restartCount": 4, "state": {"waiting": {"reason": "CrashLoop"}}}
    ],
}
ENCODED = base64.b64encode(b"hunter2").decode()


def failed(world: ProofWorld) -> Verdict:
    point = world.back_up().point
    with pytest.raises(NotProven) as raised:
        world.prove(point)
    assert "hunter2" not in raised.value.message
    return world.judged(point)


def told(verdict: Verdict) -> str:
    return "\n".join(f"{one.what}: {one.text}" for one in verdict.evidence)


def test_pods_that_never_got_ready_are_told_though_no_check_asks_for_them() -> None:
    world = ProofWorld(ONE_SECOND)
    world.pod_status = WAITING
    verdict = failed(world)
    assert [check.outcome for check in verdict.checks] == ["passed"]
    assert "not ready in time" in verdict.error
    assert "container main: CrashLoop, restarted 4" in told(verdict)


def test_a_break_before_the_verdict_keeps_what_the_scratch_namespaces_show() -> None:
    world = ProofWorld(f"{ONE_SECOND}    - exec: {{namespace: shop, command: [ready]}}\n")
    world.pod_status = WAITING
    world.pods.answers["ready"] = ClusterUnreachable(f"gone, and hunter2 ({ENCODED}) with it")
    verdict = failed(world)
    assert (verdict.outcome, verdict.checks) == ("failed", ())
    assert verdict.error == "gone, and (masked) ((masked)) with it"
    assert "container main: CrashLoop, restarted 4" in told(verdict)


@pytest.mark.parametrize("resource", ["secrets", "configmaps"])
def test_a_refusal_that_quotes_a_secret_is_told_without_it(resource: str) -> None:
    world = ProofWorld(ONE_SECOND)
    refused = Invalid("webhook said no: hunter2 is weak")
    world.cluster.fail_next("create", refused, resource=resource)
    verdict = failed(world)
    assert "webhook said no: (masked) is weak" in verdict.error
    if resource == "secrets":  # told without it from the start: logs and reports show it, too
        context = world.context()
        plan = stored_plan(context, "shop.local", verdict.test)
        kept = [outcome.detail for part in results_of(context, plan) for outcome in part.outcomes]
        assert "webhook said no: (masked) is weak" in kept


def test_without_the_secrets_of_the_point_nothing_is_told_that_may_quote_them() -> None:
    world = ProofWorld()
    mask = masking(world.context(), world.back_up().point)
    assert mask("hunter2") == "(masked)"
    blind = masking(world.context(), "no-such-point")
    assert blind("hunter2").startswith("not told, since the point's Secrets cannot be read")
    assert blind("") == ""


def test_the_warnings_of_the_restore_are_in_the_verdict() -> None:
    world = ProofWorld("volumes: {snapshot: false}\n" + ONE_SECOND)
    verdict = world.prove(world.back_up().point)
    space = f"lifeboat-{verdict.test[:8]}-shop"
    why = f"claim {space}/data is made empty: the point has no snapshot of it"
    assert verdict.outcome == "passed"
    assert verdict.warnings == (why,)
