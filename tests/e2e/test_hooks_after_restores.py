"""Hooks after a restore on a real API server: containers come into templates, commands run in pods
(kwok runs them on this machine), an image runs as a Job, a request is sent over the wire.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lifeboat.errors import RestoreIncomplete
from lifeboat.ports.cluster import Json
from lifeboat.restore.model import RestorePlan, RestoreReport
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.request import Written
from lifeboat.restore.run import apply_plan, stored_report
from tests.support.app import App, wait_ready

Look = dict[str, Any]


@dataclass
class Listener:
    """Where the hook's request goes; `look` is called when it comes."""

    url: str
    seen: list[Look] = field(default_factory=list)


@contextmanager
def listening(app: App, log: Path) -> Iterator[Listener]:
    """What the target is like when the request comes: it stands between the command and the
    Job."""
    listener = Listener("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            space = self.path.strip("/")
            live = app.cluster.api.get("apps/v1", "Deployment", space, "web")
            listener.seen.append(
                {
                    "ready": live["status"].get("readyReplicas", 0),
                    "commands": log.read_text().split() if log.exists() else [],
                    "authorization": self.headers["Authorization"],
                }
            )
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        listener.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield listener
        finally:
            server.shutdown()
            thread.join()


def hooks(app: App, space: str, url: str, log: Path, secret: Path) -> Json:
    """One hook of each kind; the request names the namespace that it is about."""
    labels = f"app={app.name}"
    container = {"name": "owner", "image": "example.invalid/owner:1", "command": ["chown"]}
    shell = ["sh", "-c", f"echo ran >> {log}"]
    return {
        "wait": "2m",
        "init": [{"namespace": app.name, "labels": labels, "containers": [container]}],
        "after": [
            {"exec": {"namespace": app.name, "labels": labels, "run": {"command": shell}}},
            {
                "http": {
                    "headers": {"Authorization": f"file:{secret}"},
                    "call": {"url": f"{url}/{space}", "method": "POST", "expect": [202]},
                }
            },
            {"job": {"namespace": app.name, "run": {"image": "example.invalid/migrate:1"}}},
        ],
    }


@dataclass
class Stage:
    app: App
    point: str
    listener: Listener
    log: Path
    secret: Path

    def restored(self, space: str, **wishes: Any) -> tuple[RestorePlan, RestoreReport]:
        """The point restored, with hooks that talk to `space`."""
        self.app.policy["restoreHooks"] = hooks(
            self.app, space, self.listener.url, self.log, self.secret
        )
        return self.again(**wishes)

    def again(self, **wishes: Any) -> tuple[RestorePlan, RestoreReport]:
        context = self.app.context()
        request = Written(**wishes).request(context.instance.id, self.point)
        plan = plan_restore(context, request, f"r-{self.app.name}")
        return plan, apply_plan(context, plan, lambda _: None, plan.created)


@pytest.fixture
def stage(app: App, tmp_path: Path) -> Iterator[Stage]:
    point = app.backup().point
    secret = tmp_path / "token"
    secret.write_text("correct-horse")
    secret.chmod(0o600)
    log = tmp_path / "ran"
    with listening(app, log) as listener:
        yield Stage(app, point, listener, log, secret)


def jobs_left(app: App, space: str) -> list[str]:
    return [one["metadata"]["name"] for one in app.cluster.api.list("batch/v1", "Job", space)]


def assert_ran(stage: Stage, space: str, report: RestoreReport) -> None:
    """Each once, in order, when the workloads were ready; nothing of them stays but the
    container."""
    assert report.ok
    assert [hook.trouble for hook in report.hooks] == [""] * 4
    means = [hook.title.partition(" ")[0] for hook in report.hooks]
    assert means == ["pod", "pod", "http", "job"]
    assert all(space in hook.title for hook in report.hooks if not hook.title.startswith("http"))
    (seen,) = stage.listener.seen
    assert seen == {"ready": 2, "commands": ["ran", "ran"], "authorization": "correct-horse"}
    assert jobs_left(stage.app, space) == []
    web = stage.app.cluster.api.get("apps/v1", "Deployment", space, "web")
    pod = web["spec"]["template"]["spec"]
    assert [one["name"] for one in pod["initContainers"]] == ["owner"]
    assert any("owner" in line for line in report.changes)
    assert "correct-horse" not in json.dumps([hook.title for hook in report.hooks])


def test_hooks_run_in_the_namespace_that_was_lost_and_restored(stage: Stage) -> None:
    app = stage.app
    app.lose()
    _, report = stage.restored(app.name)
    assert_ran(stage, app.name, report)
    wait_ready(app.cluster, app.name)


def test_hooks_run_in_the_namespace_that_was_backed_up_and_lives(stage: Stage) -> None:
    """Its pods are rolled out anew, with the container, before anything talks to them."""
    app = stage.app
    _, report = stage.restored(app.name, mode="replace")
    assert_ran(stage, app.name, report)
    pods = app.cluster.api.list("v1", "Pod", app.name)
    begins = [[one["name"] for one in pod["spec"].get("initContainers", [])] for pod in pods]
    assert begins == [["owner"]] * 2


def test_hooks_follow_a_renamed_namespace(stage: Stage) -> None:
    app, copy = stage.app, f"{stage.app.name}-copy"
    _, report = stage.restored(copy, mapping=[f"{app.name}={copy}"])
    assert_ran(stage, copy, report)
    live = app.cluster.api.get("apps/v1", "Deployment", app.name, "web")
    assert "initContainers" not in live["spec"]["template"]["spec"]


def test_a_command_that_fails_stops_the_others_and_fails_the_restore(stage: Stage) -> None:
    app = stage.app
    wanted = hooks(app, app.name, stage.listener.url, stage.log, stage.secret)
    failing = {"command": ["sh", "-c", "exit 3"], "timeout": "30s"}
    wanted["after"][0]["exec"]["run"] = failing
    app.policy["restoreHooks"] = wanted
    with pytest.raises(RestoreIncomplete, match="hook pod"):
        stage.again()
    context = app.context()
    report = stored_report(context, context.instance.id, f"r-{app.name}")
    assert stage.listener.seen == []
    assert [hook.trouble for hook in report.hooks][1:] == ["did not run: one before it failed"] * 3
    failing["onError"] = "Continue"
    stage.point = app.backup().point
    context = app.context()
    request = Written().request(context.instance.id, stage.point)
    plan = plan_restore(context, request, f"r-{app.name}-2")
    again = apply_plan(context, plan, lambda _: None, plan.created)
    assert again.ok
    assert len([line for line in again.warnings if line.startswith("hook pod")]) == 2
    assert len(stage.listener.seen) == 1
