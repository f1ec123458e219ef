"""No bytes make loading fail in any other way than with a PolicyError."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from lifeboat.errors import PolicyError, Problem
from lifeboat.policy.load import load_clusters, load_policy
from lifeboat.policy.model import ClustersFile

SNIPPETS = st.sampled_from(
    ["clusters:", "vaults:", "name: a", "schedule:", "cron: '0 2 * * *'", "keep: {last: 1}",
     "retention:", "rpo: 1d", "objectives:", "- a", "&x", "*x", "<<: *x", "{", "}", "[", "]",
     "!!int", "? a", ": b", "|", "'", '"', "\n", "\n  ", "\n\t", " ", "#", "---", "...", "\x00",
     "9" * 30, "0x1", "1e999", ".inf", "~", "true", "null", "select:", "labels: a in", "hooks:",
     "2026-01-01"]
)  # fmt: skip


@given(st.one_of(st.lists(SNIPPETS, max_size=25).map("".join), st.text()), st.booleans())
def test_any_text_is_loaded_or_refused(text: str, policy: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clusters.yaml")
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        problems: list[Problem] | None = None
        try:
            if policy:
                load_policy(path, ClustersFile())
            else:
                load_clusters(Path(folder))
        except PolicyError as error:
            problems = error.problems
    assert problems is None or (problems and all(problem.expected for problem in problems))
