"""Runs of backups that somebody clears, as the UI does, in a real Airflow: an incomplete point is
left as it is and the run makes a whole one; a whole point stays the only one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lifeboat.point import catalog
from lifeboat.point.facts import removed_points
from lifeboat.point.manifest import Manifest, read_manifest
from local.airflow_client import Run
from local.api import KubeApi, wait_until
from tests.support.airflow import Lifeboat

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1200)]

INSTANCE, NAMESPACE = "lacking.local", "lacking"
DAG = f"backup.{INSTANCE}"
_CLAIM = "v1", "PersistentVolumeClaim", NAMESPACE, "paper"
_VOLUME = "v1", "PersistentVolume", "", "lacking-paper"


@pytest.fixture
def unprotected(lifeboat: Lifeboat) -> Iterator[KubeApi]:
    """A claim on a folder of a node, which nobody can snapshot."""
    api = lifeboat.cluster.api
    size = {"storage": "1Mi"}
    common = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    folder = {"hostPath": {"path": "/nowhere"}, "capacity": size}
    bound = {"claimRef": {"namespace": NAMESPACE, "name": "paper"}}
    api.apply(_made(_VOLUME, {**common, **folder, **bound}))
    wanted = {"resources": {"requests": size}, "volumeName": "lacking-paper"}
    api.apply(_made(_CLAIM, {**common, **wanted}))
    wait_until("it is bound", lambda: api.get(*_CLAIM)["status"].get("phase") == "Bound", 60)
    yield api
    _remove(api)
    api.delete("v1", "Namespace", "", NAMESPACE)


def test_a_cleared_run_leaves_its_incomplete_point_and_makes_a_whole_one(
    lifeboat: Lifeboat, unprotected: KubeApi
) -> None:
    client, vault = lifeboat.client, lifeboat.context(INSTANCE).vault
    run = lifeboat.finish(DAG, lifeboat.start(DAG))
    assert run.state == "failed"
    assert "not from a CSI driver" in lifeboat.log(run, "report")
    lacking = made_by(lifeboat, run)
    assert not lacking.complete
    cut = snapshots(unprotected)

    client.clear(DAG, run.run_id, "snapshot")
    again = lifeboat.finish(DAG, run.run_id)
    assert again.state == "failed", "what is stored is not added to"
    assert f"point {lacking.point} is stored" in lifeboat.log(again, "snapshot")
    assert "clear the whole run" in lifeboat.log(again, "report")
    assert (made_by(lifeboat, again), snapshots(unprotected)) == (lacking, cut)

    _remove(unprotected)
    client.clear(DAG, run.run_id)
    again = lifeboat.finish(DAG, run.run_id)
    assert again.state == "success", client.failure(again)
    whole = made_by(lifeboat, again)
    assert whole.complete
    assert whole.run == lacking.run
    assert catalog.point_ids(vault, INSTANCE) == [whole.point]
    assert lacking.point in removed_points(vault, INSTANCE), "pruned, by the retention's rule"
    assert "stays as it is" in lifeboat.log(again, "enumerate")
    cut_anew = snapshots(unprotected)

    client.clear(DAG, run.run_id)
    again = lifeboat.finish(DAG, run.run_id)
    assert again.state == "success", client.failure(again)
    assert made_by(lifeboat, again) == whole
    assert snapshots(unprotected) == cut_anew
    states = {task.task: task.state for task in again.tasks}
    assert (states["quiesce"], states["snapshot"]) == ("skipped", "skipped"), states


def made_by(lifeboat: Lifeboat, run: Run) -> Manifest:
    """The point that a run told of."""
    point = lifeboat.client.xcom(DAG, run.run_id, "commit")["point"]
    return read_manifest(lifeboat.context(INSTANCE).vault, INSTANCE, point)


def snapshots(api: KubeApi) -> set[str]:
    """The driver's own names of all snapshots."""
    contents = api.list("snapshot.storage.k8s.io/v1", "VolumeSnapshotContent")
    return {one["metadata"]["uid"] for one in contents}


def _made(name: tuple[str, str, str, str], spec: dict[str, object]) -> dict[str, object]:
    version, kind, namespace, own = name
    metadata = {"name": own} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def _remove(api: KubeApi) -> None:
    for name in (_CLAIM, _VOLUME):
        api.delete(*name)
        wait_until(f"{name[3]} is gone", lambda gone=name: api.gone(*gone), 60)
