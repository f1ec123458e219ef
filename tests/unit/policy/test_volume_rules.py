"""What a policy decides for a volume: the first rule that matches, each condition by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lifeboat.errors import PolicyError
from lifeboat.policy.load import parse_policy
from lifeboat.policy.volumes import Decision, VolumeFacts, Volumes, capacity_bounds, decide

GI = 1 << 30
FACTS = VolumeFacts(
    capacity=10 * GI,
    storage_class="managed-csi",
    type="csi",
    driver="disk.csi.azure.com",
    labels={"tier": "cache", "app": "web"},
    access_modes=("ReadWriteOnce", "ReadOnlyMany"),
)
NFS = replace(FACTS, type="nfs", driver="", nfs=("10.0.0.1", "/data"))


def rules(*when: dict[str, Any], **fields: Any) -> Volumes:
    made = [{"when": one, "action": "skip"} for one in when]
    return Volumes.model_validate({"rules": made, **fields}, by_alias=True, by_name=False)


@pytest.mark.parametrize(
    ("when", "facts", "matches"),
    [
        ({"capacity": "10Gi,20Gi"}, FACTS, True),
        ({"capacity": "1Gi,10Gi"}, FACTS, True),
        ({"capacity": ",9Gi"}, FACTS, False),
        ({"capacity": "11Gi,"}, FACTS, False),
        ({"storageClass": ["a", "managed-csi"]}, FACTS, True),
        ({"storageClass": ["a"]}, FACTS, False),
        ({"csi": {}}, FACTS, True),
        ({"csi": {"driver": "disk.csi.azure.com"}}, FACTS, True),
        ({"csi": {"driver": "file.csi.azure.com"}}, FACTS, False),
        ({"csi": {}}, NFS, False),
        ({"nfs": {}}, NFS, True),
        ({"nfs": {}}, FACTS, False),
        ({"nfs": {"server": "10.0.0.1", "path": "/data"}}, NFS, True),
        ({"nfs": {"server": "10.0.0.1", "path": "/other"}}, NFS, False),
        ({"nfs": {"server": "10.0.0.2"}}, NFS, False),
        ({"volumeTypes": ["nfs", "local"]}, NFS, True),
        ({"volumeTypes": ["nfs", "local"]}, FACTS, False),
        ({"pvcLabels": {"tier": "cache"}}, FACTS, True),
        ({"pvcLabels": {"tier": "cache", "app": "db"}}, FACTS, False),
        ({"pvcPhase": ["Bound", "Lost"]}, FACTS, True),
        ({"pvcPhase": ["Pending"]}, FACTS, False),
        ({"pvcVolumeMode": "Filesystem"}, FACTS, True),
        ({"pvcVolumeMode": "Block"}, FACTS, False),
        ({"pvcAccessModes": ["ReadOnlyMany"]}, FACTS, True),
        ({"pvcAccessModes": ["ReadOnlyMany", "ReadWriteMany"]}, FACTS, False),
        ({}, FACTS, True),
        ({"capacity": "10Gi,", "pvcLabels": {"tier": "db"}}, FACTS, False),
    ],
)  # fmt: skip
def test_conditions(when: dict[str, Any], facts: VolumeFacts, matches: bool) -> None:
    assert decide(rules(when), facts).snapshot is not matches


def test_the_first_rule_that_matches_decides_and_is_named() -> None:
    made = Volumes.model_validate(
        {
            "rules": [
                {"when": {"storageClass": ["other"]}, "action": "skip"},
                {"when": {"csi": {}}, "action": "snapshot", "snapshotClass": "slow"},
                {"action": "skip"},
            ],
        },
        by_alias=True,
    )
    assert decide(made, FACTS) == Decision(True, "volumes.rules[1]", "slow")
    assert decide(made, NFS) == Decision(False, "volumes.rules[2]")


def test_rules_come_before_the_switch() -> None:
    off = Volumes.model_validate(
        {"snapshot": False, "rules": [{"when": {"csi": {}}, "action": "snapshot"}]}
    )
    assert decide(off, FACTS).snapshot
    assert decide(off, NFS) == Decision(False, "volumes.snapshot")
    assert off.takes_snapshots
    assert not Volumes(snapshot=False).takes_snapshots


@pytest.mark.parametrize(
    ("text", "bounds"),
    [("0,5Gi", (0, 5 * GI)), (",5G", (0, 5 * 10**9)), ("1.5Gi,", (3 * GI // 2, None)),
     ("10Gi , 10Gi", (10 * GI, 10 * GI))],
)  # fmt: skip
def test_capacity_bounds(text: str, bounds: tuple[int, int | None]) -> None:
    assert capacity_bounds(text) == bounds


@pytest.mark.parametrize("text", ["10Gi", ",", "a,b", "2Gi,1Gi", "1Gi,2Gi,3Gi", "-1Gi,", "nan,"])
def test_refused_capacities(text: str) -> None:
    with pytest.raises(ValueError):
        capacity_bounds(text)


@pytest.mark.parametrize(
    ("rule", "field", "told"),
    [
        ("{when: {capacity: 10Gi}, action: skip}", "rules[0].when.capacity", "with a comma"),
        ("{when: {volumeTypes: [floppy]}, action: skip}", "rules[0].when.volumeTypes[0]", "'csi'"),
        ("{when: {csi: {}}, action: erase}", "rules[0].action", "'skip', 'snapshot' or 'vault'"),
        ("{when: {csi: {}}, action: skip, snapshotClass: a}", "rules[0].snapshotClass", "skip"),
        ("{action: skip}, {action: snapshot}", "rules[0].when", "matches every volume"),
    ],
)
def test_wrong_rules_are_refused_where_they_stand(rule: str, field: str, told: str) -> None:
    text = (
        "clusters: [local]\nobjectives: {rpo: 1h}\nretention: {keep: {last: 2}}\n"
        f"volumes: {{rules: [{rule}]}}\n"
    )
    with pytest.raises(PolicyError) as raised:
        parse_policy(text, "shop.yaml", "shop")
    assert f"shop.yaml:4: volumes.{field}:" in str(raised.value)
    assert told in str(raised.value)
