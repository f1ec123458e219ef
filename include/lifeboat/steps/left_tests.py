"""Scratch namespaces that a killed test restore left in the cluster. They go last when a test
restore cleans up, so where none is left, nothing of it is."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from lifeboat.ports.cluster import Cluster, Kind

TEST_LABEL = "lifeboat.dev/test-restore"
"""Label of a scratch namespace: the id of its test restore."""
INSTANCE = "lifeboat.dev/instance-id"
MADE = "lifeboat.dev/made"
"""Annotations of a scratch namespace: whose it is, and when it was made (RFC 3339)."""
NAMESPACE = Kind("", "v1", "namespaces", "Namespace", namespaced=False)


class LeftTest(msgspec.Struct, frozen=True):
    """The scratch namespaces of one test restore; `made` when the first of them was."""

    test: str
    namespaces: tuple[str, ...]
    made: str


class _Space(msgspec.Struct, frozen=True):
    class Meta(msgspec.Struct, frozen=True):
        name: str
        labels: dict[str, str] = {}
        annotations: dict[str, str] = {}

    metadata: Meta


def left_tests(cluster: Cluster, instance: str) -> list[LeftTest]:
    """Test restores of an instance whose scratch namespaces are there: under way, or left."""
    found: dict[str, list[_Space.Meta]] = {}
    for space in _spaces(cluster):
        if space.annotations.get(INSTANCE) == instance:
            found.setdefault(space.labels[TEST_LABEL], []).append(space)
    return [
        LeftTest(
            test,
            tuple(sorted(space.name for space in spaces)),
            min(space.annotations.get(MADE, "") for space in spaces),
        )
        for test, spaces in sorted(found.items())
    ]


def _spaces(cluster: Cluster) -> Iterator[_Space.Meta]:
    decode = msgspec.json.Decoder(_Space).decode
    for page in cluster.list_pages(NAMESPACE, label_selector=TEST_LABEL):
        yield from (decode(raw).metadata for raw in page.items)
