"""What a restore changes of an object on the way."""

from __future__ import annotations

import pytest

from lifeboat.restore.transform import Target, clean

TARGET = Target(restore="r", point="p", mapping={})


def test_a_deployment_that_was_updated_counts_its_revisions_anew() -> None:
    """A check that finds every restored object equal would fail for ever otherwise."""
    annotations = {"deployment.kubernetes.io/revision": "5", "team": "shop"}
    body = {"kind": "Deployment", "metadata": {"name": "web", "annotations": annotations}}
    kept = clean(body, TARGET).body["metadata"]["annotations"]
    assert set(kept) == {"team", "lifeboat.dev/restore", "lifeboat.dev/restored-from"}


@pytest.mark.parametrize("kind", ["PersistentVolumeClaim", "PersistentVolume"])
def test_of_claims_and_volumes_only_finalizers_of_kubernetes_are_dropped(kind: str) -> None:
    own = [
        "kubernetes.io/pvc-protection",
        "kubernetes.io/pv-protection",
        "external-provisioner.volume.kubernetes.io/finalizer",
        "snapshot.storage.kubernetes.io/pvc-as-source-protection",
        "external-attacher/disk-csi-azure-com",
    ]

    def kept(*finalizers: str) -> object:
        metadata = {"name": "data", "finalizers": [*finalizers]}
        return (
            clean({"kind": kind, "metadata": metadata, "spec": {}}, TARGET)
            .body["metadata"]
            .get("finalizers")
        )

    assert kept("example.com/keep", *own) == ["example.com/keep"]
    assert kept(*own) is None


def test_a_port_for_health_checks_is_assigned_anew() -> None:
    """Also where a person chose it: who balances the load learns the new one from the Service."""
    spec = {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",
        "healthCheckNodePort": 31999,
        "ports": [{"port": 80}],
    }
    body = {"kind": "Service", "metadata": {"name": "door"}, "spec": spec}
    kept = clean(body, TARGET).body["spec"]
    assert "healthCheckNodePort" not in kept
    assert kept["externalTrafficPolicy"] == "Local"
