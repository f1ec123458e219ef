"""The main job with the least rights: the engine under the roles of docs/rbac, and with less."""

from __future__ import annotations

import pytest

from lifeboat.errors import Forbidden, HookFailed, PointIncomplete, RestoreIncomplete
from lifeboat.point.facts import Evidence
from lifeboat.point.manifest import Freeze, Manifest, open_contents
from lifeboat.proof.evidence import failing_pods
from lifeboat.proof.run import prove
from lifeboat.restore.model import RestoreReport, RestoreRequest
from lifeboat.restore.run import restore
from lifeboat.steps.commit import ensure_complete
from lifeboat.steps.context import Context
from lifeboat.steps.prune import execute_prune, plan_prune
from tests.support.access import Bind, shipped_role
from tests.support.app import SECRET, App, captured, wait_ready
from tests.support.kinds import CLUSTER_ROLE, POD, ROLE
from tests.support.kinds import SECRET as SECRET_KIND
from tests.support.manifests import manifest
from tests.support.poll import until
from tests.support.rights import Right, asked_by, idle


def quiet(_: str) -> None: ...


def restored(
    context: Context, manifest: Manifest, run: str = "restore-1", **wishes: object
) -> RestoreReport:
    request = RestoreRequest(instance=manifest.instance, point=manifest.point, **wishes)  # type: ignore[arg-type]
    return restore(context, request, run, quiet)


@pytest.fixture
def mighty_role(app: App) -> str:
    """A role in the application that holds more than the writer does."""
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["deletecollection"]}]
    body = manifest(ROLE, "janitor", rules=rules)
    body["metadata"]["namespace"] = app.name
    app.cluster.api.apply(body)
    return "janitor"


def kinds_of(app: App, made: Manifest) -> dict[str, int]:
    return open_contents(app.context().vault, made).kinds()


def test_the_reader_alone_makes_a_whole_point_and_prunes(app: App, bind: Bind) -> None:
    context = app.opened(bind("lifeboat-reader"))
    made = captured(context)
    ensure_complete(made)
    assert [entry for entry in made.left_out if entry.severity == "loss"] == []
    assert [v.volume.title for v in made.volumes] == [f"{app.name}/data"]
    assert made.volumes[0].content_digest
    by_admin = app.backup()
    assert kinds_of(app, by_admin) == kinds_of(app, made)
    assert by_admin.new_objects == 0
    app.policy["retention"] = {"keep": {"last": 1}}
    folders = [app.cluster.snapshot_path(m.volumes[0].handle) for m in (made, by_admin)]
    app.lose()
    context = app.opened(bind("lifeboat-reader"))
    result = execute_prune(context, plan_prune(context, at_once=True))
    assert result.removed == (made.point,)
    assert result.leftovers == ()
    assert [folder.exists() for folder in folders] == [False, True]
    assert restored(app.context(), by_admin).ok


def test_a_kind_that_may_not_be_read_is_named_and_the_rest_is_captured(
    app: App, bind: Bind
) -> None:
    """P6. RBAC cannot say "all but Secrets": the others are listed."""
    reader = shipped_role("lifeboat-reader")
    kinds = [k for k in app.context().cluster.discover().kinds if k.resource != "secrets"]
    every, *others = reader["rules"]
    assert every["resources"] == ["*"]
    listed = [
        {**every, "apiGroups": [group], "resources": [k.plural for k in kinds if k.group == group]}
        for group in sorted({k.group for k in kinds})
    ]
    name = f"lifeboat-reader-{app.name}"
    endpoint = bind(manifest(CLUSTER_ROLE, name, rules=[*listed, *others]))
    made = captured(app.opened(endpoint))
    assert not made.complete
    losses = {entry.what: entry.reason for entry in made.left_out if entry.severity == "loss"}
    assert list(losses) == [f"secrets in {app.name}"]
    assert (
        'may not be listed: secrets is forbidden: User "system:serviceaccount:'
        in (losses[f"secrets in {app.name}"])
    )
    with pytest.raises(PointIncomplete, match=f"secrets in {app.name}"):
        ensure_complete(made)
    whole = kinds_of(app, app.backup())
    assert kinds_of(app, made) == {k: count for k, count in whole.items() if k != "Secret"}
    app.policy["select"]["kinds"] = {"exclude": ["secrets"]}
    asked = captured(app.opened(endpoint), "run-2")
    ensure_complete(asked)


def test_scaling_needs_the_quiesce_role_and_is_undone_with_it(app: App, bind: Bind) -> None:
    app.policy["hooks"] = [{"scale": {"namespace": app.name, "workload": "deployment/web"}}]
    context = app.opened(bind("lifeboat-reader"))
    with pytest.raises(Forbidden, match='cannot get resource "deployments"'):
        captured(context)
    bind("lifeboat-quiesce")
    made = captured(context)
    ensure_complete(made)
    web = app.cluster.api.get("apps/v1", "Deployment", app.name, "web")
    assert web["spec"]["replicas"] == 2


def ran_here(app: App) -> set[str]:
    """The marks that commands of this application's hooks left: kwok runs them on this machine."""
    folder = app.cluster.root / "exec"
    return {path.name.removeprefix(app.name) for path in folder.glob(f"{app.name}*")}


def test_commands_in_pods_need_the_exec_role_and_no_other(app: App, bind: Bind) -> None:
    mark = f"{app.name}-frozen"
    commands = {
        "namespace": app.name,
        "pre": {"command": ["touch", mark]},
        "post": {"command": ["mv", mark, f"{app.name}-thawed"], "onError": "Continue"},
    }
    app.policy["hooks"] = [{"exec": commands}]
    context = app.opened(bind("lifeboat-reader"))
    with pytest.raises(HookFailed, match=r'cannot (create|get) resource "pods/exec"'):
        captured(context)
    assert ran_here(app) == set()
    bind("lifeboat-exec")
    made = captured(context)
    ensure_complete(made)
    assert ran_here(app) == {"-thawed"}
    assert isinstance(made.freeze, Freeze)
    phases = [(run.phase, run.exit_code) for run in made.freeze.hooks if not run.trouble]
    assert phases.count(("pre", 0)) == 2, "the application has two pods"


def test_what_a_pod_asks_for_by_annotations_runs_with_the_exec_role(app: App, bind: Bind) -> None:
    told = {
        "pre.hook.backup.velero.io/command": f'["touch", "{app.name}-pre"]',
        "post.hook.backup.velero.io/command": f'["touch", "{app.name}-post"]',
    }
    body = {"spec": {"template": {"metadata": {"annotations": told}}}}
    path = app.cluster.api.path("apps/v1", "Deployment", app.name, "web")
    app.cluster.api.request("PATCH", path, body, "application/merge-patch+json")
    wait_rolled_out(app)
    context = app.opened(bind("lifeboat-reader"))
    made = captured(context)
    losses = [entry.reason for entry in made.left_out if entry.severity == "loss"]
    assert len(losses) == 2, "two pods: a point without the stillness they ask for"
    assert all('resource "pods/exec"' in reason for reason in losses)
    assert ran_here(app) == set()
    bind("lifeboat-exec")
    ensure_complete(captured(context, "run-2"))
    assert ran_here(app) == {"-pre", "-post"}


def wait_rolled_out(app: App) -> None:
    """Wait until the Deployment's pods are those of its newest template, and no others."""

    def rolled_out() -> bool:
        pods = app.cluster.api.list("v1", "Pod", app.name)
        newest = [p for p in pods if p["metadata"].get("annotations", {})]
        return len(pods) == len(newest) == 2 and all(
            (pod.get("status") or {}).get("phase") == "Running" for pod in pods
        )

    until("the pods are the new ones", rolled_out)


def test_jobs_need_the_job_role_and_no_other(app: App, bind: Bind) -> None:
    run = {"image": "registry.example/tools:1", "command": ["hold"]}
    app.policy["hooks"] = [{"job": {"namespace": app.name, "pre": run, "post": run}}]
    context = app.opened(bind("lifeboat-reader"))
    with pytest.raises(HookFailed, match='cannot create resource "jobs"'):
        captured(context)
    bind("lifeboat-job")
    made = captured(context, "run-1")
    ensure_complete(made)
    assert isinstance(made.freeze, Freeze)
    assert [(run.phase, run.trouble) for run in made.freeze.hooks] == [("pre", ""), ("post", "")]
    assert app.cluster.api.list("batch/v1", "Job", app.name) == []


def test_the_writer_brings_an_application_back_without_reading_a_secret(
    app: App, bind: Bind, mighty_role: str
) -> None:
    made = app.backup()
    before = (app.data / "ledger").read_bytes()
    app.lose()
    context = app.opened(bind("lifeboat-writer"))
    with pytest.raises(RestoreIncomplete, match=f"Role.* {app.name}/{mighty_role}: .*grant"):
        restored(context, made)
    wait_ready(app.cluster, app.name)
    assert (app.data / "ledger").read_bytes() == before
    assert app.cluster.api.get("v1", "Secret", app.name, "login")["data"]
    with pytest.raises(Forbidden):
        context.cluster.get(SECRET_KIND, app.name, "login")
    bind("lifeboat-writer-cluster")
    again = restored(context, made, "restore-2")
    assert again.ok
    assert again.created == 1
    assert f"Secret {app.name}/login: exists; this credential may not look into it" in again.skipped
    assert any("secrets could not be listed" in warning for warning in again.warnings)
    assert SECRET not in repr(again)


def test_merging_needs_a_role_of_its_own(app: App, bind: Bind) -> None:
    made = app.backup()
    path = app.cluster.api.path("v1", "ConfigMap", app.name, "settings")
    change = {"data": {"colour": "red"}}
    app.cluster.api.request("PATCH", path, change, "application/merge-patch+json")
    context = app.opened(bind("lifeboat-writer"))
    with pytest.raises(RestoreIncomplete, match=r"ConfigMap .*cannot patch resource"):
        restored(context, made, "merge-1", mode="merge")
    bind("lifeboat-writer-merge")
    assert restored(context, made, "merge-2", mode="merge").ok
    settings = app.cluster.api.get("v1", "ConfigMap", app.name, "settings")
    assert settings["data"] == {"colour": "blue"}


def test_a_point_is_proven_with_the_test_restore_role(app: App, bind: Bind) -> None:
    made = app.backup()
    roles = ("lifeboat-writer", "lifeboat-test-restore", "lifeboat-planner")
    endpoint = bind(*roles)
    context = app.opened(endpoint)
    assert prove(context, made.point, "test-1", quiet).proven
    nowhere = {"nodeSelector": {"pool": "none"}, "containers": [{"name": "m", "image": "x.y/m:1"}]}
    stuck = manifest(POD, "stuck", spec=nowhere)
    app.cluster.api.apply({**stuck, "metadata": {"name": "stuck", "namespace": app.name}})
    until("its event is there", lambda: "events" in [e.what for e in evidence_of(context, app)])
    asked = asked_by(endpoint, app.cluster.audit_log)
    assert asked.refused <= {Right("list", "secrets")}, "the writer brings Secrets back unread"
    assert idle(shipped_role("lifeboat-test-restore"), asked) == []


def evidence_of(context: Context, app: App) -> list[Evidence]:
    return failing_pods(context.cluster, [app.name])
