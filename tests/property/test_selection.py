"""Random policies over a small cluster: what a point holds is what the stated precedence says, and
the same whether kinds are listed across the cluster or one namespace at a time.

The oracle below says the rules of docs/selection.md once more, plainly and without the engine.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifeboat.point.manifest import Manifest, Run, open_contents
from lifeboat.ports.cluster import Kind
from lifeboat.steps import claims, enumerate, hook_pods
from lifeboat.steps.backup import backup
from tests.support.kinds import CONFIG_MAP, DEPLOYMENT, NAMESPACE, SECRET
from tests.support.manifests import manifest
from tests.support.world import World

SPACES = ("a-1", "a-2", "b-1", "kube-system")
KINDS = {"configmaps": CONFIG_MAP, "secrets": SECRET, "deployments": DEPLOYMENT}
NAMES = ("x-1", "x-tmp", "y")
SELECTORS = {
    "app=web": lambda app: app == "web",
    "app!=web": lambda app: app != "web",
    "app in (web,db)": lambda app: app in ("web", "db"),
    "!app": lambda app: app is None,
}
GROUPS = {"configmaps": "", "secrets": "", "deployments": "apps"}


class Thing(NamedTuple):
    space: str
    kind: str
    name: str
    app: str | None
    out: bool


def things() -> Iterator[Thing]:
    """Every combination of namespace, kind and name, with labels and marks spread over them."""
    apps = itertools.cycle(["web", "db", None, "web", None])
    outs = itertools.cycle([False] * 6 + [True])
    for space, kind, name in itertools.product(SPACES, KINDS, NAMES):
        yield Thing(space, kind, name, next(apps), next(outs))


THINGS = tuple(things())


def fill(world: World) -> None:
    for space in SPACES:
        if space != "kube-system":
            world.cluster.create(NAMESPACE, None, manifest(NAMESPACE, space))
    for number, thing in enumerate_things():
        kind: Kind = KINDS[thing.kind]
        body = manifest(kind, thing.name)
        body["metadata"]["labels"] = {"app": thing.app} if thing.app else {}
        if thing.out:
            where = "labels" if number % 2 else "annotations"
            body["metadata"].setdefault(where, {})["velero.io/exclude-from-backup"] = "true"
        world.cluster.create(kind, thing.space, body)


def enumerate_things() -> list[tuple[int, Thing]]:
    return list(zip(itertools.count(), THINGS))


def glob(pattern: str, name: str) -> bool:
    return re.fullmatch(pattern.replace("*", ".*").replace("?", "."), name) is not None


def matches(entry: dict[str, Any], app: str | None) -> bool:
    texts = [entry["labels"]] if entry.get("labels") else entry.get("anyLabels", [])
    return not texts or any(SELECTORS[text](app) for text in texts)


def closeness(name: str, kind: str) -> int:
    """0: does not mean the kind; else the greater the closer."""
    if name == "*":
        return 1
    if name == f"*.{GROUPS[kind]}":
        return 2
    return 3 if name == kind else 0


def expected(select: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (thing.space, thing.kind, thing.name)
        for thing in THINGS
        if not thing.out and takes(select, thing)
    }


def takes(select: dict[str, Any], thing: Thing) -> bool:
    spaces, kinds = select["namespaces"], select["kinds"]
    if thing.space == "kube-system" and not select["systemNamespaces"]:
        return False
    if any(glob(one, thing.space) for one in spaces["exclude"]):
        return False
    if not any(glob(one, thing.space) for one in spaces["include"]):
        return False
    if any(closeness(one, thing.kind) for one in kinds["exclude"]):
        return False
    if not any(closeness(one, thing.kind) for one in kinds["include"]):
        return False
    filters = select["namespaceFilters"]
    exact = [one for one in filters if thing.space in one["namespaces"]]
    globbed = [one for one in filters if any(glob(p, thing.space) for p in one["namespaces"])]
    for found in (exact or globbed)[:1]:
        return takes_of(found["objects"], thing)
    return matches(select, thing.app)


def takes_of(entries: list[dict[str, Any]], thing: Thing) -> bool:
    best = max(closeness(name, thing.kind) for entry in entries for name in entry["kinds"])
    if not best:
        return False
    entry = next(
        entry
        for entry in entries
        if best in [closeness(name, thing.kind) for name in entry["kinds"]]
    )
    if any(glob(one, thing.name) for one in entry["excludedNames"]):
        return False
    if entry["names"] and not any(glob(one, thing.name) for one in entry["names"]):
        return False
    return matches(entry, thing.app)


def some(*choices: Any, most: int = 2) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(choices), max_size=most, unique=True)


LABELS = st.one_of(
    st.just({}),
    st.sampled_from(sorted(SELECTORS)).map(lambda text: {"labels": text}),
    some(*sorted(SELECTORS)).map(lambda texts: {"anyLabels": texts}),
)


@st.composite
def filters(draw: st.DrawFn) -> list[dict[str, Any]]:
    patterns = draw(some("a-1", "a-*", "*-1", "b-1", "*", most=4))
    made = []
    for pattern in patterns:
        names = draw(some("configmaps", "secrets", "deployments", "*.apps", "*", most=3))
        objects = [
            {
                "kinds": [name],
                "names": draw(some("x-*", "y", "x-1")),
                "excludedNames": draw(some("*-tmp", "y")),
                **draw(LABELS),
            }
            for name in names
        ]
        if objects:
            made.append({"namespaces": [pattern], "objects": objects})
    return made


SELECTS = st.fixed_dictionaries(
    {
        "namespaces": st.fixed_dictionaries(
            {
                "include": st.sampled_from([["*"], ["a-*"], ["a-1", "b-?"], ["*-1"]]),
                "exclude": some("a-2", "b-*", most=1),
            }
        ),
        "systemNamespaces": st.booleans(),
        "kinds": st.fixed_dictionaries(
            {
                "include": st.sampled_from([["*"], ["configmaps", "*.apps"], ["secrets"]]),
                "exclude": some("deployments", "configmaps", most=1),
            }
        ),
        "namespaceFilters": filters(),
    }
)


def point_of(select: dict[str, Any], few: int) -> tuple[World, Manifest, set[tuple[str, str, str]]]:
    text = json.dumps(
        {
            "clusters": ["local"],
            "objectives": {"rpo": "1h"},
            "retention": {"keep": {"last": 2}},
            "select": select,
        }
    )
    world = World(policy=text)
    fill(world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(enumerate, "FEW_NAMESPACES", few)
        patch.setattr(claims, "FEW_NAMESPACES", few)
        patch.setattr(hook_pods, "FEW_NAMESPACES", few)
        context = world.context()
        made = backup(context, Run("run", "manual"), lambda _: None)
    assert made is not None
    plurals = {kind.kind: plural for plural, kind in KINDS.items()}
    held = {
        (entry.namespace, plurals[entry.kind], entry.name)
        for entry in open_contents(context.vault, made)
        if entry.kind in plurals and entry.namespace in SPACES
    }
    return world, made, held


@settings(max_examples=40, deadline=None)
@given(SELECTS, LABELS)
def test_a_point_holds_what_the_precedence_says(
    select: dict[str, Any], labels: dict[str, Any]
) -> None:
    select = {**select, **labels}
    assert point_of(select, 8)[2] == expected(select)


@settings(max_examples=25, deadline=None)
@given(SELECTS, LABELS)
def test_listing_across_the_cluster_or_by_namespace_is_the_same(
    select: dict[str, Any], labels: dict[str, Any]
) -> None:
    select = {**select, **labels}
    (first, one, by_space), (second, two, across) = point_of(select, 99), point_of(select, 0)
    assert by_space == across
    assert sorted(one.left_out, key=str) == sorted(two.left_out, key=str)
    assert [v.volume.title for v in one.volumes] == [v.volume.title for v in two.volumes]
    assert (one.warnings, one.objects) == (two.warnings, two.objects)
    asked = [
        {(c.namespace, c.resource) for c in world.cluster.calls if c.method == "list_pages"}
        for world in (first, second)
    ]
    assert {space for space, _ in asked[1]} == {""}
    assert {(space, KINDS[kind].resource) for space, kind, _ in by_space} <= asked[0]
