"""Two tries of one run at the same time: Airflow starts the second when the first one's worker was
lost, and the first may still be alive (measured: SIGKILL of a LocalExecutor worker)."""

from __future__ import annotations

from typing import Any

import pytest

from lifeboat.point import catalog
from lifeboat.point.manifest import Run
from lifeboat.steps import backup as steps
from lifeboat.steps.reconcile import reconcile
from tests.support.vaults import INSTANCE
from tests.support.world import World

RUN = Run("run-1", "scheduled", "2026-11-22T12:00:00Z")
STEPS = ["enumerate_scope", "dump_shard", "start_batch", "wait_cut", "settle", "commit_point"]


def quiet(_: str) -> None: ...


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_both_tries_end_with_the_same_point(
    step: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second try runs from end to end just before, or after, one step of the first."""
    world, real, begun = World(), getattr(steps, step), []

    def overtaken(*arguments: Any) -> Any:
        first = not begun
        begun.append(step)
        result = real(*arguments) if moment == "after" or not first else None
        if first:
            second = steps.backup(world.context(), RUN, quiet)
            assert second is not None
            assert second.complete
        return result if result is not None else real(*arguments)

    monkeypatch.setattr(steps, step, overtaken)
    first = steps.backup(world.context(), RUN, quiet)
    assert first is not None
    assert first.complete
    context = world.context()
    assert catalog.point_ids(context.vault, INSTANCE) == [first.point]
    assert len(context.disks.list_marked(INSTANCE)) == len(first.volumes) == 1
    assert [orphan for orphan in reconcile(context).orphans if "snapshot" in orphan.what] == []
