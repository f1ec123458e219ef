"""Endpoints and EndpointSlices: the control plane writes them of a Service's pods, and people write
them by hand for a Service without a selector. Only those of people are worth keeping.

Controllers label what they write (kubernetes.io, "Well-known labels"); before Kubernetes 1.33 the
one of Endpoints only noted when it last looked at pods.
"""

from __future__ import annotations

from collections.abc import Mapping

from lifeboat.ports.cluster import Kind

ENDPOINTS = "Endpoints"
POD_CHANGED_AT = "endpoints.kubernetes.io/last-change-trigger-time"
_SLICE = "EndpointSlice.discovery.k8s.io"
_WRITERS = {
    ENDPOINTS: ("endpoints.kubernetes.io/managed-by", ("endpoint-controller",)),
    _SLICE: (
        "endpointslice.kubernetes.io/managed-by",
        ("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"),
    ),
}


def may_be_derived(kind: Kind) -> bool:
    """Whether the control plane writes objects of this kind of others."""
    return kind.group_kind in _WRITERS


def is_derived(kind: Kind, labels: Mapping[str, str]) -> bool:
    """Whether a controller says by its label that it wrote the object."""
    label, writers = _WRITERS.get(kind.group_kind, ("", ()))
    return labels.get(label) in writers
