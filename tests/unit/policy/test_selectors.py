"""Label selectors: the examples of the Kubernetes documentation and the corners of its parser."""

from __future__ import annotations

import pytest

from lifeboat.policy.selectors import parse

MATCHES = [
    ("", {}, True),
    ("environment = production", {"environment": "production"}, True),
    ("environment==production", {"environment": "qa"}, False),
    ("tier != frontend", {}, True),
    ("tier != frontend", {"tier": "frontend"}, False),
    ("environment in (production, qa)", {"environment": "qa"}, True),
    ("environment in (production, qa)", {}, False),
    ("tier notin (frontend, backend)", {}, True),
    ("tier notin (frontend, backend)", {"tier": "backend"}, False),
    ("partition", {"partition": ""}, True),
    ("partition", {}, False),
    ("!partition", {}, True),
    ("! partition", {"partition": "a"}, False),
    ("partition,environment notin (qa)", {"partition": "x", "environment": "prod"}, True),
    ("app.kubernetes.io/name=web", {"app.kubernetes.io/name": "web"}, True),
    ("a=", {"a": ""}, True),
    ("a=,b", {"a": "", "b": "x"}, True),
    ("a in (,x)", {"a": ""}, True),
    ("a=in", {"a": "in"}, True),
]


@pytest.mark.parametrize(("text", "labels", "matches"), MATCHES)
def test_matches(text: str, labels: dict[str, str], matches: bool) -> None:
    assert parse(text).matches(labels) is matches


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("a == b , c", "a=b,c"),
        ("a in (x)", "a=x"),
        ("a notin (y,x,y)", "a notin (x,y)"),
        ("!a,b!=c", "!a,b!=c"),
        ("  ", ""),
    ],
)
def test_query(text: str, query: str) -> None:
    assert parse(text).to_query() == query


@pytest.mark.parametrize(
    "text",
    [
        ",", "a,", ",a", "a,,b", "a b", "a in", "a in x", "a in ()", "a in (x", "a in (x,y",
        "a in (x y)", "=b", "a===b", "a!b", "!a=b", "!", "a>1", "a<1", "in (x)", "a/b/c", "/a",
        "A_/a", "-a", "a-", "a=-b", f"a={'x' * 64}", f"{'x' * 64}", f"{'p' * 254}/a", "a=b)", "(a)",
        "a=ü", "a=b c=d",
    ],
)  # fmt: skip
def test_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)
