"""What a policy may say of registries, and how a mistake is told."""

from __future__ import annotations

import pytest

from lifeboat.errors import PolicyError
from lifeboat.policy.load import parse_policy

POLICY = "clusters: [east]\nobjectives: {rpo: 24h}\nretention: {keep: {last: 3}}\nimageCheck: "


def test_registries_with_their_logins() -> None:
    text = "{registries: [{host: 'localhost:5000', connection: one}]}"
    check = parse_policy(POLICY + text, "p.yaml", "p").image_check
    assert check is not None
    assert [(one.host, one.connection) for one in check.registries] == [("localhost:5000", "one")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{registries: [{host: ghcr.io, connection: a}, {host: ghcr.io, connection: b}]}", "twice"),
        ("{registries: [{host: 'https://ghcr.io', connection: a}]}", "host"),
        ("{registries: [{host: ghcr.io, password: a}]}", "password"),
    ],
)
def test_mistakes_are_named(text: str, told: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(POLICY + text, "p.yaml", "p")
    assert told in str(caught.value.problems)
