"""One object of a point: found by the names people use, with a few requests."""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise

import msgspec
import pytest

from lifeboat.errors import UsageError
from lifeboat.point import catalog
from lifeboat.point.contents import Contents, TreeRef, make_layer
from lifeboat.point.manifest import Run, open_contents
from lifeboat.point.single import find_one
from lifeboat.point.wanted import Wanted
from lifeboat.steps.backup import backup
from lifeboat.vault.records import Place
from lifeboat.vault.rows import Entry
from lifeboat.vault.vault import open_vault
from tests.support.kinds import CONFIG_MAP
from tests.support.world import World


def at(*what: object) -> tuple[str, Place]:
    """A record that only this object has, in a frame of its own."""
    digits = sha256(repr(what).encode()).hexdigest()
    return digits[:16], Place(digits[16:32], int(digits[32:37], 16), int(digits[37:41], 16), 1, 0)


def capture(world: World, number: int) -> str:
    made = backup(world.context(), Run(f"run-{number}", "cli"), lambda _: None)
    assert made is not None
    return made.point


def aged_world() -> tuple[World, list[str]]:
    """Forty points; one object among many changes with every point, the others never again."""
    world = World()
    for number in range(60):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"old-{number}"}}
        world.cluster.create(CONFIG_MAP, "shop", {**body, "data": {"n": str(number)}})
    points = []
    for number in range(40):
        world.tick(hours=1)
        world.change(f"colour {number}")
        world.cluster.patch(CONFIG_MAP, "shop", f"old-{number}", {"data": {"n": "changed"}})
        points.append(capture(world, number))
    return world, points


def test_an_object_that_last_changed_long_ago_costs_four_requests() -> None:
    world, points = aged_world()
    assert (
        len({catalog.find(world.context().vault, "shop.local", p).tree.names for p in points}) > 1
    )
    for point, name, value in ((points[-1], "old-50", "50"), (points[3], "old-2", "changed")):
        vault = open_vault(world.store, world.key)
        before = len(world.store.calls)
        contents = open_contents(vault, catalog.find(vault, "shop.local", point))
        entry = find_one(contents, Wanted(("configmap",), ("shop",), name), name)
        record = contents.reader().read(entry.record, entry.place)
        assert msgspec.json.decode(record)["data"] == {"n": value}
        calls = world.store.calls[before:]
        assert len(calls) <= 4, calls
        assert {call.method for call in calls} <= {"get", "get_range"}


KINDS = (
    ("", "v1", "ConfigMap"), ("", "v1", "Secret"), ("apps", "v1", "Deployment"),
    ("events.k8s.io", "v1", "Event"), ("networking.k8s.io", "v1", "Ingress"),
    ("networking.k8s.io", "v1", "NetworkPolicy"), ("serving.example.com", "v1", "Deployment"),
)  # fmt: skip


def entries(namespaces: int, names: int) -> list[Entry]:
    return [
        Entry(*kind, f"ns-{space:03d}", f"name-{number:04d}", *at(kind, space, number))
        for kind in KINDS
        for space in range(namespaces)
        for number in range(names)
    ]


def tree_of(world: World, rows: list[Entry]) -> Contents:
    vault = world.context().vault
    changes = msgspec.msgpack.encode(make_layer({}, set(), []))
    return Contents(vault, TreeRef(vault.trees.write_base(rows, ()), changes))


@pytest.mark.parametrize(
    ("named", "kinds"),
    [
        ("deployment.apps", {"Deployment.apps"}),
        ("Deployments", {"Deployment.apps", "Deployment.serving.example.com"}),
        ("ingresses", {"Ingress.networking.k8s.io"}),
        ("networkpolicies.networking.k8s.io", {"NetworkPolicy.networking.k8s.io"}),
        ("configmap.apps", set()),
        ("*", {f"{kind}.{group}" if group else kind for group, _, kind in KINDS}),
    ],
)
def test_kinds_are_found_by_the_names_people_use(named: str, kinds: set[str]) -> None:
    contents = tree_of(World(), entries(2, 2))
    found = contents.select(Wanted((named,), ("ns-001",), "name-0001"))
    assert {entry.group_kind for entry in found} == kinds


def test_a_large_tree_is_not_read_whole() -> None:
    """Leaves of one kind are told apart by namespace and name, leaves of several by group."""
    world = World()
    rows = entries(80, 60)
    contents = tree_of(world, rows)
    assert contents.ref.base.size > 512 * 1024
    for wanted, leaves in (
        (Wanted(("deployment.apps",), ("ns-040",), "name-0040"), 3),
        (Wanted(("event.events.k8s.io",), ("ns-079",), "name-0059"), 2),
        (Wanted(("ingress.networking.k8s.io",), ("ns-040",), "name-0000"), 4),
    ):
        fresh = Contents(world.context().vault, contents.ref)
        before = len(world.store.calls)
        assert [e.key for e in fresh.select(wanted)] == [
            e.key for e in rows if wanted.matches(e.key)
        ]
        assert len(world.store.calls) - before == leaves


def test_narrowing_never_hides_an_object() -> None:
    contents = tree_of(World(), rows := entries(20, 50))
    for wanted in (
        Wanted((), ("ns-007",)),
        Wanted(("event", "secret")),
        Wanted((), (), "name-0013"),
        Wanted(("*.apps",), ("ns-001", "ns-019")),
        Wanted(),
    ):
        found = list(contents.select(wanted))
        assert found == [e for e in rows if wanted.matches(e.key)]
        assert found
        assert all(one.key < other.key for one, other in pairwise(found))


@pytest.mark.parametrize(("namespaces", "names"), [(60, 50), (1, 5000)])
def test_the_ends_of_leaves_are_found(namespaces: int, names: int) -> None:
    rows = entries(namespaces, names)
    contents = tree_of(World(), rows)
    for ordinal, entry in enumerate(rows):
        if ordinal % 2048 in (0, 1, 2047):
            kind = entry.group_kind
            assert list(contents.select(Wanted((kind,), (entry.namespace,), entry.name))) == [entry]
            assert entry in contents.select(Wanted((kind,), (entry.namespace,)))


def test_none_and_several_are_told_apart() -> None:
    contents = tree_of(World(), entries(2, 2))
    with pytest.raises(UsageError, match="holds no secret other"):
        find_one(contents, Wanted(("secret",), (), "other"), "secret other")
    with pytest.raises(UsageError) as several:
        find_one(contents, Wanted(("secret",), (), "name-0001"), "secret name-0001")
    assert "Secret name-0001 -n ns-000; Secret name-0001 -n ns-001" in several.value.hint
