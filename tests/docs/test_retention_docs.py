"""The examples of docs/retention.md load, and its figures are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lifeboat.policy.load import parse_policy
from lifeboat.policy.rules import Keep, Retention
from lifeboat.policy.steady import SNAPSHOT_GUARD, SNAPSHOT_LIMIT, steady_state

PAGE = (Path(__file__).parents[2] / "docs" / "retention.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("retention", EXAMPLES)
def test_the_examples_load(retention: str) -> None:
    text = f"clusters: [local]\nschedule: {{cron: '0 */4 * * *'}}\n{retention}"
    found = steady_state(parse_policy(text, "retention.md", "shop"))
    assert found is not None
    assert 0 < found.points <= SNAPSHOT_GUARD


def test_every_key_is_on_the_page() -> None:
    assert len(EXAMPLES) == 5
    for model in (Keep, Retention):
        for name, field in model.model_fields.items():
            assert f"`{field.alias or name}" in PAGE, name


def test_the_limits_are_those_of_the_code() -> None:
    assert f"more than {SNAPSHOT_LIMIT} points is **refused**" in PAGE
    assert f"More than {SNAPSHOT_GUARD} is told" in PAGE
