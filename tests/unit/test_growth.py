"""Measured growth, and cost at the user's own price."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from lifeboat.cli import app
from lifeboat.cli.explained import describe_growth
from lifeboat.cli.source import Source
from lifeboat.point import catalog
from lifeboat.policy.places import Price
from lifeboat.report.growth import Growth, measure_growth
from lifeboat.steps.retained import retention_points
from tests.support.world import POLICY
from tests.unit.test_holds import INSTANCE, World, with_points

SCHEDULED = POLICY + "schedule: {cron: '0 * * * *'}\n"


def growth_of(world: World) -> Growth:
    context = world.context()
    manifests = catalog.manifests(context.vault, INSTANCE)
    points = retention_points(context.vault, INSTANCE, manifests)
    return measure_growth(context.vault, context.instance, manifests, points, world.now)


def test_growth_is_what_the_last_points_added() -> None:
    world = with_points(4, policy=SCHEDULED)
    found = growth_of(world)
    manifests = catalog.manifests(world.context().vault, INSTANCE)
    added = [manifest.new_bytes for manifest in manifests]
    assert (found.points, found.measured) == (4, 3)
    assert found.delta == sum(added[1:]) // 3
    assert found.written_monthly == found.delta * 24 * 30
    assert found.steady == max(added) + found.delta  # two points stay
    packs = [stat.size for stat in world.store.list("packs/")]
    assert found.stored == sum(packs)
    assert found.limit_on is None


def test_one_point_tells_no_growth_and_no_schedule_no_month() -> None:
    assert growth_of(with_points(1, policy=SCHEDULED)).delta is None
    found = growth_of(with_points(2))
    assert found.delta is not None
    assert (found.written_monthly, found.steady) == (None, None)


def test_cost_is_told_at_the_users_price_or_not_at_all() -> None:
    world = with_points(2, policy=SCHEDULED)
    instance = world.context().instance
    found = replace(growth_of(world), stored=3 << 30)
    assert not any("month (price" in line for line in describe_growth(instance, found))
    price = Price(gib_month=0.5, currency="EUR", as_of="2026-08-01")
    priced = replace(instance, vault=instance.vault.model_copy(update={"price": price}))
    assert "- 2 points, 3.0 GiB = 1.50 EUR a month (price of 2026-08-01)" in describe_growth(
        priced, found
    )


def test_from_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    world = with_points(2, policy=SCHEDULED)
    context = world.context()
    monkeypatch.setattr(Source, "vault", lambda self, name: context.vault)
    monkeypatch.setattr(Source, "instance", lambda self, name: context.instance)

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, ["policy", "explain", INSTANCE, *words])
        assert done.exit_code == 0, done.output
        return done.output

    assert "Measured" not in run()
    told = run("--measured")
    assert "- the last 1 points that had one before them added" in told
    found = json.loads(run("--measured", "--json"))
    assert found["steady"]["points"] == 2
    assert found["growth"]["points"] == 2
