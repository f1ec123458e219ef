"""The examples of docs/selection.md: each block of YAML does what the table under it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lifeboat.policy.load import parse_policy
from lifeboat.policy.model import Policy
from lifeboat.policy.picking import CLUSTER_SCOPE, Picker
from lifeboat.policy.selection import OPT_OUTS, Space, select_namespaces
from lifeboat.policy.volumes import VolumeFacts, decide
from lifeboat.ports.quantity import parse_quantity
from tests.support.kinds import BUILT_IN

TEXT = (Path(__file__).parents[2] / "docs" / "selection.md").read_text()
EXAMPLE = re.compile(r"```yaml\n(.*?)```\n\n((?:\|[^\n]*\n)+)", re.DOTALL)
SPACES = [Space(name) for name in ("shop", "team-a", "team-scratch", "team-data", "blog")]
KINDS = {kind.kind: kind for kind in BUILT_IN}


def examples(heading: str) -> list[tuple[str, str, str]]:
    """(policy, first cell, second cell) of every row under a block of YAML."""
    found = []
    for text, table in EXAMPLE.findall(TEXT):
        rows = [line.strip("| ").split(" | ") for line in table.splitlines()]
        if rows[0][0] == heading:
            found += [(text, row[0].strip("`"), row[1]) for row in rows[2:]]
    return found


def policy(sections: str) -> Policy:
    rest = {"clusters": ["local"], "objectives": {"rpo": "1d"}, "retention": {"keep": {"last": 3}}}
    return parse_policy(yaml.safe_dump({**rest, **yaml.safe_load(sections)}), "doc.yaml", "doc")


def labels_of(text: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in text.split(",")) if text else {}


@pytest.mark.parametrize(("sections", "what", "taken"), examples("object"))
def test_objects(sections: str, what: str, taken: str) -> None:
    kind_name, place, *labels = what.split(" ")
    kind, found = KINDS[kind_name], labels_of("".join(labels))
    namespace, _, name = place.rpartition("/")
    select = policy(sections).select
    selected = select_namespaces(select, SPACES)
    pick = Picker(select, selected.names)
    if not namespace:
        rule = pick.rules(kind).get(CLUSTER_SCOPE)
        assert taken == ("yes" if rule and rule.takes(name, found) else "no")
        return
    why = selected.left_out.get(namespace) or pick.why_not(kind, namespace, name, found)
    assert taken == (f"no: {why}" if why else "yes")


@pytest.mark.parametrize(("sections", "what", "happens"), examples("volume"))
def test_volumes(sections: str, what: str, happens: str) -> None:
    facts: dict[str, Any] = {"capacity": 0}
    for pair in what.split(" "):
        key, _, value = pair.partition("=")
        facts[key] = {
            "capacity": parse_quantity(value) if key == "capacity" else 0,
            "nfs": tuple(value.split(":")),
            "labels": dict([value.split(":")]) if ":" in value else {},
            "access_modes": (value,),
        }.get(key, value)
    decision = decide(policy(sections).volumes, VolumeFacts(**facts))
    told = f"{decision.source} {'takes' if decision.snapshot else 'skips'} it"
    told += f" with {decision.snapshot_class}" if decision.snapshot_class else ""
    assert happens == told


def test_there_are_examples_and_every_mark_is_told() -> None:
    assert len(examples("object")) >= 15
    assert len(examples("volume")) >= 5
    assert all(mark in TEXT for mark in OPT_OUTS)
