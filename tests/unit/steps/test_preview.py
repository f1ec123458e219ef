"""What a policy selects now, and what no policy of a fleet protects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.cli import app
from lifeboat.cli.source import Source
from lifeboat.errors import ClusterUnreachable, UsageError
from lifeboat.point.exposure import OpenSpace, OpenVolume
from lifeboat.policy.load import parse_policy
from lifeboat.policy.model import Policy
from lifeboat.ports.cluster import Cluster
from lifeboat.ports.disks import Disks
from lifeboat.steps.claims import VolumeVerdict
from lifeboat.steps.preview import KindCount, Preview, preview
from lifeboat.steps.unprotected import find_unprotected
from tests.support.kinds import CONFIG_MAP, NAMESPACE
from tests.support.manifests import manifest
from tests.support.world import POLICY, World
from tests.unit.steps.test_claims import csi, volume


def policy(text: str = POLICY, name: str = "shop") -> Policy:
    return parse_policy(text, f"{name}.yaml", name)


def world_of(**spaces: int) -> World:
    """With so many more configmaps in each namespace."""
    world = World()
    for space, number in spaces.items():
        if space != "shop":
            world.cluster.create(NAMESPACE, None, manifest(NAMESPACE, space))
        for n in range(number):
            world.cluster.create(CONFIG_MAP, space, manifest(CONFIG_MAP, f"more-{n}"))
    return world


def look(world: World, text: str = POLICY) -> Preview:
    return preview(policy(text), world.cluster, DisksCsi(world.cluster))


def counts(found: Preview) -> dict[str, int]:
    return {one.kind: one.objects for one in found.kinds if one.objects}


def test_a_preview_counts_what_a_run_would_list() -> None:
    world = world_of(shop=3, other=50)
    found = look(world)
    assert found.namespaces == ("shop",)
    assert found.left_out["other"] == "not included"
    assert "system namespace" in found.left_out["kube-system"]
    assert counts(found) == {
        "configmaps": 4, "namespaces": 1, "persistentvolumeclaims": 1, "secrets": 1,
    }  # fmt: skip
    assert not any(one.narrowed for one in found.kinds)
    assert found.volumes == (VolumeVerdict("shop/data", "snapshot", "volumes.snapshot"),)
    assert "storageclasses.storage.k8s.io" in found.needed
    assert (found.failed, found.warnings) == ((), ())


def test_it_asks_for_one_object_a_list() -> None:
    world = world_of(shop=2500)
    world.cluster.calls.clear()
    assert counts(look(world))["configmaps"] == 2501
    lists = [call for call in world.cluster.calls if call.resource == "configmaps"]
    assert len(lists) == 1


def test_what_narrows_a_count_is_told() -> None:
    found = look(world_of(shop=3), POLICY.replace("[shop]}}", "[shop]}, labels: app=web}"))
    assert KindCount("configmaps", 4, narrowed=True) in found.kinds
    assert found.volumes[0].action == "skip"


def test_what_owners_bring_back_narrows_the_count_of_kinds_that_come_back() -> None:
    """Whose an object is stands in the object, and a preview reads one of each list."""
    text = POLICY.replace("[shop]}}", "[shop]}, managedBy: {helm: leave}}")
    found = look(world_of(shop=3), text)
    assert KindCount("configmaps", 4, narrowed=True) in found.kinds
    assert KindCount("persistentvolumeclaims", 1, narrowed=False) in found.kinds


def test_names_in_vain_are_warnings_with_the_nearest_name() -> None:
    kinds = "kinds: {include: [configmap, depoyments]}"
    text = POLICY.replace("[shop]}}", f"[shop, nowhere-*]}}, {kinds}}}")
    assert look(World(), text).warnings == (
        "no namespace matches nowhere-*",
        "kind 'depoyments' is not served by this cluster (did you mean \"deployments\"?)",
    )


def test_nothing_selected_is_a_warning_and_no_failure() -> None:
    found = look(World(), POLICY.replace("[shop]", "[nowhere]"))
    assert found.namespaces == ()
    assert "no namespace is selected: the point holds nothing of any" in found.warnings


ALL = POLICY.replace("[shop]", '["*"]')


def unprotected(world: World, **policies: str) -> Any:
    made = [policy(text, name) for name, text in policies.items()]
    return find_unprotected(made, world.cluster, DisksCsi(world.cluster))


def test_a_namespace_is_protected_by_one_of_several_policies() -> None:
    world = world_of(other=1, third=0, fourth=0)
    volume(world, "files", "other", nfs={"server": "a", "path": "/"})
    volume(world, "lost", "third", **csi("disk-3"))
    found = unprotected(
        world,
        shop=POLICY,
        rest=POLICY.replace("[shop]", "[other]"),
        config=POLICY.replace("[shop]}}", "[fourth]}, kinds: {include: [configmaps]}}"),
    )
    assert (found.protected, found.snapshotted) == (2, 1)
    by_name = {space.namespace: space for space in found.namespaces}
    assert by_name["third"] == OpenSpace(
        "third", False, {"shop": "not included", "rest": "not included", "config": "not included"}
    )
    assert by_name["fourth"].partly == ("config",)
    assert by_name["kube-system"].system
    assert not by_name["default"].system
    assert set(by_name) == {
        "third", "fourth", "default", "kube-system", "kube-public", "kube-node-lease",
    }  # fmt: skip
    assert found.volumes == (
        OpenVolume(
            "other/files",
            False,
            {"rest": "its volume pv-files is of the type nfs, not from a CSI driver"},
        ),
        OpenVolume("third/lost", False, {"": "no policy selects its namespace"}),
    )


def test_all_but_the_system_is_protected_by_a_policy_of_everything() -> None:
    found = unprotected(world_of(other=1), everything=ALL)
    assert all(space.system for space in found.namespaces)
    assert found.volumes == ()


def test_without_a_policy_nothing_is() -> None:
    found = unprotected(World())
    assert {space.namespace for space in found.namespaces} >= {"shop", "default"}
    assert [one.volume for one in found.volumes] == ["shop/data"]


CLUSTERS = """
clusters:
  - {name: one, kubeconfig: /nowhere/one}
  - {name: two, kubeconfig: /nowhere/two}
  - {name: down, kubeconfig: /nowhere/down}
vaults: [{name: main, url: "file:///nowhere", key: "env:NONE"}]
"""


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three clusters; the third cannot be reached. Only the first has policies."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "clusters.yaml").write_text(CLUSTERS)
    text = POLICY.replace("[local]", "[one]")
    (tmp_path / "policies" / "shop.yaml").write_text(text)
    (tmp_path / "policies" / "broken.yaml").write_text("clusters: [nowhere]\n")
    worlds = {"one": world_of(other=1), "two": World()}

    def open_it(self: Source, entry: Any) -> tuple[Cluster, Disks]:
        if entry.name == "down":
            raise ClusterUnreachable("no answer from down")
        cluster = worlds[entry.name].cluster
        return cluster, DisksCsi(cluster)

    monkeypatch.setattr(Source, "cluster_of", open_it)
    return tmp_path


def run(code: int, *words: str) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == code, done.output
    return done.output


def test_the_fleet_is_told_cluster_by_cluster(fleet: Path) -> None:
    told = run(50, "fleet", "unprotected", "--include", str(fleet))
    assert "one (1 policies: shop)" in told
    assert "    other: not included (shop)" in told
    assert "two (no policy)" in told
    assert "    shop/data: no policy selects its namespace" in told
    assert "  of the system, not selected: kube-node-lease, kube-public, kube-system" in told
    assert "  cannot be asked: no answer from down" in told
    assert "broken.yaml; see lifeboat policy check" in told


def test_one_cluster_as_json(fleet: Path) -> None:
    words = ["fleet", "unprotected", "--include", str(fleet), "--cluster", "one", "--json"]
    (one,) = json.loads(run(0, *words))["clusters"]
    assert (one["cluster"], one["error"]) == ("one", "")
    assert one["coverage"]["snapshotted"] == 1
    done = CliRunner().invoke(app, [*words[:-2], "x"])
    assert isinstance(done.exception, UsageError)
    assert "one, two, down" in done.exception.hint


def test_a_preview_from_the_command_line(fleet: Path) -> None:
    told = run(0, "policy", "preview", "shop.one", "--include", str(fleet))
    assert "1 namespaces: shop" in told
    assert "  not other: not included" in told
    assert "  configmaps: 1" in told
    assert "  shop/data: snapshot (volumes.snapshot)" in told
    found = json.loads(run(0, "policy", "preview", "shop.one", "--include", str(fleet), "--json"))
    assert found["volumes"][0]["action"] == "snapshot"
