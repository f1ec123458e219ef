"""No role of docs/rbac holds a right that the real flows never use, by the API server's audit log.

tests/e2e/test_rights.py, test_movers.py and tests/contract hold the other half: that the roles are
enough.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.kubeconfig import from_kubeconfig
from lifeboat.errors import Forbidden, HookFailed
from lifeboat.point.manifest import Manifest
from lifeboat.ports.cluster import Json, Kind
from lifeboat.steps.commit import ensure_complete
from lifeboat.steps.prune import execute_prune, plan_prune
from local.cluster import LocalCluster
from tests.support.access import Bind, shipped_role
from tests.support.app import App, captured
from tests.support.kinds import (
    API_SERVICE,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CONTENT,
    ROLE,
    ROLE_BINDING,
    SNAPSHOT,
    STATEFUL_SET,
)
from tests.support.manifests import manifest
from tests.support.poll import until
from tests.support.rights import JUDGED, Right, assert_all_used, rights_of


def stateful_set(app: App) -> Json:
    labels = {"app": "queue"}
    pod = {"containers": [{"name": "main", "image": "registry.example/queue:1"}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"serviceName": "", "selector": {"matchLabels": labels}, "template": template}
    body = manifest(STATEFUL_SET, "queue", spec=spec)
    body["metadata"]["namespace"] = app.name
    return body


@contextmanager
def dead_api(cluster: LocalCluster) -> Iterator[str]:
    """A group/version whose server is not there: discovery asks why."""
    group = f"dead-{uuid.uuid4().hex[:8]}.example"
    spec = {
        "group": group,
        "version": "v1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "service": {"name": "nobody", "namespace": "default"},
        "insecureSkipTLSVerify": True,
    }
    admin = ClusterApi(from_kubeconfig(cluster.kubeconfig))
    with closing(admin):
        admin.create(API_SERVICE, None, manifest(API_SERVICE, f"v1.{group}", spec=spec))
        yield f"{group}/v1"
        admin.delete(API_SERVICE, None, f"v1.{group}")


def forget_in_the_cluster(app: App, made: Manifest) -> None:
    """Delete what stands for a point's snapshots; the snapshots themselves stay, unknown."""
    admin = app.context().cluster
    for volume in made.volumes:
        admin.delete(SNAPSHOT, volume.volume.namespace, volume.name)
        for content in app.cluster.api.list(CONTENT.api_version, CONTENT.kind):
            if (content.get("status") or {}).get("snapshotHandle") == volume.handle:
                admin.delete(CONTENT, None, content["metadata"]["name"])


def test_the_readers(app: App, bind: Bind) -> None:
    roles = ("lifeboat-reader", "lifeboat-quiesce", "lifeboat-exec", "lifeboat-job")
    endpoint = bind(*roles)
    run = {"image": "registry.example/tools:1", "command": ["hold"]}
    commands = {"command": ["true"]}
    app.policy["retention"] = {"keep": {"last": 1}}
    app.policy["hooks"] = [
        {"job": {"namespace": app.name, "pre": run, "post": run}},
        {"exec": {"namespace": app.name, "pre": commands, "post": commands}},
        {"scale": {"namespace": app.name, "workload": "deployment/web"}},
        {"scale": {"namespace": app.name, "workload": "statefulset/queue"}},
    ]
    app.cluster.api.apply(stateful_set(app))
    context = app.opened(endpoint)
    first, second, third = (captured(context, f"run-{number}") for number in (1, 2, 3))
    ensure_complete(third)
    forget_in_the_cluster(app, first)
    result = execute_prune(context, plan_prune(context, at_once=True))
    assert (set(result.removed), result.leftovers) == ({first.point, second.point}, ())
    with dead_api(app.cluster) as version:
        until("it is told", lambda: version in context.cluster.discover().failures)
    assert_all_used(roles, endpoint, app.cluster.audit_log)


def without(role: str, right: Right) -> Json:
    """A shipped role that lacks one right."""
    body = shipped_role(role)
    rules = []
    for rule in body["rules"]:
        verbs = [
            verb
            for verb in rule["verbs"]
            if right not in rights_of({"rules": [{**rule, "verbs": [verb]}]})
        ]
        others = [one for one in rule["resources"] if not right.resource.startswith(one)]
        rules.append({**rule, "verbs": verbs})
        if verbs != rule["verbs"] and others:
            rules.append({**rule, "resources": others})
    made = [rule for rule in rules if rule["verbs"]]
    return {**body, "metadata": {"name": f"lessened-{uuid.uuid4().hex[:8]}"}, "rules": made}


@pytest.mark.parametrize(
    "right", sorted(right for right in JUDGED if right.resource != "pods/exec"), ids=str
)
def test_what_the_api_server_looks_for_beside_a_request_is_needed(
    cluster: LocalCluster, bind: Bind, namespace: str, right: Right
) -> None:
    name = f"mighty-{uuid.uuid4().hex[:8]}"
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    by_admin = manifest(ROLE, "by-admin", rules=rules)
    by_admin["metadata"]["namespace"] = namespace
    cluster.api.apply(by_admin)
    subjects = [{"apiGroup": ROLE.group, "kind": "User", "name": "somebody"}]

    def bound(kind: str, to: str) -> Json:
        return {"roleRef": {"apiGroup": ROLE.group, "kind": kind, "name": to}, "subjects": subjects}

    verb, plural = right.verb, right.resource.partition(".")[0]
    attempts: dict[tuple[str, str], tuple[Kind, Json]] = {
        ("escalate", "clusterroles"): (CLUSTER_ROLE, {"rules": rules}),
        ("escalate", "roles"): (ROLE, {"rules": rules}),
        ("bind", "clusterroles"): (CLUSTER_ROLE_BINDING, bound("ClusterRole", "cluster-admin")),
        ("bind", "roles"): (ROLE_BINDING, bound("Role", "by-admin")),
    }
    kind, fields = attempts[verb, plural]
    space = namespace if kind.namespaced else None
    lessened = ClusterApi(bind("lifeboat-writer", without("lifeboat-writer-cluster", right)))
    with closing(lessened), pytest.raises(Forbidden, match="attempting to grant"):
        lessened.create(kind, space, manifest(kind, name, **fields))
    whole = ClusterApi(bind("lifeboat-writer-cluster"))
    with closing(whole):
        whole.create(kind, space, manifest(kind, name, **fields))
    cluster.api.delete(kind.api_version, kind.kind, namespace if space else "", name)


def test_a_command_needs_both_rights_of_its_role(app: App, bind: Bind) -> None:
    commands = {"command": ["true"]}
    app.policy["hooks"] = [{"exec": {"namespace": app.name, "pre": commands, "post": commands}}]
    create = Right("create", "pods/exec")
    endpoint = bind("lifeboat-reader", without("lifeboat-exec", create))
    with pytest.raises(HookFailed, match="is forbidden"):
        captured(app.opened(endpoint), "run-1")
