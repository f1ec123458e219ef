"""A point of one cluster, restored into another by the plain command: two real control planes whose
drivers share a storage, as clusters of one subscription share their snapshots."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from lifeboat.cli import app as cli
from local.api import wait_until
from local.cluster import LocalCluster
from tests.support.standby_pair import PRIMARY, STANDBY, Pair, make_pair, two_clusters

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def clusters() -> Iterator[dict[str, LocalCluster]]:
    with two_clusters() as found:
        yield found


@pytest.fixture
def pair(clusters: dict[str, LocalCluster], tmp_path: Path) -> Iterator[Pair]:
    """An application of the first cluster that nothing stands by for."""
    made = make_pair(clusters, tmp_path)
    del made.policy["standby"]
    yield made
    for cluster in clusters.values():
        for name in (made.name, f"{made.name}-there"):
            cluster.api.delete("v1", "Namespace", "", name)


def by_name(pair: Pair) -> list[str]:
    """A cluster of clusters.yaml; the one that was protected is gone, and so is its kubeconfig."""
    include = pair.include
    file = include / "clusters.yaml"
    written = yaml.safe_load(file.read_text())
    written["clusters"][0]["kubeconfig"] = str(pair.folder / "gone")
    file.write_text(yaml.safe_dump(written))
    return ["--include", str(include), "--cluster", STANDBY]


def by_kubeconfig(pair: Pair) -> list[str]:
    return ["--include", str(pair.include), *_kubeconfig(pair)]


def with_the_vault_alone(pair: Pair) -> list[str]:
    """From a laptop: no files of Lifeboat's at all."""
    url, key = f"file://{pair.folder / 'vault'}", f"file:{pair.folder / 'key'}"
    return ["--vault", url, "--key", key, *_kubeconfig(pair)]


def _kubeconfig(pair: Pair) -> list[str]:
    return ["--kubeconfig", str(pair.clusters[STANDBY].kubeconfig)]


def restored(pair: Pair, where: list[str], *more: str) -> dict[str, Any]:
    """What `lifeboat restore --json` says."""
    done = CliRunner().invoke(cli, ["restore", pair.id, "--json", *where, *more])
    assert done.exit_code == 0, done.output
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def contents(cluster: LocalCluster) -> dict[str, str]:
    """VolumeSnapshotContents by the driver's snapshot that they stand for."""
    found = cluster.api.list("snapshot.storage.k8s.io/v1", "VolumeSnapshotContent")
    return {one["metadata"]["name"]: one["status"].get("snapshotHandle", "") for one in found}


@pytest.mark.parametrize("where", [by_name, by_kubeconfig, with_the_vault_alone])
def test_the_bytes_of_the_point_come_into_another_cluster(pair: Pair, where: Any) -> None:
    first, second = pair.clusters[PRIMARY], pair.clusters[STANDBY]
    point = pair.backup()
    (snapshot,) = point.volumes
    pair.ledger(PRIMARY).write_text("two")
    told = restored(pair, where(pair))
    assert pair.ledger(STANDBY).read_text() == "one"
    assert pair.ledger(PRIMARY).read_text() == "two"
    (volume,) = told["volumes"]
    assert volume["error"] == ""
    assert volume["captured_digest"] == snapshot.content_digest
    if where is by_name:  # whose driver is known to be readable
        assert volume["content_digest"] == snapshot.content_digest != ""
    live = second.api.get("v1", "PersistentVolumeClaim", pair.name, "data")
    assert live["status"]["phase"] == "Bound"
    # The helpers are gone, and took nothing of the first cluster's along.
    assert contents(second) == {}
    assert second.api.list("snapshot.storage.k8s.io/v1", "VolumeSnapshot", pair.name) == []
    assert snapshot.handle in contents(first).values()
    assert first.snapshot_path(snapshot.handle).is_dir()


def test_a_copy_beside_a_restored_application_has_bytes_of_its_own(pair: Pair) -> None:
    """And the point's snapshot outlives what was made of it."""
    point = pair.backup()
    second, copy = pair.clusters[STANDBY], f"{pair.name}-there"
    restored(pair, by_kubeconfig(pair))
    pair.ledger(STANDBY).write_text("written in the second cluster")
    restored(pair, by_kubeconfig(pair), "--map", f"{pair.name}={copy}")
    there = second.claim_path(copy, "data") / "ledger"
    assert there.read_text() == "one"
    assert pair.ledger(STANDBY).read_text() == "written in the second cluster"
    second.api.delete("v1", "Namespace", "", copy)
    wait_until("the copy is gone", lambda: second.api.gone("v1", "Namespace", "", copy), 120)
    wait_until("its volume is gone", lambda: not there.exists(), 60)
    assert pair.clusters[PRIMARY].snapshot_path(point.volumes[0].handle).is_dir()
    restored(pair, by_kubeconfig(pair), "--map", f"{pair.name}={copy}")
    assert (second.claim_path(copy, "data") / "ledger").read_text() == "one"
