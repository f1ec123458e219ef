"""A test restore that brings objects outside namespaces along, on a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lifeboat.proof.run import Place, clean_up, prove, scratch_plan
from lifeboat.restore.run import prepare, resources
from lifeboat.steps.left_tests import TEST_LABEL
from lifeboat.steps.reconcile import reconcile
from local.api import JsonObject, wait_until
from local.errors import ApiError
from tests.support.app import App
from tests.support.manifests import crd

_RBAC = "rbac.authorization.k8s.io/v1"
_ADMISSION = "admissionregistration.k8s.io/v1"
KINDS = {
    "PriorityClass": "scheduling.k8s.io/v1",
    "ClusterRole": _RBAC,
    "ClusterRoleBinding": _RBAC,
    "ValidatingWebhookConfiguration": _ADMISSION,
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
}


def quiet(_: str) -> None: ...


def group(app: App) -> str:
    return f"{app.name}.example.com"


def named(kind: str, name: str, **fields: Any) -> JsonObject:
    return {"apiVersion": KINDS[kind], "kind": kind, "metadata": {"name": name}, **fields}


def outside(app: App) -> list[JsonObject]:
    """A class, a role that many would get, its binding, a webhook that nobody answers, a kind."""
    accounts = {"kind": "Group", "name": f"system:serviceaccounts:{app.name}"}
    people = {"kind": "Group", "name": "ops"}
    for subject in (accounts, people):
        subject["apiGroup"] = "rbac.authorization.k8s.io"
    role = named("ClusterRole", app.name, rules=[])
    role["metadata"]["labels"] = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": app.name}
    hook = {
        "name": f"gate.{group(app)}",
        "clientConfig": {"service": {"namespace": app.name, "name": "web"}},
        "rules": [
            {
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["configmaps", "namespaces"],
                "scope": "*",
            }
        ],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "timeoutSeconds": 2,
        "admissionReviewVersions": ["v1"],
    }
    return [
        named("PriorityClass", app.name, value=7),
        role,
        named("ClusterRoleBinding", app.name, roleRef=reference, subjects=[accounts, people]),
        named("ValidatingWebhookConfiguration", app.name, webhooks=[hook]),
        crd(group(app), "widgets", "Widget"),
    ]


def lose(app: App) -> None:
    """What is outside, and with the definition all that it defines."""
    for body in reversed(outside(app)):
        where = (body["apiVersion"], body["kind"], "", body["metadata"]["name"])
        app.cluster.api.delete(*where)
        wait_until(f"{where} is gone", lambda where=where: app.cluster.api.gone(*where), 60)


@pytest.fixture
def furnished(app: App) -> Iterator[App]:
    """A point with all of it, which the cluster has lost."""
    api = app.cluster.api
    *others, definition = outside(app)
    api.apply(definition)
    widget = {"apiVersion": f"{group(app)}/v1", "kind": "Widget"}
    widget |= {"metadata": {"name": "one", "namespace": app.name}, "spec": {"size": 1}}
    path = f"/apis/{group(app)}/v1/namespaces/{app.name}/widgets"

    def is_made() -> bool:
        try:
            api.request("POST", path, widget)
        except ApiError:
            return False
        return True

    wait_until("the kind is served", is_made, 60)
    for body in others:
        api.apply(body)
    app.policy["select"]["clusterScoped"] = "all"
    app.policy["testRestore"] = {
        "timeout": "60s",
        "checks": ["objectsComplete"],
        "clusterScoped": [f"{kind}.{at.partition('/')[0]}" for kind, at in KINDS.items()],
    }
    yield app
    lose(app)


def there(app: App) -> set[str]:
    """Kinds of which the test's own object is in the cluster."""
    api, found = app.cluster.api, set()
    for body in outside(app):
        if not api.gone(body["apiVersion"], body["kind"], "", body["metadata"]["name"]):
            found.add(body["kind"])
    return found


def marked(app: App) -> list[str]:
    """Objects outside namespaces that carry the label of any test restore of this point."""
    return [
        f"{kind} {live['metadata']['name']}"
        for kind, at in KINDS.items()
        for live in app.cluster.api.list(at, kind)
        if TEST_LABEL in (live["metadata"].get("labels") or {})
    ]


def is_held(app: App, space: str) -> bool:
    """Whether the webhook is asked about a ConfigMap in a namespace: the API server gets to know
    webhooks a little after they are there."""
    metadata = {"name": "held", "namespace": space}
    try:
        app.cluster.api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    except ApiError as error:
        return "failed calling webhook" in str(error)
    app.cluster.api.delete("v1", "ConfigMap", space, "held")
    return False


def test_what_was_lost_is_proven_too_and_nothing_of_it_stays(furnished: App) -> None:
    point = furnished.backup().point
    lose(furnished)
    verdict = prove(furnished.context(), point, "first", quiet, Place())
    assert verdict.outcome == "passed", verdict
    assert there(furnished) == set()
    assert marked(furnished) == []


def test_a_killed_run_is_fenced_meanwhile_and_found_and_taken_away(furnished: App) -> None:
    api, context = furnished.cluster.api, furnished.context()
    point = furnished.backup().point
    lose(furnished)
    theirs = named("PriorityClass", furnished.name, value=9)
    api.apply(theirs)
    plan = scratch_plan(context, point, f"r{furnished.name[-8:]}001")
    prepare(context, plan, quiet)
    resources(context, plan, quiet)
    assert there(furnished) == set(KINDS)
    (space,) = plan.request.mapping.values()
    binding = api.get(_RBAC, "ClusterRoleBinding", "", furnished.name)
    assert [one["name"] for one in binding["subjects"]] == [f"system:serviceaccounts:{space}"]
    role = api.get(_RBAC, "ClusterRole", "", furnished.name)
    assert role["metadata"]["labels"] == {TEST_LABEL: plan.restore}
    # The webhook lets nothing pass that it is asked about, and is not asked about these.
    wait_until("it is asked about scratch", lambda: is_held(furnished, space), 30)
    for name in (furnished.name, "default"):
        metadata = {"name": f"free-{furnished.name}", "namespace": name}
        api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
        api.delete("v1", "ConfigMap", name, metadata["name"])
    left = [one.test for one in reconcile(furnished.context()).orphans if one.test]
    assert left == [plan.restore]
    removed = clean_up(furnished.context(), plan.restore)
    assert space in removed
    assert there(furnished) == {"PriorityClass"}
    assert api.get(KINDS["PriorityClass"], "PriorityClass", "", furnished.name)["value"] == 9
    assert marked(furnished) == []
    assert [one for one in reconcile(furnished.context()).orphans if one.test] == []
