"""`lifeboat diff <point> live` against a real API server: what people changed, all of it, and
nothing of what the cluster does by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from lifeboat.cli import app as command
from lifeboat.restore.model import RestoreRequest
from lifeboat.restore.run import restore
from local.api import KubeApi, has_condition, wait_until
from local.errors import ApiError
from tests.support.app import SECRET, App, wait_ready

MERGE = "application/merge-patch+json"


def diff(app: App, *options: str) -> list[str]:
    """The lines that a person reads, with nothing but the vault, its key and a kubeconfig."""
    vault = app.instance().vault
    places = ["--vault", vault.url, "--key", vault.key or ""]
    places += ["--kubeconfig", str(app.cluster.kubeconfig)]
    asked = ["diff", f"{app.name}.local", "latest", "live", *places, *options]
    done = CliRunner().invoke(command, asked)
    assert done.exit_code == 0, done.exception
    assert SECRET not in done.output
    return done.stdout.splitlines()


def patch(app: App, api_version: str, kind: str, name: str, body: dict[str, Any]) -> None:
    api = app.cluster.api
    api.request("PATCH", api.path(api_version, kind, app.name, name), body, MERGE)


def config_map(app: App, name: str, **data: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": app.name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def replace_pods(app: App) -> None:
    """Delete every pod and wait for the new ones alone."""
    api = app.cluster.api
    old = {pod["metadata"]["uid"] for pod in api.list("v1", "Pod", app.name)}
    assert old
    for pod in api.list("v1", "Pod", app.name):
        api.delete("v1", "Pod", app.name, pod["metadata"]["name"])

    def replaced() -> bool:
        now = {pod["metadata"]["uid"] for pod in api.list("v1", "Pod", app.name)}
        return bool(now) and not now & old

    wait_until("the pods are new ones", replaced, 120)
    wait_ready(app.cluster, app.name)


def test_what_the_cluster_does_by_itself_is_no_difference_but_counted(app: App) -> None:
    app.backup()
    assert diff(app)[0] == "nothing differs"
    replace_pods(app)
    scale = {"spec": {"replicas": 3}}
    patch(app, "apps/v1", "Deployment", "web", scale)
    wait_ready(app.cluster, app.name)
    patch(app, "apps/v1", "Deployment", "web", {"spec": {"replicas": 2}})
    wait_ready(app.cluster, app.name)
    api = app.cluster.api
    wait_until("two pods are left", lambda: len(api.list("v1", "Pod", app.name)) == 2, 120)
    shown = diff(app)
    assert shown[0] == "nothing differs"
    (counted,) = shown[1:]
    assert counted == (
        "not shown, set by the server and controllers alone:"
        " 1 Deployment.apps, 4 Pod, 1 ReplicaSet.apps (--all shows them)"
    )
    everything = diff(app, "--all")
    assert everything[-1] == "2 added, 2 removed, 2 changed"
    assert "    set by the server and controllers:" in everything
    assert not any("managedFields" in line or "resourceVersion" in line for line in everything)


def test_what_people_change_add_and_delete_is_shown_and_nothing_else(app: App) -> None:
    api = app.cluster.api
    text = "[shop]\ncurrency = EUR\ntitle = Shop\n"
    for made in (config_map(app, "files", ini=text), config_map(app, "old", a="b")):
        api.apply(made)
    app.backup()
    template = {"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}}
    patch(app, "apps/v1", "Deployment", "web", template)
    patch(app, "v1", "ConfigMap", "files", {"data": {"ini": text.replace("EUR", "USD")}})
    patch(app, "v1", "Secret", "login", {"stringData": {"password": "another", "user": "me"}})
    patch(app, "v1", "Service", "web", {"spec": {"ports": [{"port": 81}]}})
    api.delete("v1", "ConfigMap", app.name, "old")
    api.apply(config_map(app, "new", c="d"))
    replace_pods(app)
    shown = diff(app)
    assert shown[:-1] == [
        f"changed  ConfigMap {app.name}/files",
        '    data.ini, from line 2: "currency = EUR" → "currency = USD"',
        f"added    ConfigMap {app.name}/new",
        f"removed  ConfigMap {app.name}/old",
        f"changed  Secret {app.name}/login",
        "    data.password: changed (7 bytes)",
        "    data.user: added (2 bytes)",
        f"changed  Service {app.name}/web",
        '    spec.ports[80]: {"protocol":"TCP","port":80,"targetPort":80} → (none)',
        '    spec.ports[81]: (none) → {"protocol":"TCP","port":81,"targetPort":81}',
        f"changed  Deployment.apps {app.name}/web",
        '    spec.template.metadata.annotations.restarted: (none) → "now"',
        "1 added, 1 removed, 4 changed",
    ]
    assert shown[-1].startswith("not shown, set by the server and controllers alone: ")
    found = json.loads("\n".join(diff(app, "--json")))
    assert [one["name"] for one in found["changes"]] == [
        "files", "new", "old", "login", "web", "web",
    ]  # fmt: skip
    assert set(found["not_shown"]) == {"Pod", "ReplicaSet.apps"}


def test_a_new_namespace_is_one_difference(app: App) -> None:
    app.policy["select"] = {"namespaces": {"include": [f"{app.name}*"]}}
    app.backup()
    name = f"{app.name}-copy"
    api = app.cluster.api
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    made = [("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")]
    wait_until(
        "the namespace is furnished",
        lambda: not any(api.gone("v1", kind, name, what) for kind, what in made),
        120,
    )
    assert diff(app)[:2] == [f"added    Namespace {name}", "1 added, 0 removed, 0 changed"]
    api.delete("v1", "Namespace", "", name)


@pytest.fixture
def widgets(app: App) -> Iterator[str]:
    """A kind of the test's own with an object in the application's namespace; its group."""
    group = f"{app.name}.example.com"
    api = app.cluster.api
    api.apply(definition(group, "v1beta1"))
    kind = ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", f"widgets.{group}")
    wait_until("the kind", lambda: has_condition(api.get(*kind), "Established"), 120)
    metadata = {"name": "one", "namespace": app.name}
    body = {"apiVersion": f"{group}/v1beta1", "kind": "Widget", "metadata": metadata}
    wait_until("the object", lambda: applied(api, {**body, "spec": {"size": 1}}), 120)
    yield group
    api.delete(*kind)


def definition(group: str, *versions: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    told = [
        {
            "name": v,
            "served": True,
            "storage": v == "v1beta1",
            "schema": {"openAPIV3Schema": schema},
        }
        for v in versions
    ]
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": told},
    }


def applied(api: KubeApi, body: dict[str, Any]) -> bool:
    """An established kind may still answer 404 for a moment."""
    try:
        api.apply(body)
    except ApiError as error:
        if error.status != 404:
            raise
        return False
    return True


def test_an_api_version_that_the_server_prefers_since_is_no_difference(
    app: App, widgets: str
) -> None:
    app.backup()
    api = app.cluster.api
    api.apply(definition(widgets, "v1beta1", "v1"))

    def preferred() -> bool:
        groups = api.request("GET", "/apis")["groups"]
        (mine,) = [one for one in groups if one["name"] == widgets]
        return bool(mine["preferredVersion"]["version"] == "v1")

    wait_until("v1 is preferred", preferred, 120)
    shown = diff(app, "--kind", "widget")
    assert shown[0] == "nothing differs"
    assert f"1 Widget.{widgets}" in shown[1]
    path = api.path(f"{widgets}/v1", "Widget", app.name, "one")
    api.request("PATCH", path, {"spec": {"size": 2}}, MERGE)
    assert diff(app, "--kind", "widget") == [
        f"changed  Widget.{widgets} {app.name}/one",
        "    spec.size: 1 → 2",
        "0 added, 0 removed, 1 changed",
    ]


def test_after_a_restore_only_what_could_not_be_as_before_differs(app: App) -> None:
    manifest = app.backup()
    app.lose()
    request = RestoreRequest(instance=manifest.instance, point=manifest.point)
    assert restore(app.context(), request, "restore-1", lambda _: None).ok
    wait_ready(app.cluster, app.name)
    shown = diff(app)
    # The volume is another one, made of a snapshot, and the Service may have another address.
    told = [line.split()[1] for line in shown if not line.startswith((" ", "not shown"))]
    assert told[:3] == ["PersistentVolume", "PersistentVolume", "PersistentVolumeClaim"]
    assert told[3:-1] in ([], ["Service"])
    assert not any("annotations" in line for line in shown)
