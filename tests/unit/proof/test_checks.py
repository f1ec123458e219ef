"""The checks that users write: what they run where, what passes, and what a verdict keeps."""

from __future__ import annotations

import base64
import sys
import time
from dataclasses import replace
from types import ModuleType

import pytest

from lifeboat.errors import ClusterUnreachable, HookFailed, NotProven
from lifeboat.point.facts import Verdict
from lifeboat.proof.facade import Scratch
from lifeboat.proof.finding import Tested
from lifeboat.proof.run import Place, check, judge, prepare, scratch_plan
from lifeboat.restore.model import VolumesResult
from lifeboat.restore.run import resources
from tests.support.fake_flows import FakeDag, FakeFlows
from tests.support.fake_pods import Said
from tests.support.kinds import POD
from tests.support.proof_world import OBJECTS, ProofWorld

DIGEST = "ab" * 32
SQL = (
    "    - sql: {namespace: shop, image: 'psql:1', command: [psql, -c], secrets: [login],"
    " query: 'select 1', %s}\n"
)


def verdict_of(world: ProofWorld) -> Verdict:
    """Back up, prove, and what was written down; each time anew."""
    run = f"run-{world.now}"
    point = world.back_up(run).point
    try:
        return world.prove(point, run)
    except NotProven:
        return world.judged(point)


def finding(verdict: Verdict) -> tuple[str, str]:
    return verdict.checks[-1].outcome, verdict.checks[-1].detail


@pytest.mark.parametrize(
    ("expects", "printed", "found"),
    [
        ("expect: '42'", "NOTICE: hello\n42\n", ("passed", "printed 42")),
        ("expect: '42'", "41", ("failed", "printed 41, expected 42")),
        ("atLeast: 40", "42\n\n", ("passed", "42")),
        ("atLeast: 40", "39", ("failed", "39 is less than 40")),
        ("atMost: 40", "41", ("failed", "41 is more than 40")),
        ("atMost: 40", "forty", ("failed", "the command printed something other than one number")),
        ("atMost: 40", "", ("impossible", "its Job succeeded, but nothing can be read of its log")),
    ],
)
def test_a_query_passes_by_its_last_line(
    expects: str, printed: str, found: tuple[str, str]
) -> None:
    world = ProofWorld(OBJECTS + SQL % expects)
    world.jobs["psql"] = (printed, False)
    verdict = verdict_of(world)
    assert finding(verdict) == found
    assert verdict.proven == (found[0] == "passed")
    (job,) = world.made
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["psql", "-c", "select 1"]
    assert container["envFrom"] == [{"secretRef": {"name": "login"}}]
    assert job["metadata"]["namespace"].startswith("lifeboat-")
    assert job["metadata"]["namespace"].endswith("-shop")


@pytest.mark.parametrize(
    ("said", "fails", "found"),
    [
        ("  HTTP/1.1 200 OK\nhealthy", False, ("passed", "answered 200")),
        ("  HTTP/1.1 302 Found\n  HTTP/1.1 200 OK\nhealthy", False, ("passed", "answered 200")),
        (
            "wget: server returned error: HTTP/1.1 503 Unavailable",
            True,
            ("failed", "answered 503, expected 200"),
        ),
        ("  HTTP/1.1 200 OK\nsick", False, ("failed", "answered 200, without the text")),
        ("wget: bad address", True, ("failed", "no answer: its Job failed: BackoffLimitExceeded")),
        ("", False, ("failed", "no answer: its log says no status")),
    ],
)
def test_a_request_passes_by_its_last_status(
    said: str, fails: bool, found: tuple[str, str]
) -> None:
    wanted = "{namespace: shop, service: web, port: 8080, path: /health, contains: healthy}"
    world = ProofWorld(f"{OBJECTS}    - http: {wanted}\n")
    world.jobs["wget"] = (said, fails)
    assert finding(verdict_of(world)) == found
    (job,) = world.made
    space = job["metadata"]["namespace"]
    command = job["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[-1] == f"http://web.{space}.svc:8080/health"


@pytest.mark.parametrize("fails", [False, True])
def test_a_connection_and_a_job_pass_by_the_exit_code(fails: bool) -> None:
    world = ProofWorld(
        OBJECTS
        + "    - job: {namespace: shop, image: 'tools:4', args: [verify]}\n"
        + "    - tcp: {namespace: shop, service: db, port: 5432}\n"
    )
    world.jobs |= {"nc": ("", fails), "tools:4": ("Cannot add up", fails)}
    verdict = verdict_of(world)
    assert [one.outcome for one in verdict.checks[1:]] == ["failed" if fails else "passed"] * 2
    assert verdict.outcome == ("partial" if fails else "passed")
    told = [one.text for one in verdict.evidence]
    assert ("Cannot add up" in told) is fails
    assert [name for name in world.cluster.logs if "lifeboat-" in name]
    command = world.made[1]["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[0] == "nc"
    assert command[-1] == "5432"


def test_a_command_runs_in_every_pod_of_the_scratch_namespace() -> None:
    check = "{namespace: shop, labels: app=db, command: [ready], contains: ok}"
    world = ProofWorld(f"{OBJECTS}    - exec: {check}\n")
    where: list[str] = []
    world.pods.seen = lambda target, _: where.append(target.namespace)
    world.pods.answers["ready"] = Said(0, "all ok")
    assert finding(verdict_of(world)) == ("passed", "succeeded in 2 pods")
    assert len(where) == 2
    assert all(name.startswith("lifeboat-") for name in where)
    world.pods.answers["ready"] = Said(3, "no")
    outcome, detail = finding(verdict_of(world))
    assert outcome == "failed"
    assert "exit code 3" in detail


def figures(world: ProofWorld, then: str, now: str, word: str) -> tuple[str, str]:
    """What a check finds whose command printed one thing at the backup and another after it."""
    said = {"shop": then}
    place: list[str] = []
    world.pods.seen = lambda target, _: place.append(target.namespace)
    world.pods.answers[word] = lambda _: Said(0, said.get(place[-1], now))
    return finding(verdict_of(world))


@pytest.mark.parametrize(
    ("tolerance", "then", "now", "outcome"),
    [
        (0, "1000", "1000\n", "passed"),
        (0, "1000", "999", "failed"),
        (1, "1000", "990", "passed"),
        (1, "1000", "989", "failed"),
        (0, "1000", "many", "failed"),
        (0, "many", "1000", "impossible"),
    ],
)
def test_a_number_is_compared_with_what_was_captured(
    tolerance: int, then: str, now: str, outcome: str
) -> None:
    check = f"{{namespace: shop, labels: app=db, command: [count], tolerance: {tolerance}}}"
    world = ProofWorld(f"{OBJECTS}    - figure: {check}\n")
    found, detail = figures(world, then, now, "count")
    assert found == outcome
    assert "many" not in detail, "what a command printed may be a secret"


@pytest.mark.parametrize("same", [True, False])
def test_a_file_is_compared_with_its_digest_at_the_backup(same: bool) -> None:
    world = ProofWorld(f"{OBJECTS}    - file: {{namespace: shop, path: /data/sentinel}}\n")
    then = f"{DIGEST}  /data/sentinel\n"
    now = then if same else f"{'cd' * 32}  /data/sentinel\n"
    outcome, detail = figures(world, then, now, "sha256sum")
    assert outcome == ("passed" if same else "failed")
    assert "sha256:abab" in detail
    assert world.pods.ran[-1][1] == ("sha256sum", "/data/sentinel")


def test_what_could_not_be_captured_is_told_by_the_point_and_cannot_pass() -> None:
    check = "{namespace: shop, labels: app=nobody, command: [count]}"
    world = ProofWorld(f"{OBJECTS}    - figure: {check}\n")
    manifest = world.back_up()
    (warning,) = manifest.warnings
    assert "no running pods with labels app=nobody" in warning
    assert manifest.complete
    with pytest.raises(NotProven):
        world.prove(manifest.point)
    outcome, detail = finding(world.judged(manifest.point))
    assert outcome == "impossible"
    assert "no running pods" in detail


def test_a_namespace_that_the_point_does_not_hold_is_named() -> None:
    world = ProofWorld(f"{OBJECTS}    - job: {{namespace: stock, image: a}}\n")
    assert finding(verdict_of(world)) == ("impossible", "the point holds no namespace stock")


@pytest.fixture
def checks_of_mine() -> ModuleType:
    module = ModuleType("checks_of_mine")
    sys.modules[module.__name__] = module
    return module


def python(name: str, **more: str) -> ProofWorld:
    rest = "".join(f", {key}: {value}" for key, value in more.items())
    return ProofWorld(f"{OBJECTS}    - python: {{call: 'checks_of_mine:{name}'{rest}}}\n")


def test_a_function_sees_the_restored_application_by_its_own_names(
    checks_of_mine: ModuleType,
) -> None:
    def colour_is_blue(scratch: Scratch) -> str:
        found = scratch.get("configmaps", "shop", "settings")
        assert found["data"] == {"colour": "blue"}
        assert found["metadata"]["namespace"] == scratch.namespaces["shop"] != "shop"
        assert len(scratch.objects("pods", "shop", "app=db")) == 2
        return scratch.run("shop", ["say"], labels="app=db").strip()

    checks_of_mine.colour_is_blue = colour_is_blue  # type: ignore[attr-defined]
    world = python("colour_is_blue")
    world.pods.answers["say"] = Said(0, "hello\n")
    assert finding(verdict_of(world)) == ("passed", "hello")


@pytest.mark.parametrize(
    ("name", "outcome", "detail"),
    [
        ("wrong", "failed", "AssertionError: only 3 orders"),
        ("missing", "impossible", "cannot be imported"),
        ("slow", "failed", "still ran after 1 s"),
        ("leaks", "failed", "ValueError: password is (masked)"),
    ],
)
def test_a_function_that_raises_hangs_or_leaks(
    checks_of_mine: ModuleType, name: str, outcome: str, detail: str
) -> None:
    def wrong(_: Scratch) -> None:
        raise AssertionError("only 3 orders")

    def slow(_: Scratch) -> None:
        time.sleep(5)

    def leaks(_: Scratch) -> None:
        raise ValueError("password is hunter2")

    vars(checks_of_mine).update(wrong=wrong, slow=slow, leaks=leaks)
    found = finding(verdict_of(python(name, timeout="1s")))
    assert found[0] == outcome
    assert detail in found[1]


def proven_through(world: ProofWorld, flows: FakeFlows) -> Verdict:
    """As tasks do it, with an Airflow at hand."""
    point = world.back_up().point
    context = world.context()
    plan = scratch_plan(context, point, "test-1")
    prepare(context, plan, lambda _: None)
    resources(context, plan, lambda _: None)
    checked = check(context, plan, lambda _: flows)
    return judge(context, plan, "2026-11-22T12:00:00Z", checked, Place())


@pytest.mark.parametrize(
    ("ends", "outcome"), [("success", "passed"), ("failed", "failed"), ("", "failed")]
)
def test_any_dag_is_a_check(ends: str, outcome: str) -> None:
    world = ProofWorld(f"{OBJECTS}    - dag: {{dag: verify, timeout: 1s}}\n")
    flows = FakeFlows(dags={"verify": FakeDag(ends=ends)})
    verdict = proven_through(world, flows)
    assert verdict.checks[-1].outcome == outcome
    ((run, conf),) = flows.dags["verify"].confs.items()
    assert run.startswith("lifeboat-test-1-")
    assert conf["point"] == verdict.point
    assert list(conf["namespaces"]) == ["shop"]


def test_a_dag_that_nobody_knows_or_no_airflow_at_all_is_impossible() -> None:
    world = ProofWorld(f"{OBJECTS}    - dag: {{dag: verify}}\n")
    assert proven_through(world, FakeFlows()).checks[-1].outcome == "impossible"
    outside = ProofWorld(f"{OBJECTS}    - dag: {{dag: verify}}\n")
    assert finding(verdict_of(outside))[1] == "outside Airflow there is no DAG to trigger"


def test_logs_and_events_are_kept_without_the_secrets_of_the_point() -> None:
    world = ProofWorld(f"{OBJECTS}    - exec: {{namespace: shop, command: [ready]}}\n")
    point = world.back_up().point
    world.pods.answers["ready"] = 1
    space = ""

    def look(target: object, _: object) -> None:
        nonlocal space
        space = getattr(target, "namespace", "")
        body = world.cluster.get(POD, space, "db-0")
        body["status"] = {
            "phase": "Pending",
            "containerStatuses": [
                {"name": "main", "restartCount": 4, "state": {"waiting": {"reason": "CrashLoop"}}}
            ],
        }
        world.cluster.put(POD, body)
        encoded = base64.b64encode(b"hunter2").decode()
        world.cluster.logs[f"{space}/db-0"] = f"login with hunter2 ({encoded}) failed\n" * 3
        world.warn(space, "cannot start with hunter2")

    world.pods.seen = look
    with pytest.raises(NotProven):
        world.prove(point)
    evidence = {one.what: one.text for one in world.judged(point).evidence}
    assert evidence[f"pod {space}/db-0"].endswith("container main: CrashLoop, restarted 4")
    assert "login with (masked) ((masked)) failed" in evidence[f"log of pod {space}/db-0 (main)"]
    assert "BackOff: cannot start with (masked)" in evidence["events"]
    assert f"pod {space}/db-1" not in evidence, "it is ready"
    assert "hunter2" not in str(evidence)


def test_a_cluster_that_does_not_answer_fails_the_run_and_no_check() -> None:
    world = ProofWorld(f"{OBJECTS}    - exec: {{namespace: shop, command: [ready]}}\n")
    world.pods.answers["ready"] = ClusterUnreachable("gone")
    point = world.back_up().point
    with pytest.raises(NotProven):
        world.prove(point)
    verdict = world.judged(point)
    assert (verdict.outcome, verdict.checks, verdict.error) == ("failed", (), "gone")


def test_a_second_attempt_at_the_checks_runs_nothing_again() -> None:
    world = ProofWorld(f"{OBJECTS}    - job: {{namespace: shop, image: 'tools:4'}}\n")
    point = world.back_up().point
    context = world.context()
    plan = scratch_plan(context, point, "test-1")
    prepare(context, plan, lambda _: None)
    resources(context, plan, lambda _: None)
    assert check(context, plan) == check(world.context(), plan)
    assert len(world.made) == 1


def test_a_function_is_refused_what_is_not_in_the_point() -> None:
    world = ProofWorld()
    context = world.context()
    plan = scratch_plan(context, world.back_up().point, "test-1")
    scratch = Scratch(Tested(context, plan, VolumesResult((), (), 0.0), ()))
    with pytest.raises(Exception, match="holds no namespace stock"):
        scratch.get("pods", "stock", "a")
    with pytest.raises(Exception, match="no kind 'rockets'"):
        scratch.get("rockets", "shop", "a")
    world.pods.answers["false"] = 1
    prepare(context, plan, lambda _: None)
    resources(context, plan, lambda _: None)
    with pytest.raises(HookFailed, match="exit code 1"):
        Scratch(replace(scratch._tested, context=world.context())).run("shop", ["false"])
