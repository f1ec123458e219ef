"""A backup never has more requests open than its policy allows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from lifeboat.clock import pause
from lifeboat.point.manifest import Run
from lifeboat.ports.cluster import Page
from lifeboat.steps.backup import backup
from tests.support.world import POLICY, World


class Gauge:
    """Counts lists that are open at once; each stays open until another has had its chance."""

    def __init__(self) -> None:
        self.open = self.most = 0
        self._lock = threading.Lock()

    def through(self, pages: Iterator[Page]) -> Iterator[Page]:
        with self._lock:
            self.open += 1
            self.most = max(self.most, self.open)
        pause(0.002)
        found = list(pages)
        with self._lock:
            self.open -= 1
        return iter(found)


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_of_the_engine(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    world, gauge = World(policy=f"{POLICY}requestsInFlight: {limit}\n"), Gauge()
    context = world.context()
    listed = context.cluster.list_pages

    def list_pages(*args: Any, **kwargs: Any) -> Iterator[Page]:
        return gauge.through(listed(*args, **kwargs))

    monkeypatch.setattr(context.cluster, "list_pages", list_pages)
    assert backup(context, Run("run-1", "manual"), lambda _: None)
    assert 1 <= gauge.most <= limit
