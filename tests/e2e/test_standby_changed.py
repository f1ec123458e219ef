"""Transforms between two real control planes, at every step and back, and a StorageClass of the
standby that waits for the first pod."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lifeboat.cli import app as cli
from lifeboat.ports.cluster import Json
from lifeboat.standby import failover as over
from lifeboat.standby.runbook import Wish, standing
from local.api import wait_until
from tests.support.app import DRIVER
from tests.support.standby_pair import Pair, make_pair, quiet, two_clusters

pytestmark = pytest.mark.timeout(900)

PRIMARY, DR = "prod", "dr"
LATE = "dr-late"
TO_DR = f"""
maps:
  storageClasses: {{folder: {LATE}}}
  images: {{example.invalid: mirror.invalid/hub}}
  hosts: {{"*.example.com": "*.dr.example.com"}}
rules:
  - when: {{kinds: [configmaps], nameRegex: ^settings$}}
    mergePatch: {{data: {{colour: blue, region: dr}}}}
"""
TO_HOME = f"""
maps:
  storageClasses: {{{LATE}: folder}}
  images: {{mirror.invalid/hub: example.invalid}}
  hosts: {{"*.dr.example.com": "*.example.com"}}
rules:
  - when: {{kinds: [configmaps], nameRegex: ^settings$}}
    mergePatch: {{data: {{region: null}}}}
"""
Seen = tuple[str, str, str, str]
AT_HOME: Seen = ("folder", "example.invalid/app:1", "shop.example.com", "")
IN_DR: Seen = (LATE, "mirror.invalid/hub/app:1", "shop.dr.example.com", "dr")


def seen(pair: Pair, where: str) -> Seen:
    """Class, image, host and region, as they are there."""
    web = pair.get(where, "apps/v1", "Deployment", "web")
    ingress = pair.get(where, "networking.k8s.io/v1", "Ingress", "shop")
    return (
        claim(pair, where)["spec"]["storageClassName"],
        web["spec"]["template"]["spec"]["containers"][0]["image"],
        ingress["spec"]["rules"][0]["host"],
        pair.get(where, "v1", "ConfigMap", "settings")["data"].get("region", ""),
    )


def claim(pair: Pair, where: str) -> Json:
    return pair.get(where, "v1", "PersistentVolumeClaim", "data")


def helpers(pair: Pair) -> int:
    """Snapshots by which claims of the standby are filled."""
    return len(
        pair.clusters[DR].api.list("snapshot.storage.k8s.io/v1", "VolumeSnapshot", pair.name)
    )


@contextmanager
def changed_pair(folder: Path) -> Iterator[Pair]:
    with two_clusters() as clusters:
        pair = make_pair(clusters, folder)
        late = {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": LATE},
            "provisioner": DRIVER,
            "volumeBindingMode": "WaitForFirstConsumer",
        }
        clusters[DR].api.apply(late)
        rule = {"host": "shop.example.com"}
        ingress = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress"}
        meta = {"name": "shop", "namespace": pair.name}
        service = {"service": {"name": "web", "port": {"number": 80}}}
        spec = {"rules": [rule], "defaultBackend": service}
        clusters[PRIMARY].api.apply({**ingress, "metadata": meta, "spec": spec})
        written = pair.include / "transforms"
        written.mkdir()
        (written / "to-dr.yaml").write_text(TO_DR)
        (written / "to-home.yaml").write_text(TO_HOME)
        pair.policy["standby"] |= {"transforms": ["to-dr"], "transformsBack": ["to-home"]}
        wait_until("there is no bare pod", lambda: _lone_gone(pair), 60)
        yield pair


def _lone_gone(pair: Pair) -> bool:
    pair.clusters[PRIMARY].api.delete("v1", "Pod", pair.name, "lone")
    return pair.clusters[PRIMARY].api.gone("v1", "Pod", pair.name, "lone")


def test_what_is_changed_on_the_way_there_is_changed_back_on_the_way_home(tmp_path: Path) -> None:
    with changed_pair(tmp_path) as pair:
        _every_point_is_changed(pair)
        pair.ledger(PRIMARY).write_text("the very last")
        ended = over.failover(pair.sides(), Wish("over", planned=True), quiet)
        assert ended.failed == ()
        pair.wait_running(DR)
        assert seen(pair, DR) == IN_DR
        assert pair.ledger(DR).read_text() == "the very last", "filled when its pod came"
        assert helpers(pair) == 0
        pair.ledger(DR).write_text("written in dr")
        _home_with_the_vault_alone(pair)
        pair.wait_running(PRIMARY)
        assert seen(pair, PRIMARY) == AT_HOME
        assert pair.ledger(PRIMARY).read_text() == "written in dr"
        assert seen(pair, DR) == IN_DR, "there it stays as it is"
        assert standing(pair.sides()).mode == "warm"


def _every_point_is_changed(pair: Pair) -> None:
    pair.backup()
    assert pair.sync().whole
    assert seen(pair, DR) == IN_DR
    assert claim(pair, DR)["status"]["phase"] == "Pending"
    first = claim(pair, DR)["metadata"]["uid"]
    pair.backup()
    ended = pair.sync()
    assert (ended.whole, ended.missing) == (True, ())
    assert claim(pair, DR)["metadata"]["uid"] != first, "swapped for that of the new point"
    assert seen(pair, DR) == IN_DR
    assert helpers(pair) == 1, "the first point's went with its claim"
    pair.wait_still(DR)


def _home_with_the_vault_alone(pair: Pair) -> None:
    """No file says any more what was changed on the way there, or back."""
    vault, key = f"file://{pair.folder / 'vault'}", f"file:{pair.folder / 'key'}"
    words = ["failback", pair.id, "--yes", "--vault", vault, "--key", key]
    words += ["--include", str(pair.folder), "--kubeconfig", str(pair.clusters[DR].kubeconfig)]
    there = {"KUBECONFIG": str(pair.clusters[PRIMARY].kubeconfig)}
    done = CliRunner().invoke(cli, words, env=there)
    assert done.exit_code == 0, (done.output, done.exception)
    assert "not undone" not in done.output
