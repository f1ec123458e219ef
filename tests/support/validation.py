"""What an API server refuses in an object, as far as tests need it (Validate and ValidateUpdate in
kubernetes/pkg/apis; tests/contract/test_cluster.py asks the real API server the same)."""

from __future__ import annotations

import re
from typing import Any

from lifeboat.errors import Invalid
from lifeboat.ports.cluster import Json, Kind

_FIXED = {
    "Deployment.apps": ("spec.selector",),
    "StatefulSet.apps": ("spec.selector", "spec.serviceName", "spec.volumeClaimTemplates"),
    "Job.batch": ("spec.selector", "spec.template"),
    "RoleBinding.rbac.authorization.k8s.io": ("roleRef",),
    "Secret": ("type",),
}


_KEY = re.compile(r"[-._a-zA-Z0-9]+")


def refuse_bad_keys(kind: Kind, body: Json) -> None:
    """Raises Invalid for a key of a ConfigMap or Secret that is no file's name."""
    if kind.group_kind not in ("ConfigMap", "Secret"):
        return
    for key in body.get("data") or {}:
        if not _KEY.fullmatch(key):
            name = body["metadata"].get("name", "")
            raise Invalid(f'{kind.kind} "{name}" is invalid: data[{key}]: Invalid value')


def refuse_immutable(kind: Kind, before: Json, after: Json) -> None:
    """Raises Invalid naming the first field that may not change."""
    fixed = _FIXED.get(kind.group_kind, ())
    if before.get("immutable"):
        fixed = (*fixed, "data", "immutable")
    for path in fixed:
        if _at(before, path) != _at(after, path):
            name = before["metadata"]["name"]
            raise Invalid(
                f'{kind.group_kind} "{name}" is invalid: {path}: Invalid value: field is immutable'
            )


def _at(body: Json, path: str) -> Any:
    found: Any = body
    for step in path.split("."):
        found = (found or {}).get(step)
    return found
