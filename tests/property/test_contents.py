"""Contents of points, generation after generation, against a plain dictionary."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from lifeboat.point.contents import Contents, TreeRef
from lifeboat.point.liveness import mentioned_by, needed_by
from lifeboat.point.manifest import Manifest, Run
from lifeboat.point.successor import most_changes, most_in_layer
from lifeboat.vault.vault import Vault
from tests.support.generations import Model, at, fresh_vault, grow, key, step


def manifest_of(tree: TreeRef, number: int) -> Manifest:
    return Manifest(
        point=str(number), instance="i", policy="p", cluster="c", captured_from="",
        captured_to="", committed="", complete=True, server_version="", run=Run("", "cli"),
        tree=tree, volumes=(), left_out=(), warnings=(), objects=0, object_bytes=0,
        new_objects=0, new_bytes=0, policy_digest="",
    )  # fmt: skip


_changes = st.lists(
    st.tuples(st.sets(st.integers(0, 400), max_size=60), st.sets(st.integers(0, 400), max_size=25)),
    min_size=1,
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 400), max_size=300), _changes)
def test_every_generation_holds_what_was_seen(
    first: set[int], steps: list[tuple[set[int], set[int]]]
) -> None:
    vault = fresh_vault()
    models, trees = grow(vault, first, steps)
    for model, tree in zip(models, trees, strict=True):
        contents = Contents(vault, tree)
        assert [(e.key, (e.record, e.place)) for e in contents] == sorted(model.items())
        for number in range(0, 401, 13):
            found = contents.find(key(number))
            assert (found and (found[1].record, found[1].place)) == model.get(key(number))
        ordinals = dict(contents.rows())
        assert len(ordinals) == len(model)
    _assert_liveness(vault, models, trees)


def _assert_liveness(vault: Vault, models: list[Model], trees: list[TreeRef]) -> None:
    manifests = [manifest_of(tree, n) for n, tree in enumerate(trees)]
    for chosen in (slice(None), slice(0, 1), slice(-1, None), slice(None, None, 3)):
        exact = {place.pack for model in models[chosen] for _, place in model.values()}
        needed = needed_by(vault, manifests[chosen])
        assert needed.packs == exact
        assert needed.trees == {name for tree in trees[chosen] for name in tree.names}
        assert exact <= mentioned_by(vault, manifests[chosen]).packs


def test_changes_become_a_layer_and_a_layer_becomes_a_base() -> None:
    """And an unchanged point costs nothing at all."""
    vault = fresh_vault()
    was = {key(n): at(0, n) for n in range(400)}
    trees = [step(vault, None, {}, was, (b"",))]
    for generation in range(1, 60):
        now = was | {key(n): at(generation, n) for n in range(generation * 5, generation * 5 + 10)}
        trees.append(step(vault, Contents(vault, trees[-1]), was, now, (b"",)))
        was = now
    bases = [tree.base.name for tree in trees]
    layers = [tree.layer.name if tree.layer else "" for tree in trees]
    assert 1 < len(set(bases)) < 10
    assert len(set(bases)) < len(set(layers)) < 40
    for before, after in pairwise(trees):
        if before.names == after.names:
            assert before.changes != after.changes
    unchanged = step(vault, Contents(vault, trees[-1]), was, was, (b"",))
    assert unchanged == trees[-1]


def test_a_new_dictionary_asks_for_a_new_base() -> None:
    vault = fresh_vault()
    was = {key(n): at(0, n) for n in range(50)}
    first = step(vault, None, {}, was, ())
    dictionary = b"some words that are no dictionary of zstd but serve as one" * 4
    second = step(vault, Contents(vault, first), was, was, (dictionary,))
    assert second.base != first.base
    assert Contents(vault, second).dictionaries.stored == (dictionary,)


def test_the_bounds_grow_slower_than_the_tree() -> None:
    for rows in (0, 10, 2_000, 20_000, 200_000):
        assert most_changes(rows) <= max(32, rows // 10)
        assert most_changes(rows) <= most_in_layer(rows)
