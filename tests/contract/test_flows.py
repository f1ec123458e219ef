"""The promises of lifeboat/ports/flows.py, kept by the fake. A real Airflow keeps the same ones in
tests/airflow/test_held_dags.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lifeboat.clock import rfc3339, utc_now
from tests.support.fake_flows import FakeDag, FakeFlows
from tests.support.flows import CONTRACT, FlowWorld


class FakeFlowWorld:
    dag = "load"

    def __init__(self) -> None:
        self.flows = FakeFlows(dags={"load": FakeDag()})

    def start(self) -> str:
        self.flows.start(self.dag, "run-1")
        return "run-1"

    def finish(self) -> None:
        self.flows.dags[self.dag].paused = False
        self.flows.finish(self.dag, "run-1")

    def now(self) -> str:
        return rfc3339(utc_now())


@pytest.mark.parametrize("promise", CONTRACT, ids=lambda promise: promise.__name__)
def test_of_the_fake(promise: Callable[[FlowWorld], None]) -> None:
    promise(FakeFlowWorld())
