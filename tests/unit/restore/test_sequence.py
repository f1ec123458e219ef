"""The order that a policy declares over the waves of every restore."""

from __future__ import annotations

import pytest

from lifeboat.errors import PolicyError, UsageError
from lifeboat.policy.load import parse_policy
from lifeboat.policy.recovery import Precedence
from lifeboat.restore import order
from lifeboat.restore.sequence import turns
from tests.support.kinds import (
    BUILT_IN,
    CONFIG_MAP,
    DEPLOYMENT,
    NAMESPACE,
    PRIORITY_CLASS,
    RUNTIME_CLASS,
    SECRET,
    SERVICE,
    VALIDATING_WEBHOOKS,
    kind,
)

ISSUER = kind("cert-manager.io/v1", "issuers", "Issuer")
CERTIFICATE = kind("cert-manager.io/v1", "certificates", "Certificate")
KINDS = {one.group_kind: one for one in (*BUILT_IN, ISSUER, CERTIFICATE)}
POLICY = """
clusters: [local]
objectives: {rpo: 1d}
retention: {keep: {last: 1}}
"""


def pairs(*written: tuple[str, str]) -> list[Precedence]:
    return [Precedence(first=first, then=then) for first, then in written]


def test_without_anything_declared_the_waves_decide() -> None:
    found = turns(KINDS, ())
    assert {turn.step for turn in found.values()} == {0}
    assert {name: turn.wave for name, turn in found.items()} == {
        name: order.wave_of(name) for name in KINDS
    }
    assert list(found.values()) == sorted(found.values())


def test_a_kind_waits_in_its_wave_in_a_later_one_and_for_what_waits_itself() -> None:
    found = turns(
        KINDS,
        pairs(
            ("issuers.cert-manager.io", "Certificate"),
            ("certificates", "secrets"),
            ("configmaps", "Issuer"),
            ("runtimeclasses", "priorityclasses"),
        ),
    )
    assert found[ISSUER.group_kind] == (order.OTHERS, 0)
    assert found[CERTIFICATE.group_kind] == (order.OTHERS, 1)
    assert found[SECRET.group_kind] == (order.OTHERS, 2)
    assert found[CONFIG_MAP.group_kind] == (order.CONFIG, 0)
    assert found[RUNTIME_CLASS.group_kind] == (order.CLUSTER, 0)
    assert found[PRIORITY_CLASS.group_kind] == (order.CLUSTER, 1)
    names = list(found)
    assert names.index(CERTIFICATE.group_kind) < names.index(SECRET.group_kind)


def test_what_comes_first_is_not_moved_and_what_is_not_held_does_not_count() -> None:
    found = turns(KINDS, pairs(("webhooks.example.com", "services"), ("services", "ghosts")))
    assert found[SERVICE.group_kind] == (order.NETWORK, 0)
    found = turns(KINDS, pairs((VALIDATING_WEBHOOKS.plural, DEPLOYMENT.plural)))
    assert found[DEPLOYMENT.group_kind] == (order.GATES, 1)
    assert found[VALIDATING_WEBHOOKS.group_kind] == (order.GATES, 0)


def test_what_everything_stands_on_cannot_wait() -> None:
    with pytest.raises(UsageError, match="Namespace wait for another kind") as refused:
        turns(KINDS, pairs(("deployments", NAMESPACE.plural)))
    assert "namespaces always come before" in str(refused.value.hint)


def test_a_circle_is_refused_when_the_policy_is_read_or_once_names_mean_kinds() -> None:
    circle = """
restore:
  order:
    - {first: issuers, then: Certificates}
    - {first: certificates, then: secrets}
    - {first: secrets, then: issuers}
"""
    with pytest.raises(PolicyError, match="certificates → secrets → issuers"):
        parse_policy(POLICY + circle, "test.yaml", "shop")
    own = "restore: {order: [{first: secrets, then: secrets}]}"
    with pytest.raises(PolicyError, match="none waits for itself"):
        parse_policy(POLICY + own, "test.yaml", "shop")
    with pytest.raises(UsageError, match=r"in a circle: Certificate\.cert-manager\.io → "):
        turns(KINDS, pairs(("issuer", "certificates"), ("certificate", "issuers")))
