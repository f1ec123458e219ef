"""Small objects for tests, as plain JSON."""

from __future__ import annotations

from typing import Any

from lifeboat.ports.cluster import Json, Kind
from tests.support.kinds import CLAIM, CRD


def manifest(kind: Kind, name: str, **fields: Any) -> Json:
    """An object with a name and whatever else is given; its namespace is the caller's to say."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": name},
        **fields,
    }


def claim(name: str, size: str = "1Gi", **spec: Any) -> Json:
    """A PersistentVolumeClaim of the default class."""
    resources = {"requests": {"storage": size}}
    return manifest(
        CLAIM, name, spec={"accessModes": ["ReadWriteOnce"], "resources": resources, **spec}
    )


def crd(group: str, plural: str, kind: str, versions: tuple[str, ...] = ("v1",)) -> Json:
    """A namespaced definition that takes any fields; the first version is the stored one."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return manifest(
        CRD,
        f"{plural}.{group}",
        spec={
            "group": group,
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": version == versions[0],
                    "schema": {"openAPIV3Schema": schema},
                }
                for version in versions
            ],
        },
    )
