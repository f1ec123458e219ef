"""The examples of docs/hooks.md load, and mean what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lifeboat.policy.annotated import annotated_hook
from lifeboat.policy.hooks import PodHooks
from lifeboat.policy.load import parse_policy
from lifeboat.policy.model import Policy

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "hooks.md").read_text()
BLOCKS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]
SECTIONS = [block for block in BLOCKS if "metadata" not in block]


def policy(sections: dict[str, Any]) -> Policy:
    rest = {"clusters": ["local"], "objectives": {"rpo": "1d"}, "retention": {"keep": {"last": 3}}}
    return parse_policy(yaml.safe_dump({**rest, **sections}), "doc.yaml", "doc")


def test_there_is_an_example_of_every_means() -> None:
    hooks = [hook for sections in SECTIONS for hook in policy(sections).hooks]
    for means in ("scale", "exec_", "http", "job"):
        assert any(getattr(hook, means) for hook in hooks), means
    assert any("podHooks" in sections for sections in SECTIONS)
    assert len(BLOCKS) == len(SECTIONS) + 1


@pytest.mark.parametrize("sections", SECTIONS)
def test_what_freezes_also_thaws(sections: dict[str, Any]) -> None:
    """But for the checkpoint: it holds nothing."""
    for hook in policy(sections).hooks:
        phased = hook.exec_ or hook.http or hook.job
        assert phased is None or phased.post or "CHECKPOINT" in str(phased.pre)


def test_the_thaw_of_the_table_is_the_freeze_backwards() -> None:
    rows = dict(re.findall(r"^\| (freeze|thaw) \| (.*) \|$", TEXT, re.MULTILINE))
    order = rows["freeze"].split(", ")
    assert rows["thaw"].split(", ") == order[::-1]
    examples = [policy(sections).hooks for sections in SECTIONS]
    [scaled] = [hooks for hooks in examples if hooks and all(hook.scale for hook in hooks)]
    workloads = [hook.scale.workload for hook in scaled if hook.scale]
    assert [workload.partition("/")[2] for workload in workloads] == order


def test_the_annotations_are_those_that_are_read() -> None:
    [metadata] = [block["metadata"] for block in BLOCKS if "metadata" in block]
    written = metadata["annotations"]
    before, after = annotated_hook(written, "pre"), annotated_hook(written, "post")
    assert before
    assert after
    assert (before.container, before.seconds, before.fails) == ("freezer", 30, True)
    assert (before.command[0], len(before.command)) == ("/sbin/fsfreeze", 3)
    assert (after.container, after.command[0]) == ("freezer", "/bin/sh")
    assert (before.notes, after.notes) == ((), ())


def test_the_defaults_and_roles_are_as_told() -> None:
    assert PodHooks().enabled
    assert policy({}).max_freeze.total_seconds() == 300
    for role in re.findall(r"\blifeboat-(?:exec|quiesce|job)\b", TEXT):
        assert (DOCS / "rbac" / f"{role}.yaml").exists()
