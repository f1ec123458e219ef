"""A point whose files are in the vault, and an application brought back from them: the whole engine
on the real API server with the shipped roles. A stand-in for the kubelet runs the pods' own
commands with a real restic (tests/support/kubelet.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.disks_filled import DisksFilled
from lifeboat.adapters.kubeconfig import Endpoint, from_kubeconfig
from lifeboat.adapters.repository_restic import RepositoryRestic
from lifeboat.adapters.snapshot_api import PROVISIONER_FINALIZER
from lifeboat.ports.cluster import Json
from lifeboat.ports.movers import Save
from lifeboat.restore.model import RestoreRequest
from lifeboat.restore.run import restore
from lifeboat.steps.commit import ensure_complete
from lifeboat.steps.context import Context
from lifeboat.steps.prune import execute_prune, plan_prune
from lifeboat.steps.reconcile import reconcile
from lifeboat.wiring import NoConnections
from lifeboat.wiring.movers import access_of, open_files
from tests.support.access import Bind, shipped_role
from tests.support.app import DRIVER, NAMESPACE, App, captured, wait_ready
from tests.support.kinds import CLAIM, SNAPSHOT, STORAGE_CLASS
from tests.support.kubelet import Kubelet, made_by_movers
from tests.support.manifests import manifest
from tests.support.poll import until
from tests.support.rights import OF_FILES, asked_by, assert_all_used, idle

T = TypeVar("T")


@pytest.fixture
def movers_namespace(app: App) -> Iterator[str]:
    name = f"{app.name}-movers"
    admin = app.context().cluster
    admin.create(NAMESPACE, None, manifest(NAMESPACE, name))
    until("its account is there", lambda: app.cluster.api.list("v1", "ServiceAccount", name))
    app.policy["volumes"] = {"vaultTier": {"namespace": name}}
    yield name
    admin.delete(NAMESPACE, None, name)


def opened(app: App, endpoint: Endpoint, restic: Path) -> Context:
    """As wiring opens it, with another credential and the pinned restic."""
    context = app.context()
    cluster = ClusterApi(endpoint)
    disks = DisksCsi(cluster)
    vault, clock = context.vault, context.clock
    files = open_files(app.instance(), cluster, disks, vault, NoConnections(), clock)
    assert files is not None
    access = access_of(app.instance().vault, NoConnections(), vault)
    return replace(
        context,
        cluster=cluster,
        disks=DisksFilled(disks, files.movers, cluster),
        movers=files.movers,
        repository=RepositoryRestic(access, str(restic)),
    )


def with_kubelet(app: App, restic: Path, namespace: str, work: Callable[[], T]) -> T:
    """Do the work while a kubelet runs the one mover pod of the namespace."""
    kubelet = Kubelet(app.context().cluster, restic, app.cluster.claim_path)

    def why_ended(doing: Future[T]) -> None:
        if doing.done():
            doing.result()

    with ThreadPoolExecutor(1) as pool:
        doing = pool.submit(work)
        assert kubelet.run_mover(namespace, lambda: why_ended(doing)) == 0
        return doing.result()


def test_files_outlive_the_disks_and_bring_the_application_back(
    app: App, movers_namespace: str, bind: Bind, restic: Path
) -> None:
    rights = ("lifeboat-reader", "lifeboat-mover", "lifeboat-mover-clones")
    endpoint = bind(*rights)
    context = opened(app, endpoint, restic)
    before = (app.data / "ledger").read_bytes()
    point = with_kubelet(
        app,
        restic,
        movers_namespace,
        lambda: captured(context),
    )
    ensure_complete(point)
    (copy,) = point.file_copies
    assert (copy.volume.title, copy.files, copy.bytes) == (f"{app.name}/data", 1, len(before))
    assert made_by_movers(app.context().cluster, movers_namespace) == []
    looked = reconcile(context)
    assert looked.damaged == {}
    assert [one for one in looked.orphans if one.files or one.leftover] == []

    app.lose()
    for snapshot in point.volumes:  # and with the disks everything that lay beside them
        app.context().disks.delete_snapshot(snapshot)
    admin = app.context()
    request = RestoreRequest(instance=point.instance, point=point.point)
    account = with_kubelet(
        app, restic, app.name, lambda: restore(admin, request, "restore-1", lambda _: None)
    )
    assert account.ok
    wait_ready(app.cluster, app.name)
    assert (app.data / "ledger").read_bytes() == before
    (volume,) = account.volumes
    assert volume.content_digest == volume.captured_digest != ""
    assert made_by_movers(app.context().cluster, app.name) == []

    assert context.repository is not None
    assert [one.id for one in context.repository.kept(point.instance)] == [copy.id]
    app.policy["volumes"] = {"snapshot": False}
    for number in (2, 3):
        app.backup(f"run-{number}")
    later = opened(app, endpoint, restic)
    result = execute_prune(later, plan_prune(later, at_once=True))
    assert point.point in result.removed
    assert result.leftovers == ()
    assert context.repository.kept(point.instance) == ()
    assert_all_used(rights[1:2], endpoint, app.cluster.audit_log)


def test_no_right_for_clones_lies_idle(
    app: App, movers_namespace: str, bind: Bind, restic: Path
) -> None:
    """A pod that nobody runs yet, a class that waits for it, a finalizer that was forgotten."""
    nowhere = {"namespace": movers_namespace, "nodeSelector": {"pool": "none"}}
    app.policy["volumes"] = {}
    (snapshot,) = app.backup().volumes
    app.policy["volumes"] = {"vaultTier": nowhere}
    rights = ("lifeboat-reader", "lifeboat-mover", "lifeboat-mover-clones")
    endpoint = bind(*rights)
    movers, admin = opened(app, endpoint, restic).movers, app.context().cluster
    assert movers is not None
    late = manifest(STORAGE_CLASS, f"late-{app.name}", provisioner=DRIVER)
    admin.create(STORAGE_CLASS, None, {**late, "volumeBindingMode": "WaitForFirstConsumer"})
    volume = replace(snapshot.volume, storage_class=late["metadata"]["name"])
    waiting = Save(replace(snapshot, volume=volume))
    movers.start(waiting)
    assert movers.poll(waiting).phase == "running"
    movers.finish(waiting)
    admin.delete(STORAGE_CLASS, None, late["metadata"]["name"])
    until("the first is gone", lambda: made_by_movers(admin, movers_namespace) == [])
    movers.start(Save(snapshot))
    claims = ("v1", CLAIM.kind, movers_namespace)
    until("the clone is bound", lambda: _phases(app.cluster.api.list(*claims)) == ["Bound"])
    assert movers.poll(Save(snapshot)).phase == "running"
    (helper,) = app.cluster.api.list(SNAPSHOT.api_version, SNAPSHOT.kind, movers_namespace)
    forgotten = {"metadata": {"finalizers": [PROVISIONER_FINALIZER]}}
    admin.patch(SNAPSHOT, movers_namespace, helper["metadata"]["name"], forgotten)
    movers.finish(Save(snapshot))
    assert made_by_movers(admin, movers_namespace) == []
    asked = asked_by(endpoint, app.cluster.audit_log)
    assert idle(shipped_role("lifeboat-mover-clones"), asked) == []


def _phases(claims: list[Json]) -> list[str]:
    return [(claim.get("status") or {}).get("phase", "") for claim in claims]


def test_claims_are_filled_from_files_with_the_writers_and_their_role(
    app: App, movers_namespace: str, bind: Bind, restic: Path
) -> None:
    by_admin = opened(app, from_kubeconfig(app.cluster.kubeconfig), restic)
    before = (app.data / "ledger").read_bytes()
    point = with_kubelet(app, restic, movers_namespace, lambda: captured(by_admin))
    app.lose()
    endpoint = bind("lifeboat-writer", "lifeboat-writer-files")
    context = opened(app, endpoint, restic)
    request = RestoreRequest(instance=point.instance, point=point.point, from_vault=True)
    account = with_kubelet(
        app, restic, app.name, lambda: restore(context, request, "restore-1", lambda _: None)
    )
    assert account.ok
    wait_ready(app.cluster, app.name)
    assert (app.data / "ledger").read_bytes() == before
    assert made_by_movers(app.context().cluster, app.name) == []
    asked = asked_by(endpoint, app.cluster.audit_log)
    assert idle(shipped_role("lifeboat-writer-files"), asked) == []
    assert asked.allowed >= OF_FILES
