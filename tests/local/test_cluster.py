"""The control plane is real: version, nodes, access, workloads, volumes, snapshots, exec."""

from __future__ import annotations

import stat
from typing import Any

import pytest
from kubernetes import client, config, stream

from local.api import has_condition, wait_until
from local.build import kubernetes_version
from local.cluster import LocalCluster
from local.errors import ApiError
from local.volumes import snapshot_data, tree

_SECONDS = 120.0
_SNAPSHOTS = "snapshot.storage.k8s.io/v1"
_CLAIM = ("v1", "PersistentVolumeClaim")
_POD: dict[str, Any] = {"containers": [{"name": "main", "image": "registry.example/main:1"}]}


def claim(cluster: LocalCluster, namespace: str, name: str, **spec: Any) -> None:
    """Make a claim and wait until it is bound."""
    metadata = {"name": name, "namespace": namespace}
    size = {"requests": {"storage": "1Gi"}}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": size, **spec}
    manifest = {"apiVersion": "v1", "kind": _CLAIM[1], "metadata": metadata, "spec": spec}
    cluster.api.apply(manifest)
    wait_until(
        f"{name} is bound",
        lambda: cluster.api.get(*_CLAIM, namespace, name)["status"].get("phase") == "Bound",
        _SECONDS,
    )


def snapshot(cluster: LocalCluster, namespace: str, name: str, source: str) -> None:
    """Make a VolumeSnapshot and wait until it is ready."""
    manifest = {
        "apiVersion": _SNAPSHOTS,
        "kind": "VolumeSnapshot",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"source": {"persistentVolumeClaimName": source}},
    }
    cluster.api.apply(manifest)

    def ready() -> bool:
        found = cluster.api.get(_SNAPSHOTS, "VolumeSnapshot", namespace, name)
        return (found.get("status") or {}).get("readyToUse") is True

    wait_until(f"{name} is ready", ready, _SECONDS)


def test_reports_its_real_version(cluster: LocalCluster) -> None:
    version = cluster.api.request("GET", "/version")
    assert version["gitVersion"] == kubernetes_version()
    assert f"v{version['major']}.{version['minor']}." in version["gitVersion"]


def test_every_node_is_ready(cluster: LocalCluster) -> None:
    nodes = cluster.api.list("v1", "Node")
    assert len(nodes) == 3
    assert all(has_condition(node, "Ready") for node in nodes)


def test_kubeconfig_is_private(cluster: LocalCluster) -> None:
    assert stat.S_IMODE(cluster.kubeconfig.stat().st_mode) == 0o600


def test_the_user_is_an_ordinary_one(cluster: LocalCluster) -> None:
    group = "authentication.k8s.io/v1"
    review = {"apiVersion": group, "kind": "SelfSubjectReview"}
    user = cluster.api.request("POST", cluster.api.path(group, "SelfSubjectReview"), review)
    assert user["status"]["userInfo"]["username"] == "lifeboat"
    assert "system:masters" not in user["status"]["userInfo"]["groups"]


def test_rbac_decides(cluster: LocalCluster, namespace: str) -> None:
    group = "authorization.k8s.io/v1"
    review = {
        "apiVersion": group,
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{namespace}:default",
            "resourceAttributes": {"namespace": namespace, "verb": "get", "resource": "secrets"},
        },
    }
    answer = cluster.api.request("POST", cluster.api.path(group, "SubjectAccessReview"), review)
    assert answer["status"]["allowed"] is False


def test_a_deployment_becomes_ready_and_its_pods_have_tokens(
    cluster: LocalCluster, namespace: str
) -> None:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": _POD}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"replicas": 3, "selector": {"matchLabels": labels}, "template": template},
    }
    cluster.api.apply(manifest)
    wait_until(
        "3 replicas are available",
        lambda: (
            cluster.api.get("apps/v1", "Deployment", namespace, "web")["status"].get(
                "availableReplicas"
            )
            == 3
        ),
        _SECONDS,
    )
    pods = cluster.api.list("v1", "Pod", namespace)
    assert all("projected" in pod["spec"]["volumes"][0] for pod in pods)


def test_a_job_completes(cluster: LocalCluster, namespace: str) -> None:
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once", "namespace": namespace},
        "spec": {"template": {"spec": {**_POD, "restartPolicy": "Never"}}},
    }
    cluster.api.apply(manifest)
    wait_until(
        "the Job is complete",
        lambda: has_condition(cluster.api.get("batch/v1", "Job", namespace, "once"), "Complete"),
        _SECONDS,
    )


def test_a_claim_restored_from_a_snapshot_has_the_bytes_of_that_moment(
    cluster: LocalCluster, namespace: str
) -> None:
    claim(cluster, namespace, "data")
    data = cluster.claim_path(namespace, "data")
    (data / "nested").mkdir()
    (data / "nested" / "binary").write_bytes(bytes(range(256)) * 4096)
    (data / "empty").touch(mode=0o600)
    (data / "link").symlink_to("nested/binary")
    then = tree(data)

    snapshot(cluster, namespace, "snap", "data")
    (data / "empty").write_text("written after the snapshot")
    source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "snap"}
    claim(cluster, namespace, "restored", dataSource=source)

    assert tree(cluster.claim_path(namespace, "restored")) == then
    assert tree(snapshot_data(cluster.api, cluster.csi_root, namespace, "snap")) == then
    assert tree(data) != then


def test_a_clone_has_the_bytes_of_its_source(cluster: LocalCluster, namespace: str) -> None:
    claim(cluster, namespace, "data")
    data = cluster.claim_path(namespace, "data")
    (data / "file").write_text("hello")
    claim(cluster, namespace, "clone", dataSource={"kind": _CLAIM[1], "name": "data"})
    assert tree(cluster.claim_path(namespace, "clone")) == tree(data) != {}


def test_deleting_a_namespace_deletes_its_volumes_and_snapshots(
    cluster: LocalCluster, namespace: str
) -> None:
    claim(cluster, namespace, "data")
    snapshot(cluster, namespace, "snap", "data")
    volume = cluster.claim_path(namespace, "data")
    copy = snapshot_data(cluster.api, cluster.csi_root, namespace, "snap")
    assert volume.is_dir()
    assert copy.is_dir()

    cluster.api.delete("v1", "Namespace", "", namespace)

    wait_until(
        "the namespace is gone",
        lambda: cluster.api.gone("v1", "Namespace", "", namespace),
        _SECONDS,
    )
    wait_until("its folders are gone", lambda: not volume.exists() and not copy.exists(), _SECONDS)


def test_exec_runs_here_with_the_volumes_at_hand(cluster: LocalCluster, namespace: str) -> None:
    metadata = {"name": "pod", "namespace": namespace}
    cluster.api.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": _POD})
    wait_until(
        "the pod is ready",
        lambda: has_condition(cluster.api.get("v1", "Pod", namespace, "pod"), "Ready"),
        _SECONDS,
    )
    with config.new_client_from_config(str(cluster.kubeconfig)) as connection:
        session = stream.stream(
            client.CoreV1Api(connection).connect_get_namespaced_pod_exec,
            "pod",
            namespace,
            command=["sh", "-c", "pwd; echo $LIFEBOAT_FOLDER_CSI_ROOT"],
            stdout=True,
            _preload_content=False,
        )
        session.run_forever(timeout=_SECONDS)
        output = session.read_stdout()
        # close() does nothing once the peer has closed, and would leave the socket open.
        session.sock.shutdown()
    assert output.split() == [str(cluster.root / "exec"), str(cluster.csi_root)]


def test_the_small_client_names_what_went_wrong(cluster: LocalCluster, namespace: str) -> None:
    with pytest.raises(ApiError, match=r"404.*nothing-here") as missing:
        cluster.api.get("v1", "ConfigMap", namespace, "nothing-here")
    assert missing.value.status == 404
    with pytest.raises(ApiError, match="has no Unicorn in v1"):
        cluster.api.list("v1", "Unicorn")
    assert cluster.api.gone("v1", "ConfigMap", namespace, "nothing-here")


def test_apply_creates_and_then_changes(cluster: LocalCluster, namespace: str) -> None:
    metadata = {"name": "settings", "namespace": namespace}
    for value in ("one", "two"):
        cluster.api.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"k": value}}
        )
        found = cluster.api.get("v1", "ConfigMap", namespace, "settings")
        assert found["data"] == {"k": value}
