"""Runs on the CeleryExecutor with two workers: who runs what, and what a worker's death costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lifeboat.point import catalog
from lifeboat.point.manifest import Freeze, Manifest, read_manifest
from lifeboat.steps.commit import ensure_complete
from lifeboat.steps.context import Context
from lifeboat.steps.reconcile import reconcile
from local import sample_app
from local.api import wait_until
from local.celery_stack import CeleryStack
from local.cluster import LocalCluster
from local.fingerprint import differences, fingerprint
from local.sessions import members
from tests.support.airflow import Lifeboat
from tests.support.celery import celery_lifeboat, tries
from tests.support.link import Link, link_to
from tests.support.planted import assert_no_secret

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

Linked = tuple[Link, Path]
"""The way of Airflow's workers to the cluster, and the kubeconfig that goes through it."""

SHOP = "shop.local"
HOOKED = "hooked.local"
_BEGUN = {"running", "deferred", "success", "failed", "up_for_retry"}
PASSWORD = "marmalade-on-the-quarterdeck"
_CLUSTER = """\
    kubeconfig: env:KUBECONFIG
    volumeReader: {driver: folder.csi.lifeboat.dev, root: "env:LIFEBOAT_FOLDER_CSI_ROOT"}
"""
_INCLUDE = {
    "clusters.yaml": f"""\
clusters:
  - name: local
{_CLUSTER}
  - name: near
    queue: near
{_CLUSTER}
  - name: far
    queue: far
{_CLUSTER}
vaults:
  - {{name: main, url: "env:LIFEBOAT_VAULT_URL", key: "env:LIFEBOAT_VAULT_KEY"}}
""",
    "policies/shop.yaml": """\
clusters: [local]
objectives: {rpo: 24h}
select: {namespaces: {include: [shop, shop-data]}}
retention: {keep: {last: 50}}
""",
    "policies/hooked.yaml": """\
clusters: [local]
objectives: {rpo: 24h}
select: {namespaces: {include: [shop]}}
retention: {keep: {last: 50}}
hooks:
  - exec:
      namespace: shop
      labels: app=web
      pre: {command: [touch, celery-frozen]}
      post: {command: [touch, celery-thawed]}
  - scale: {namespace: shop, workload: statefulset/db}
""",
    "policies/queued.yaml": """\
clusters: [near, far]
objectives: {rpo: 24h}
select: {namespaces: {include: [shop-data]}}
retention: {keep: {last: 50}}
testRestore: {}
""",
}


@pytest.fixture(scope="module")
def link(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Linked]:
    """The way of Airflow's workers to the cluster."""
    with link_to(cluster.kubeconfig, tmp_path_factory.mktemp("link")) as made:
        yield made


@pytest.fixture(scope="module")
def celery(cluster: LocalCluster, link: Linked) -> Iterator[Lifeboat]:
    """Lifeboat on Airflow with two workers."""
    with celery_lifeboat(cluster, _INCLUDE, {"KUBECONFIG": str(link[1])}) as running:
        yield running
        sessions = running.stack.sessions
    assert members(sessions) == []


@pytest.fixture
def lifeboat(celery: Lifeboat) -> Lifeboat:
    """The same, with both workers listening: a test before may have ended one."""
    stack = stack_of(celery)
    for name, part in stack.parts.items():
        if not part.alive:
            stack.restart(name)
    wait_until("both workers answer", lambda: not stack.deaf(), 240)
    return celery


def test_the_queue_of_a_cluster_is_served_by_the_worker_that_listens_to_it(
    lifeboat: Lifeboat,
) -> None:
    runs = {}
    for cluster in ("near", "far"):
        dag = f"backup.queued.{cluster}"
        runs[dag] = (cluster, lifeboat.start(dag))
    for dag, (_, run) in runs.items():
        done = lifeboat.finish(dag, run)
        assert done.state == "success", lifeboat.client.failure(done)
    proof = "test_restore.queued.far"
    runs[proof] = ("far", lifeboat.run(proof).run_id)
    for dag, (worker, run) in runs.items():
        ran = [one for one in tries(lifeboat, dag, run) if one["hostname"]]
        assert len(ran) > 3
        assert {(one["queue"], one["hostname"]) for one in ran} == {(worker, worker)}, dag


def test_what_was_lost_comes_back(lifeboat: Lifeboat) -> None:
    api, csi = lifeboat.cluster.api, lifeboat.cluster.csi_root
    sample_app.wait_ready(api)
    before = fingerprint(api, csi, "shop")
    point = lifeboat.back_up(SHOP)
    api.delete("v1", "Namespace", "", "shop")
    wait_until("shop is gone", lambda: api.gone("v1", "Namespace", "", "shop"), 180)
    lifeboat.run("restore", instance=SHOP, point=point, namespaces=["shop"])
    sample_app.wait_ready(api, ("shop",))
    assert differences(before, fingerprint(api, csi, "shop")) == []


@pytest.mark.parametrize(
    ("instance", "before", "task", "machine"),
    [
        (SHOP, "enumerate", "dump", True),
        (HOOKED, "find_hooks", "quiesce", True),
        (SHOP, "snapshot", "settle", False),
    ],
)
def test_a_run_whose_worker_dies_goes_on_on_the_other_one(
    lifeboat: Lifeboat, link: Linked, instance: str, before: str, task: str, machine: bool
) -> None:
    """The machine of a worker goes away in the middle of a task, or the worker alone dies and what
    it had forked goes on, as where memory was short."""
    context = lifeboat.context(instance)
    points = set(catalog.point_ids(context.vault, instance))
    dag = f"backup.{instance}"
    run_id, worker = caught_in(lifeboat, link[0], dag, before, task)
    end = lifeboat.stack.lose if machine else lifeboat.stack.kill
    end(f"worker-{worker}")
    link[0].mend()
    run = lifeboat.client.wait(dag, run_id, seconds=400)
    assert run.state == "success", lifeboat.client.failure(run)
    assert {one["hostname"] for one in tries(lifeboat, dag, run_id)} >= {"near", "far"}
    made = set(catalog.point_ids(context.vault, instance)) - points
    manifests = {m.run.run_id: m for m in (manifest_of(context, point) for point in made)}
    assert len(manifests) == len(made), "two points of one run"
    manifest = manifests[run_id]
    ensure_complete(manifest)
    taken = [s.handle for s in context.disks.list_marked(instance) if s.point == manifest.point]
    assert sorted(taken) == sorted(s.handle for s in manifest.volumes)
    assert manifest.point not in str(reconcile(context)), "an orphan was left"
    if instance == HOOKED:
        assert isinstance(manifest.freeze, Freeze)
        sample_app.wait_ready(lifeboat.cluster.api, ("shop",))
        assert (lifeboat.cluster.root / "exec" / "celery-thawed").exists()


def test_no_secret_is_in_the_database_or_in_a_log(lifeboat: Lifeboat) -> None:
    """After all of the above: retries, killed workers, errors on the way."""
    connection = {"connection_id": "planted", "conn_type": "http", "host": "127.0.0.1"}
    lifeboat.client.request("POST", "/api/v2/connections", {**connection, "password": PASSWORD})
    lifeboat.back_up(SHOP)
    assert_no_secret(lifeboat, {"a connection's password": PASSWORD.encode()})


def caught_in(lifeboat: Lifeboat, link: Link, dag: str, before: str, task: str) -> tuple[str, str]:
    """A run that is in this task, and the worker that runs it: the link is held as soon as the task
    before has ended. A run that was faster ends, and another one is begun."""
    for _ in range(5):
        run_id = lifeboat.start(dag)
        wait_for(lifeboat, dag, run_id, before, {"success"})
        link.hold()
        wait_for(lifeboat, dag, run_id, task, _BEGUN)
        for one in tries(lifeboat, dag, run_id):
            if (one["task_id"], one["state"]) == (task, "running"):
                return run_id, one["hostname"]
        link.mend()
        lifeboat.finish(dag, run_id)
    raise AssertionError(f"{task} was never seen running")


def wait_for(lifeboat: Lifeboat, dag: str, run: str, task: str, wanted: set[str]) -> None:
    """Until the task is, or one that is mapped from it, in one of these states."""

    def reached() -> bool:
        found = lifeboat.client.task_instances(dag, run)
        return any(one.task == task and one.state in wanted for one in found)

    wait_until(f"{task} is {' or '.join(sorted(wanted))}", reached, 240)


def manifest_of(context: Context, point: str) -> Manifest:
    return read_manifest(context.vault, context.instance.id, point)


def stack_of(lifeboat: Lifeboat) -> CeleryStack:
    assert isinstance(lifeboat.stack, CeleryStack)
    return lifeboat.stack
