"""Commands in pods, against a scripted exec door: exit codes, time-outs, connections that break."""

from __future__ import annotations

import pytest

from lifeboat.adapters.exec_api import ExecApi
from lifeboat.adapters.kubeconfig import Endpoint
from lifeboat.errors import (
    ClusterUnreachable,
    Forbidden,
    HookFailed,
    LifeboatError,
    NotFound,
    NotReady,
    Unauthorized,
)
from lifeboat.ports.pods import OUTPUT_BYTES, Ran, Target
from tests.support.exec_server import ExecScript, exec_server, failure, not_started, success

TARGET = Target("shop", "db-0", "uid", "postgres")


def run(script: ExecScript, *command: str, seconds: float = 30) -> Ran:
    with exec_server(script):
        endpoint = Endpoint(script.url, "test", token=lambda: "t-1")
        return ExecApi(endpoint).run(TARGET, command or ("true",), seconds)


def test_asks_for_the_words_as_they_are() -> None:
    script = ExecScript()
    ran = run(script, "psql", "-c", "select 1; -- $HOME & ü")
    assert ran.exit_code == 0
    assert script.asked[0].path.startswith("/api/v1/namespaces/shop/pods/db-0/exec?")
    assert script.asked[0].headers["Authorization"] == "Bearer t-1"
    asked = script.query()
    assert asked["command"] == ["psql", "-c", "select 1; -- $HOME & ü"]
    assert asked["container"] == ["postgres"]
    assert "stdin" not in asked


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io"])
@pytest.mark.parametrize("code", [1, 137])
def test_tells_the_exit_code(code: int, protocol: str) -> None:
    script = ExecScript([b"\x01out\n", b"\x02err\n", failure(code)], protocols=[protocol])
    ran = run(script)
    assert (ran.exit_code, ran.output) == (code, "out\nerr\n")
    assert "out" not in repr(ran)


def test_keeps_the_end_of_the_output_only() -> None:
    ran = run(ExecScript([b"\x01" + b"a" * OUTPUT_BYTES, b"\x01end", success()]))
    assert len(ran.output) == OUTPUT_BYTES
    assert ran.output.endswith("aend")


def test_a_command_that_cannot_start_is_permanent_and_not_quoted() -> None:
    with pytest.raises(HookFailed, match="could not be started in shop/db-0") as caught:
        run(ExecScript([not_started()]))
    assert "SECRET" not in str(caught.value)


def test_a_command_that_takes_too_long() -> None:
    with pytest.raises(NotReady, match=r"still ran after 0\.2 s"):
        run(ExecScript([b"\x01working"], end="hang"), seconds=0.2)


@pytest.mark.parametrize("end", ["close", "cut"])
def test_a_connection_that_ends_first_is_no_success(end: str) -> None:
    with pytest.raises(ClusterUnreachable, match="broke before the command ended"):
        run(ExecScript([b"\x01half"], end=end))


@pytest.mark.parametrize(
    ("status", "error"), [(401, Unauthorized), (403, Forbidden), (404, NotFound)]
)
def test_a_refusal_is_what_it_is_elsewhere(status: int, error: type[LifeboatError]) -> None:
    with pytest.raises(error, match="refused on order"):
        run(ExecScript(refuse=status))


@pytest.mark.parametrize("status", [302, 307])
def test_is_led_nowhere_else(status: int) -> None:
    with exec_server(ExecScript()) as elsewhere:
        location = elsewhere.url.replace("http:", "ws:")
        with pytest.raises(ClusterUnreachable, match="opened no connection"):
            run(ExecScript(refuse=status, location=location))
    assert elsewhere.asked == []


def test_a_server_s_own_trouble_may_pass() -> None:
    with pytest.raises(ClusterUnreachable, match="500"):
        run(ExecScript(refuse=500))


def test_nobody_there() -> None:
    with pytest.raises(ClusterUnreachable, match="opened no connection"):
        ExecApi(Endpoint("http://127.0.0.1:1", "test")).run(TARGET, ("true",), 5)
