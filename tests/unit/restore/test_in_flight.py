"""A restore never has more requests open than its policy, or whoever asked for it, allows."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from lifeboat.clock import pause
from lifeboat.errors import UsageError
from lifeboat.pipeline.restore_form import form, written
from lifeboat.point.manifest import Run
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.request import Written
from lifeboat.restore.run import apply_plan
from lifeboat.steps.backup import backup
from lifeboat.steps.context import Context
from tests.support.kinds import CONFIG_MAP
from tests.support.manifests import manifest
from tests.support.world import POLICY, World

INSTANCE = "shop.local"


class Gauge:
    """Counts writes of ConfigMaps that are open at once, dry runs apart; each stays open until
    another has had its chance."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self._open: list[bool] = []
        self._lock = threading.Lock()
        self.most = {True: 0, False: 0}

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._cluster, name)
        if name not in ("make", "patch"):
            return real

        def counted(*arguments: Any, dry_run: bool = False, **named: Any) -> Any:
            with self._lock:
                self._open.append(dry_run)
                self.most[dry_run] = max(self.most[dry_run], self._open.count(dry_run))
            pause(0.02)
            with self._lock:
                self._open.remove(dry_run)
            return real(*arguments, **named, **({"dry_run": True} if dry_run else {}))

        return counted


def restored(limit: str, **wishes: Any) -> dict[bool, int]:
    """The most requests that were open, of dry runs and of changes."""
    world = World(policy=f"{POLICY}{limit}")
    for number in range(12):
        body = manifest(CONFIG_MAP, f"c{number}", data={"colour": "blue"})
        world.cluster.create(CONFIG_MAP, "shop", body)
    captured = backup(world.context(), Run("run-1", "manual"), lambda _: None)
    assert captured is not None
    for number in range(12):
        world.cluster.patch(CONFIG_MAP, "shop", f"c{number}", {"data": {"colour": "red"}})
    gauge = Gauge(world.cluster)
    context: Context = replace(world.context(), cluster=gauge)  # type: ignore[arg-type]
    request = Written(mode="merge", **wishes).request(INSTANCE, captured.point)
    plan = plan_restore(context, request, "r-1")
    apply_plan(context, plan, lambda _: None, plan.created)
    return gauge.most


@pytest.mark.parametrize("limit", [1, 3])
def test_the_policy_says_how_many(limit: int) -> None:
    most = restored(f"restore: {{requestsInFlight: {limit}}}\n")
    assert most == {True: limit, False: limit}


def test_who_asks_has_the_last_word() -> None:
    most = restored("restore: {requestsInFlight: 1}\n", in_flight=4)
    assert most == {True: 4, False: 4}


@pytest.mark.parametrize("number", [-1, 129])
def test_a_number_that_makes_no_sense_is_refused(number: int) -> None:
    with pytest.raises(UsageError, match=f"{number} requests in flight"):
        Written(in_flight=number).request(INSTANCE, "p")


def test_the_form_asks_for_it() -> None:
    fields = {name: param.value for name, param in form([INSTANCE], []).items()}
    filled = written({**fields, "requests_in_flight": 7, "try_creates": True}, "ada")
    assert (filled.in_flight, filled.try_creates) == (7, True)
