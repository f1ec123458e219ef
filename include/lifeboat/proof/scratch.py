"""Scratch namespaces for a test restore: made harmless before anything runs in them, and always
torn down.

All carry a label by which teardown and reconcile find them, also after a crash; fences.py says what
stands around them.
"""

from __future__ import annotations

import hashlib

import msgspec

from lifeboat.clock import poll_until, rfc3339
from lifeboat.errors import AlreadyExists, LifeboatError, NotReady
from lifeboat.point.contents import Contents
from lifeboat.point.manifest import Manifest, open_contents
from lifeboat.policy.proof import TestRestore
from lifeboat.ports.cluster import Cluster, Json, Kind
from lifeboat.ports.marks import RESTORED_FROM
from lifeboat.proof.fences import fences
from lifeboat.steps.context import Context
from lifeboat.steps.left_tests import INSTANCE, MADE, NAMESPACE, TEST_LABEL

_LONGEST_NAME = 63
_TEARDOWN_SECONDS = 300.0


class _LabelsOnly(msgspec.Struct, frozen=True):
    class Meta(msgspec.Struct, frozen=True):
        name: str
        labels: dict[str, str] = {}

    metadata: Meta


def scratch_names(test: str, namespaces: tuple[str, ...]) -> dict[str, str]:
    """Source namespace -> scratch namespace; stable for one test, unique across tests."""
    return {name: _name(test, name) for name in namespaces}


def make_scratch(context: Context, manifest: Manifest, test: str) -> dict[str, str]:
    """Create the scratch namespaces with their fences; returns the mapping. Idempotent."""
    contents = open_contents(context.vault, manifest)
    mapping = scratch_names(test, contents.namespaces())
    labels = _captured_labels(contents)
    for source, name in mapping.items():
        body: Json = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": name,
                "labels": {**labels.get(source, {}), TEST_LABEL: test},
                "annotations": {
                    "lifeboat.dev/source-namespace": source,
                    RESTORED_FROM: manifest.point,
                    INSTANCE: manifest.instance,
                    MADE: rfc3339(context.clock()),
                },
            },
        }
        _ensure(context.cluster, NAMESPACE, None, body)
        for kind, fence in fences(context.instance.policy.test_restore or TestRestore(), test):
            _ensure(context.cluster, kind, name, fence)
    return mapping


def tear_down(context: Context, test: str) -> list[str]:
    """Delete every namespace of this test and wait until they are gone; returns their names.

    Raises NotReady when one does not go away in time.
    """
    found = scratch_of(context.cluster, test)
    for name in found:
        context.cluster.delete(NAMESPACE, None, name)
    left = poll_until(lambda: scratch_of(context.cluster, test), seconds=_TEARDOWN_SECONDS)
    if left:
        raise NotReady(
            f"scratch namespaces {', '.join(left)} are still ending",
            hint=f"`kubectl get namespace -l {TEST_LABEL}={test}` shows what holds them",
        )
    return found


def scratch_of(cluster: Cluster, test: str) -> list[str]:
    """Names of the scratch namespaces of one test that exist."""
    decode = msgspec.json.Decoder(_LabelsOnly).decode
    pages = cluster.list_pages(NAMESPACE, label_selector=f"{TEST_LABEL}={test}")
    return sorted(decode(raw).metadata.name for page in pages for raw in page.items)


def _name(test: str, source: str) -> str:
    prefix = f"lifeboat-{test[:8]}-"
    room = _LONGEST_NAME - len(prefix)
    if len(source) <= room:
        return prefix + source
    digest = hashlib.sha256(source.encode()).hexdigest()[:6]
    return f"{prefix}{source[: room - 7]}-{digest}"


def _captured_labels(contents: Contents) -> dict[str, dict[str, str]]:
    """Labels of the captured namespaces (pod security levels among them)."""
    labels = {}
    reader = contents.reader()
    for entry in contents:
        if entry.group_kind == "Namespace":
            content = reader.read(entry.record, entry.place)
            seen = msgspec.json.decode(content, type=_LabelsOnly).metadata
            own = {k: v for k, v in seen.labels.items() if k != "kubernetes.io/metadata.name"}
            labels[seen.name] = own
    return labels


def _ensure(cluster: Cluster, kind: Kind, namespace: str | None, body: Json) -> None:
    try:
        cluster.create(kind, namespace, body)
    except AlreadyExists:
        return
    except LifeboatError as error:
        error.message = f"cannot prepare the scratch namespace: {error.message}"
        raise
