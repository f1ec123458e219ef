"""Which network objects a restore leaves to Kubernetes, and what must come first or last."""

from __future__ import annotations

import pytest

from lifeboat.ports.cluster import Kind
from lifeboat.restore import order
from lifeboat.restore.leave import Meta, Seen, why_left

ENDPOINTS = Kind("", "v1", "endpoints", "Endpoints", namespaced=True)
SLICE = Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", namespaced=True)
POD_CHANGED = {"endpoints.kubernetes.io/last-change-trigger-time": "2026-11-01T00:00:00Z"}


def _why(kind: Kind, **metadata: dict[str, str]) -> str:
    seen = Seen(Meta("web", "shop", metadata.get("labels", {}), metadata.get("annotations", {})))
    return why_left(kind, seen, lambda _: False, scratch=False)


def test_endpoints_that_were_made_of_pods_are_left_and_hand_made_ones_restored() -> None:
    assert _why(ENDPOINTS, annotations=POD_CHANGED) == "made anew from the service's pods"
    made_by = {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}
    assert _why(ENDPOINTS, labels=made_by) == "made anew from its service"
    assert _why(ENDPOINTS) == ""


@pytest.mark.parametrize(
    ("manager", "left"),
    [
        ("endpointslice-controller.k8s.io", True),
        ("endpointslicemirroring-controller.k8s.io", True),
        ("staff", False),
    ],
)
def test_a_slice_is_left_only_to_kubernetes_own_controllers(manager: str, left: bool) -> None:
    labels = {"endpointslice.kubernetes.io/managed-by": manager}
    assert bool(_why(SLICE, labels=labels)) is left


def test_a_capacity_is_left_to_its_driver() -> None:
    kind = Kind(
        "storage.k8s.io", "v1", "csistoragecapacities", "CSIStorageCapacity", namespaced=True
    )
    assert _why(kind) == "the target's drivers make their own"


def test_classes_come_before_claims_and_what_mutates_comes_last() -> None:
    attributes = order.wave_of("VolumeAttributesClass.storage.k8s.io")
    assert attributes < order.wave_of("PersistentVolumeClaim")
    for name in ("MutatingAdmissionPolicy", "ValidatingAdmissionPolicy"):
        policy = order.wave_of(f"{name}.admissionregistration.k8s.io")
        binding = order.wave_of(f"{name}Binding.admissionregistration.k8s.io")
        assert policy < binding == order.GATES


def test_a_role_is_there_before_it_is_bound() -> None:
    group = "rbac.authorization.k8s.io"
    for role, binding in (("Role", "RoleBinding"), ("ClusterRole", "ClusterRoleBinding")):
        assert order.wave_of(f"{role}.{group}") < order.wave_of(f"{binding}.{group}")
