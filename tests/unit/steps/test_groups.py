"""Which claims are cut together, and what is said of those that are not."""

from __future__ import annotations

from dataclasses import replace

from lifeboat.ports.disks import Volume
from lifeboat.steps.groups import find_groups
from tests.support.fake_cluster import FakeCluster
from tests.support.fake_disks import DRIVER, FakeDisks

KEY = "velero.io/volume-group"


def volume(name: str, value: str = "db", **changes: object) -> Volume:
    made = Volume(
        namespace="shop",
        claim=name,
        claim_uid=f"uid-{name}",
        pv=f"pv-{name}",
        driver=DRIVER,
        handle=f"handle-{name}",
        storage_class="",
        volume_mode="Filesystem",
        access_modes=(),
        size=1,
        labels=((KEY, value),) if value else (),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_claims_of_a_namespace_with_one_value_are_cut_together() -> None:
    volumes = [volume("data"), volume("wal"), volume("logs", "other"), volume("alone", "")]
    volumes.append(replace(volume("data"), namespace="elsewhere"))
    found = find_groups(KEY, volumes, [], {}, FakeDisks(FakeCluster()))
    assert found.labels == {"shop/data": f"{KEY}=db", "shop/wal": f"{KEY}=db"}
    assert found.warnings == ()


def test_no_key_no_groups() -> None:
    found = find_groups("", [volume("data"), volume("wal")], [], {}, FakeDisks(FakeCluster()))
    assert found.labels == {}


def test_a_claim_that_is_left_out_would_be_cut_with_the_others() -> None:
    skipped = [("shop", "cache", {KEY: "db"}), ("shop", "tmp", {})]
    volumes = [volume("data"), volume("wal")]
    found = find_groups(KEY, volumes, skipped, {}, FakeDisks(FakeCluster()))
    assert found.labels == {}
    (warning,) = found.warnings
    assert warning == (
        "volumes data, wal of namespace shop have the label velero.io/volume-group=db and are cut"
        " one by one: claim cache has it, too, and is not to be snapshotted"
    )


def test_a_driver_without_groups_and_a_class_of_a_rule_are_told() -> None:
    disks = FakeDisks(FakeCluster())
    other = [volume("data"), volume("wal", driver="other.example.com")]
    (warning,) = find_groups(KEY, other, [], {}, disks).warnings
    assert "have no groups" in warning
    classes = {"shop/wal": "gold"}
    (warning,) = find_groups(KEY, [volume("data"), volume("wal")], [], classes, disks).warnings
    assert warning.endswith("a rule gives wal a snapshot class of its own")
