"""Admission webhooks that fail closed and that nobody answers for, on a real API server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lifeboat.errors import RestoreIncomplete, WebhookUnreachable
from lifeboat.ports.cluster import Json
from lifeboat.restore.model import RestoreReport
from lifeboat.restore.run import apply_plan, stored_report
from tests.e2e.test_modes import config, edit, items, planned, put
from tests.support.app import App, wait_ready
from tests.support.kinds import CONFIG_MAP
from tests.support.manifests import manifest
from tests.support.poll import until

ADMISSION = ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration")


def quiet(_: str) -> None: ...


@pytest.fixture
def gate(app: App) -> Iterator[str]:
    """A webhook that judges the application's ConfigMaps, and whose service nobody ever made; on
    from `close` to the end."""
    yield f"gate.{app.name}.example.com"
    app.cluster.api.delete(*ADMISSION, "", app.name)


def close(app: App, gate: str) -> None:
    """Have the webhook judge, and wait until the API server asks it."""
    hook: Json = {
        "name": gate,
        "clientConfig": {"service": {"namespace": app.name, "name": "gate", "path": "/"}},
        "rules": [
            {
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE", "UPDATE", "DELETE"],
                "resources": ["configmaps"],
            }
        ],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": app.name}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    body: Json = {"metadata": {"name": app.name}, "webhooks": [hook]}
    app.cluster.api.apply({"apiVersion": ADMISSION[0], "kind": ADMISSION[1], **body})
    until("the webhook is asked", lambda: not is_open(app))


def is_open(app: App) -> bool:
    body = manifest(CONFIG_MAP, "probe")
    try:
        app.context().cluster.create(CONFIG_MAP, app.name, body, dry_run=True)
    except WebhookUnreachable:
        return False
    return True


@pytest.fixture
def point(app: App) -> str:
    put(app, manifest(CONFIG_MAP, "plain", data={"colour": "blue"}))
    return app.backup().point


@pytest.mark.parametrize("mode", ["skip", "merge", "replace", "recreate"])
def test_what_a_silent_webhook_refuses_is_named_and_the_rest_is_restored(
    app: App, point: str, gate: str, mode: str
) -> None:
    edit(app, "settings", {"data": {"colour": "red"}})
    app.cluster.api.delete("v1", "ConfigMap", app.name, "plain")
    app.cluster.api.delete("apps/v1", "Deployment", app.name, "web")
    close(app, gate)
    context = app.context()
    plan = planned(context, point, f"gate-{mode}", mode=mode, try_creates=True)
    wanted = {"skip": "skip", "recreate": "conflict"}.get(mode, mode)
    found = items(context, plan)
    assert found[f"ConfigMap {app.name}/settings"].action == wanted
    assert found[f"ConfigMap {app.name}/plain"].action == "create"
    assert any(gate in warning and "fails closed" in warning for warning in plan.warnings)
    account = incomplete(app, plan)
    names = {"plain"} if mode == "skip" else {"plain", "settings"}
    told = {line.partition(": ")[0]: line for line in account.failed}
    assert told.keys() == {f"ConfigMap {app.name}/{name}" for name in names}
    for line in told.values():
        assert f"webhook {gate} fails closed and does not answer" in line
    assert "take its configuration away" in told[f"ConfigMap {app.name}/plain"]
    assert config(app, "settings")["data"] == {"colour": "red"}
    wait_ready(app.cluster, app.name)


def incomplete(app: App, plan: object) -> RestoreReport:
    context = app.context()
    with pytest.raises(RestoreIncomplete):
        apply_plan(context, plan, quiet, plan.created)  # type: ignore[attr-defined, arg-type]
    return stored_report(context, context.instance.id, plan.restore)  # type: ignore[attr-defined]


def test_what_a_webhook_refused_until_its_workload_came_is_restored(
    app: App, point: str, gate: str
) -> None:
    """The end of the refusal stands for the webhook's own workload, which the restore brings."""
    app.cluster.api.delete("v1", "ConfigMap", app.name, "plain")
    edit(app, "settings", {"data": {"colour": "red"}})
    app.cluster.api.delete("apps/v1", "Deployment", app.name, "web")
    close(app, gate)
    context = app.context()
    plan = planned(context, point, "opens", mode="merge")
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if line.startswith("workloads: 1"):
            app.cluster.api.delete(*ADMISSION, "", app.name)
            until("the webhook is asked no more", lambda: is_open(app))

    account = apply_plan(context, plan, say, plan.created)
    assert account.ok
    assert "tried again: 2 of 2" in said
    assert (account.created, account.merged) == (2, 1)
    assert config(app, "plain")["data"] == config(app, "settings")["data"] == {"colour": "blue"}
