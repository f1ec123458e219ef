"""What the policy's checks see once a standby runs: told, stored, and looked at once a takeover."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType

import pytest

from lifeboat.errors import RestoreIncomplete
from lifeboat.point import layout
from lifeboat.point.manifest import Run
from lifeboat.point.standby import StandbyEvent
from lifeboat.policy.model import ClusterEntry
from lifeboat.proof.checks import Checked
from lifeboat.standby import failover as over
from lifeboat.standby.runbook import Wish, standing
from lifeboat.standby.sides import Sides
from lifeboat.standby.sync import Asked, sync
from lifeboat.steps.backup import backup
from tests.support.kinds import (
    CRON_JOB,
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    POD,
    REPLICA_SET,
    STATEFUL_SET,
    kind,
)
from tests.support.world import POLICY, World

CONTROLLER = kind("v1", "replicationcontrollers", "ReplicationController")
RUNNING = (
    CONTROLLER, CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, POD, REPLICA_SET, STATEFUL_SET,
)  # fmt: skip
WITH = f"""{POLICY}
standby: {{cluster: dr, mapping: {{shop: there}}, volumes: none}}
testRestore:
  checks:
    - workloadsReady
    - objectsComplete
    - python: {{call: 'checks_of_standby:orders'}}
"""


class Taken(World):
    """A standby that counts, and does not run yet."""

    def __init__(self) -> None:
        super().__init__(WITH)
        known = {one.resource for one in self.cluster.kinds}
        self.cluster.kinds += [one for one in RUNNING if one.resource not in known]
        assert backup(self.context(), Run("run-1", "cli"), lambda _: None)
        sides, wish = self.sides(), Wish("over", as_it_is=True)
        sync(sides.standby(), "latest", Asked("r"), lambda _: None, sides.read_transform)
        over.begin(sides, wish)
        over.take_over(sides, wish, [])
        self.said: list[str] = []

    def sides(self) -> Sides:
        context = self.context()
        return Sides(
            context.instance,
            ClusterEntry(name="dr", in_cluster=True),
            context.vault,
            lambda instance, _: replace(self.context(), instance=instance),
            lambda _: None,
        )

    def activate(self) -> StandbyEvent:
        return over.activate(self.sides(), Wish("over"), self.said.append)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The namespaces in which the policy's own check has looked."""
    found: list[str] = []
    module = ModuleType("checks_of_standby")

    def orders(application: object) -> str:
        found.append(str(application))
        raise AssertionError("3 of 4 orders are there")

    module.orders = orders  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "checks_of_standby", module)
    return found


def test_what_the_checks_saw_is_told_and_stored(asked: list[str]) -> None:
    world = Taken()
    ended = world.activate()
    assert [(one.name, one.outcome) for one in ended.checks] == [
        ("workloadsReady", "passed"),
        ("python checks_of_standby:orders", "failed"),
    ]
    assert any("3 of 4 orders are there" in line for line in ended.failed)
    assert any("3 of 4 orders are there" in line for line in world.said)
    assert "not checked: objectsComplete, which compares with the point" in ended.notes
    head = standing(world.sides()).head
    assert head == ended
    with pytest.raises(RestoreIncomplete, match="3 of 4 orders"):
        over.ensure_up(ended)
    turned = standing(world.sides()).turned
    brought = standing(world.sides()).brought
    assert turned is not None
    assert brought is not None
    key = layout.restore_part("shop.local", brought.restore, f"failover-{turned.number}")
    stored = world.context().vault.get_document(key, Checked)
    assert stored.results == ended.checks
    assert len(asked) == 1


def test_a_report_that_was_not_written_asks_nobody_twice(asked: list[str]) -> None:
    world = Taken()
    ended = world.activate()
    vault = world.context().vault
    vault.store.delete(layout.standby_event("shop.local", "dr", ended.number))
    assert world.activate().checks == ended.checks
    assert len(asked) == 1
