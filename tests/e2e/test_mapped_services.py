"""Webhooks, conversions and APIs of an application that is restored under another name, on a
control plane of its own: an API that nobody answers for keeps other tests' namespaces from going.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lifeboat.ports.cluster import Json
from lifeboat.restore.model import PlanItem, RestorePlan, RestoreReport
from lifeboat.restore.parts import items_of
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.request import Written
from lifeboat.restore.run import apply_plan
from local.api import wait_until
from local.cluster import LocalCluster, temporary_cluster
from tests.support.app import App, running_app
from tests.support.kinds import API_SERVICE, CRD, VALIDATING_WEBHOOKS
from tests.support.manifests import crd, manifest

MUTATING = "MutatingWebhookConfiguration"
KINDS = {
    "ValidatingWebhookConfiguration": VALIDATING_WEBHOOKS.api_version,
    MUTATING: VALIDATING_WEBHOOKS.api_version,
    "CustomResourceDefinition": CRD.api_version,
    "APIService": API_SERVICE.api_version,
}
MODES = [f"{kind.lower()}s=replace" for kind in KINDS]


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[LocalCluster]:
    with temporary_cluster() as running:
        yield running


def client(space: str) -> Json:
    return {"service": {"namespace": space, "name": "web", "path": "/", "port": 443}}


def hooks(space: str) -> list[Json]:
    rule = {
        "apiGroups": ["example.com"],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["widgets"],
    }
    hook = {"name": "gate.example.com", "rules": [rule], "failurePolicy": "Ignore"}
    asked = {"sideEffects": "None", "admissionReviewVersions": ["v1"]}
    return [{**hook, **asked, "clientConfig": client(space)}]


def outside(space: str) -> list[Json]:
    """One object of each kind, all answered by the application's Service."""
    validating = manifest(VALIDATING_WEBHOOKS, "gate", webhooks=hooks(space))
    definition = crd("widgets.example.com", "widgets", "Widget")
    webhook = {"clientConfig": client(space), "conversionReviewVersions": ["v1"]}
    definition["spec"]["conversion"] = {"strategy": "Webhook", "webhook": webhook}
    definition["spec"]["preserveUnknownFields"] = False
    spec = {
        "group": "gadgets.example.com",
        "version": "v1",
        "service": {"namespace": space, "name": "web", "port": 443},
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "insecureSkipTLSVerify": True,
    }
    api = manifest(API_SERVICE, "v1.gadgets.example.com", spec=spec)
    return [validating, {**validating, "kind": MUTATING}, definition, api]


@pytest.fixture
def furnished(own_cluster: LocalCluster, tmp_path: Path) -> Iterator[App]:
    """The application and what it answers for, both in the point and alive."""
    with running_app(own_cluster, tmp_path) as app:
        for body in outside(app.name):
            app.cluster.api.apply(body)
        app.policy["select"]["clusterScoped"] = "all"
        yield app
        lose(app)


def lose(app: App) -> None:
    """What is outside, of the application or its copy."""
    for body in reversed(outside("")):
        where = (body["apiVersion"], body["kind"], "", body["metadata"]["name"])
        app.cluster.api.delete(*where)
        wait_until(f"{where} is gone", lambda where=where: app.cluster.api.gone(*where), 60)


def asked(app: App) -> dict[str, str]:
    """In which namespace each object's Service is."""
    found = {}
    for body in outside(""):
        kind, name = body["kind"], body["metadata"]["name"]
        live = app.cluster.api.get(body["apiVersion"], kind, "", name)
        if kind == "APIService":
            holder = live["spec"]
        elif kind == "CustomResourceDefinition":
            holder = live["spec"]["conversion"]["webhook"]["clientConfig"]
        else:
            holder = live["webhooks"][0]["clientConfig"]
        found[kind] = holder["service"]["namespace"]
    return found


def copied(app: App, point: str, **wishes: Any) -> tuple[RestorePlan, RestoreReport]:
    """The application's Service beside itself, and what it answers for."""
    context = app.context()
    wishes |= {"mapping": [f"{app.name}={app.name}-copy"], "kinds": ["Service", *KINDS]}
    request = Written(**wishes).request(context.instance.id, point)
    plan = plan_restore(context, request, f"r-{len(wishes)}")
    return plan, apply_plan(context, plan, lambda _: None, plan.created)


def items(app: App, plan: RestorePlan) -> dict[str, PlanItem]:
    names = {body["metadata"]["name"] for body in outside("")}
    found = items_of(app.context().vault, plan)
    return {one.kind.kind: one for one in found if one.kind.kind in KINDS and one.name in names}


def test_what_answers_for_the_live_application_is_not_taken_from_it(furnished: App) -> None:
    app, api = furnished, furnished.cluster.api
    point = app.backup().point
    before = asked(app)
    for body in outside(app.name):  # so that there is something to replace
        body["metadata"]["labels"] = {"since": "then"}
        api.apply(body)
    plan, report = copied(app, point, mode_of=MODES)
    found = items(app, plan)
    assert {kind: one.action for kind, one in found.items()} == dict.fromkeys(KINDS, "replace")
    assert asked(app) == before == dict.fromkeys(KINDS, app.name)
    told = [line for line in plan.warnings if "goes on asking" in line]
    assert sorted(told) == sorted(
        f"{one.title} goes on asking service {app.name}/web, which is there,"
        f" not {app.name}-copy/web"
        for one in found.values()
    )
    assert set(told) <= set(report.warnings)


def test_what_a_mapped_restore_makes_is_answered_by_the_copy(furnished: App) -> None:
    app = furnished
    point = app.backup().point
    lose(app)
    plan, report = copied(app, point)
    found = items(app, plan)
    assert {kind: one.action for kind, one in found.items()} == dict.fromkeys(KINDS, "create")
    assert asked(app) == dict.fromkeys(KINDS, f"{app.name}-copy")
    for one in found.values():
        told = f"{one.title} is going to ask service {app.name}-copy/web, not {app.name}/web"
        assert told in plan.warnings
        changed = f"{one.title}: service {app.name}/web became {app.name}-copy/web"
        assert changed in report.changes


def test_a_service_that_is_gone_gives_way_to_the_copy(furnished: App) -> None:
    """Only where somebody asks for the kind: what is there is left alone else."""
    app, api = furnished, furnished.cluster.api
    point = app.backup().point
    api.delete("v1", "Service", app.name, "web")
    plan, _ = copied(app, point)
    assert {one.action for one in items(app, plan).values()} == {"skip"}
    assert asked(app) == dict.fromkeys(KINDS, app.name)
    assert not [line for line in plan.warnings if "asking service" in line]
    plan, report = copied(app, point, mode_of=MODES)
    assert {one.action for one in items(app, plan).values()} == {"replace"}
    assert report.ok
    assert asked(app) == dict.fromkeys(KINDS, f"{app.name}-copy")
