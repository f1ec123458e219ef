"""Which volumes' files go into the vault, and what a policy may not say of movers."""

from __future__ import annotations

import pytest

from lifeboat.errors import PolicyError
from lifeboat.policy.load import parse_policy
from lifeboat.policy.vault_tier import MOVER_IMAGE
from lifeboat.policy.volumes import VolumeFacts, Volumes, decide

FACTS = VolumeFacts(capacity=1, storage_class="shares")


def volumes(text: str) -> Volumes:
    head = "clusters: [local]\nobjectives: {rpo: 1h}\nretention: {keep: {last: 2}}\n"
    return parse_policy(f"{head}volumes: {text}\n", "shop.yaml", "shop").volumes


@pytest.mark.parametrize(
    ("text", "snapshot", "vault"),
    [
        ("{}", True, False),
        ("{vaultTier: {}}", True, True),
        ("{vaultTier: {others: false}}", True, False),
        ("{vaultTier: {}, snapshot: false}", False, False),
        ("{vaultTier: {}, rules: [{action: snapshot}]}", True, False),
        ("{vaultTier: {}, rules: [{action: skip}]}", False, False),
        ("{vaultTier: {others: false}, snapshot: false, rules: [{action: vault}]}", True, True),
        (
            "{vaultTier: {}, rules: [{when: {storageClass: [other]}, action: snapshot}]}",
            True,
            True,
        ),
    ],
)
def test_the_first_rule_decides_then_the_tier(text: str, snapshot: bool, vault: bool) -> None:
    decision = decide(volumes(text), FACTS)
    assert (decision.snapshot, decision.vault) == (snapshot, vault)


@pytest.mark.parametrize(
    ("text", "field", "told"),
    [
        ("{rules: [{action: vault}]}", "rules[0].action", "volumes.vaultTier beside the rules"),
        ("{vaultTier: {image: restic}}", "vaultTier.image", "tag other than latest"),
        ("{vaultTier: {image: 'a/restic:latest'}}", "vaultTier.image", "tag other than latest"),
        ("{vaultTier: {parallel: 0}}", "vaultTier.parallel", "1"),
        ("{vaultTier: {namespace: Not_One}}", "vaultTier.namespace", ""),
    ],
)
def test_what_cannot_be_is_refused_where_it_stands(text: str, field: str, told: str) -> None:
    with pytest.raises(PolicyError) as raised:
        volumes(text)
    assert f"volumes.{field}" in str(raised.value)
    assert told in str(raised.value)


def test_an_image_by_digest_is_taken_and_the_default_is_pinned() -> None:
    image = "registry.example.org:5000/restic@sha256:" + "a" * 64
    tier = volumes(f'{{vaultTier: {{image: "{image}"}}}}').vault_tier
    assert tier is not None
    assert tier.image == image
    assert not MOVER_IMAGE.endswith(":latest")
    assert ":" in MOVER_IMAGE
