"""A backup after other pipelines: the assets it waits for, and how a DAG's success becomes one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.definitions.asset import AssetNameRef, AssetUriRef

from lifeboat.clock import parse_rfc3339, rfc3339, utc_now
from lifeboat.errors import AirflowUnreachable
from lifeboat.pipeline import after
from lifeboat.pipeline.after import SuccessTrigger, awaited
from lifeboat.policy.after import After
from tests.support.fake_flows import FakeDag, FakeFlows


@dataclass
class Store:
    """Airflow's store of the asset."""

    kept: dict[str, Any] = field(default_factory=dict)

    async def aget(self, key: str) -> Any:
        return self.kept.get(key)

    async def aset(self, key: str, value: Any) -> None:
        self.kept[key] = value


@pytest.fixture
def flows(monkeypatch: pytest.MonkeyPatch) -> FakeFlows:
    made = FakeFlows(dags={"load": FakeDag()})
    monkeypatch.setattr(after, "AirflowFlows", lambda settings: made)
    monkeypatch.setattr(after.AirflowConnections, "airflow", lambda self, connection: connection)
    return made


def succeed(flows: FakeFlows, run: str) -> None:
    flows.start("load", run)
    flows.finish("load", run)


async def next_runs(events: Any) -> list[str]:
    event = await asyncio.wait_for(anext(events), timeout=60)
    return list(event.payload["runs"])


def trigger(store: Store | None) -> SuccessTrigger:
    classpath, arguments = SuccessTrigger("load", "airflow", seconds=0).serialize()
    assert classpath == "lifeboat.pipeline.after.SuccessTrigger"
    made = SuccessTrigger(**arguments)
    made.asset_state_store = store  # type: ignore[assignment]
    return made


def test_each_success_is_told_once_and_a_triggerer_that_was_away_misses_none(
    flows: FakeFlows,
) -> None:
    store = Store({"seen": {"": rfc3339(utc_now())}})
    succeed(flows, "one")

    async def watch() -> None:
        events = trigger(store).run()
        assert await next_runs(events) == ["one"]
        succeed(flows, "two")
        assert await next_runs(events) == ["two"]
        succeed(flows, "three")
        succeed(flows, "four")
        assert await next_runs(trigger(store).run()) == ["four", "three"]

    asyncio.run(watch())


def test_what_succeeded_before_the_first_look_is_no_news(flows: FakeFlows) -> None:
    succeed(flows, "old")
    flows.dags["load"].ended["old"] = parse_rfc3339("2026-01-01T00:00:00Z")
    store = Store()

    async def watch() -> None:
        watching = asyncio.create_task(next_runs(trigger(store).run()))
        while not store.kept:
            await asyncio.sleep(0)
        succeed(flows, "new")
        assert await watching == ["new"]

    asyncio.run(watch())


def test_an_airflow_that_does_not_answer_is_asked_again(flows: FakeFlows) -> None:
    flows.faults.fail_next("succeeded_since", AirflowUnreachable("away"), times=2)
    store = Store({"seen": {"": rfc3339(utc_now())}})
    succeed(flows, "one")
    assert asyncio.run(next_runs(trigger(store).run())) == ["one"]


def test_assets_by_name_and_by_uri_and_a_dags_success() -> None:
    found = awaited(After(assets=("orders", "s3://lake/orders"), dags=("load",), connection="me"))
    name, uri, success = found.objects
    assert name == AssetNameRef("orders")
    assert uri == AssetUriRef("s3://lake/orders")
    assert isinstance(success, Asset)
    assert (success.name, success.uri) == ("lifeboat/success/load", "x-lifeboat-dag://load")
    (watcher,) = success.watchers
    assert watcher.trigger.serialize()[1] == {"dag": "load", "connection": "me", "seconds": 15.0}
