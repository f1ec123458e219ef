"""Notes beside points: written when something changed, kept while a point relies on them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import msgspec

from lifeboat.errors import Forbidden, LifeboatError
from lifeboat.point import layout
from lifeboat.point.context import (
    DEFINITION,
    SERVED,
    Definition,
    Served,
    note,
    noted,
    unneeded_notes,
)
from lifeboat.point.manifest import Manifest, Run
from lifeboat.ports.definition import ManagedDefinition
from lifeboat.steps.backup import backup
from lifeboat.steps.note import note_served
from lifeboat.steps.prune import execute_prune, plan_prune
from tests.support.kinds import CONFIG_MAP
from tests.support.world import World

INSTANCE = "shop.local"


@dataclass
class Ordered:
    """A managed cluster in memory; `refused` is what it says instead."""

    pools: list[dict[str, object]] = field(default_factory=lambda: [{"name": "system"}])
    refused: LifeboatError | None = None

    def read(self) -> ManagedDefinition:
        if self.refused:
            raise self.refused
        return ManagedDefinition("2026-08-01", {"location": "westeurope"}, list(self.pools))


def point(world: World, ordered: Ordered, number: int) -> Manifest:
    world.tick(hours=1)
    world.change(f"colour-{number}")
    context = replace(world.context(), definitions=ordered)
    made = backup(context, Run(f"run-{number}", "cli"), lambda _: None)
    assert made is not None
    return made


def definition(world: World, of: str) -> tuple[str, Definition]:
    found = noted(world.context().vault, INSTANCE, DEFINITION, of, Definition)
    assert found is not None
    return found


def notes(world: World) -> list[str]:
    prefix = layout.notes(INSTANCE, DEFINITION)
    return [layout.last_segment(stat.key) for stat in world.store.list(prefix)]


def test_a_definition_is_written_when_it_changed_and_holds_until_then() -> None:
    world, ordered = World(), Ordered()
    first, second = (point(world, ordered, number).point for number in (1, 2))
    ordered.pools.append({"name": "work"})
    third = point(world, ordered, 3).point
    assert notes(world) == [first, third]
    assert definition(world, second) == (first, definition(world, first)[1])
    assert [pool["name"] for pool in definition(world, third)[1].node_pools] == ["system", "work"]
    assert noted(world.context().vault, INSTANCE, DEFINITION, "2", Definition) is None


def test_what_cannot_be_asked_is_noted_as_that_and_the_point_stays() -> None:
    world = World()
    whole = point(world, Ordered(refused=Forbidden("no right managedClusters/read")), 1)
    assert whole.complete
    assert definition(world, whole.point)[1].unread == "no right managedClusters/read"


def test_a_vault_that_refuses_the_note_leaves_the_point_whole() -> None:
    world, ordered = World(), Ordered()
    first = point(world, ordered, 1)
    world.store.blobs[layout.note(INSTANCE, DEFINITION, first.point)] = b"damaged"
    assert point(world, ordered, 2).complete
    assert len(notes(world)) == 2


def test_a_note_goes_with_the_last_point_that_it_holds_for() -> None:
    world, ordered = World(), Ordered()
    made = [point(world, ordered, 1)]
    for number in (2, 3, 4):
        if number > 2:
            ordered.pools.append({"name": f"pool-{number}"})
        made.append(point(world, ordered, number))
    first, _, third, fourth = (manifest.point for manifest in made)
    context = world.context()
    execute_prune(context, plan_prune(context))  # the policy keeps the last two
    assert notes(world) == [third, fourth]
    assert unneeded_notes(context.vault, INSTANCE, [fourth]) == [
        layout.note(INSTANCE, DEFINITION, third)
    ]
    assert unneeded_notes(context.vault, INSTANCE, []) == [layout.note(INSTANCE, DEFINITION, third)]
    assert first not in notes(world)


def test_a_second_attempt_writes_nothing_new() -> None:
    world = World()
    vault = world.context().vault
    said = Definition("1", {"a": 1})
    assert note(vault, INSTANCE, DEFINITION, "20261122T000000Z-00000001", said)
    assert not note(vault, INSTANCE, DEFINITION, "20261122T000000Z-00000001", said)
    other = msgspec.structs.replace(said, unread="now refused")
    assert not note(vault, INSTANCE, DEFINITION, "20261122T000000Z-00000001", other)


def test_what_the_cluster_serves_is_noted_when_it_changes() -> None:
    world, told = World(), list[str]()
    points = []
    for number in range(4):
        points.append(point(world, Ordered(), number))
        if number == 2:
            world.cluster.kinds.append(replace(CONFIG_MAP, plural="gadgets", versions=("v2", "v1")))
        if number == 3:
            world.cluster.fail_next("discover", Forbidden("no"))
        note_served(world.context(), points[-1], told.append)
    vault = world.context().vault
    found = [noted(vault, INSTANCE, SERVED, one.point, Served) for one in points]
    since = [one[0] for one in found if one]
    assert since == [points[0].point, points[0].point, points[2].point, points[3].point]
    assert found[2] is not None
    assert found[2][1].kinds["gadgets"] == ("v2", "v1")
    assert found[2][1].kinds["configmaps"] == ("v1",)
    assert found[3] is not None
    assert found[3][1] == Served(unread="no")
    assert told == ["warning: what the cluster serves is not known: no"]
