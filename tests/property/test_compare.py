"""What compare tells between two points, applied to the first, gives the second."""

from __future__ import annotations

from itertools import pairwise, product

from hypothesis import given, settings
from hypothesis import strategies as st

from lifeboat.point.compare import compare
from lifeboat.point.contents import Contents
from lifeboat.point.wanted import Wanted
from lifeboat.vault.records import Place
from lifeboat.vault.rows import Key
from tests.support.generations import Model, at, fresh_vault, key, step
from tests.support.memory_store import MemoryStore

_changes = st.lists(
    st.tuples(st.sets(st.integers(0, 200), max_size=40), st.sets(st.integers(0, 200), max_size=15)),
    min_size=1,
    max_size=8,
)


def ids(model: Model) -> dict[Key, str]:
    return {name: record for name, (record, _) in model.items()}


def applied(before: Contents, after: Contents, wanted: Wanted, start: Model) -> dict[Key, str]:
    """The ids of `start` after what compare tells; every difference must be one."""
    result = ids(start)
    found = list(compare(before, after, wanted))
    assert all(one.key < other.key for one, other in pairwise(found))
    for name, old, new in found:
        assert (old and old.record) != (new and new.record)
        assert result.get(name) == (old and old.record)
        if new is None:
            del result[name]
        else:
            result[name] = new.record
    return result


def moved(found: tuple[str, Place], offset: int) -> tuple[str, Place]:
    return found[0], found[1]._replace(offset=offset)


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 200), max_size=150), _changes)
def test_the_differences_of_two_points_lead_from_one_to_the_other(
    first: set[int], steps: list[tuple[set[int], set[int]]]
) -> None:
    vault = fresh_vault()
    models: list[Model] = [{key(n): at(0, n) for n in first}]
    trees = [step(vault, None, {}, models[0], ())]
    for generation, (touched, gone) in enumerate(steps, start=1):
        now = dict(models[-1])
        now.update({key(n): at(generation, n) for n in touched})
        for number in gone:
            now.pop(key(number), None)
        # Half of the steps go back to records of before: equal ids at other places.
        if generation % 2:
            now.update({key(n): moved(at(0, n), generation) for n in sorted(first)[:20]})
        trees.append(step(vault, Contents(vault, trees[-1]), models[-1], now, ()))
        models.append(now)
    points = [Contents(vault, tree) for tree in trees]
    for one, other in product(range(len(points)), repeat=2):
        before, after = points[one], Contents(vault, trees[other], beside=points[one])
        assert applied(before, after, Wanted(), models[one]) == ids(models[other])
    some = Wanted(("kinds.apps",), ("ns-2", "ns-5"))
    narrow = [{k: v for k, v in model.items() if k[3] in ("ns-2", "ns-5")} for model in models]
    assert applied(points[0], points[-1], some, narrow[0]) == ids(narrow[-1])


def test_points_that_share_a_base_read_nothing_but_what_differs() -> None:
    vault = fresh_vault()
    store = vault.store
    assert isinstance(store, MemoryStore)
    was: Model = {key(n): at(0, n) for n in range(400)}
    first = step(vault, None, {}, was, ())
    now = was | {key(n): at(1, n) for n in range(10)}
    second = step(vault, Contents(vault, first), was, now, ())
    assert first.base == second.base
    before = Contents(vault, first)
    calls = len(store.calls)
    after = Contents(vault, second, beside=before)
    assert len(list(compare(before, after))) == 10
    assert len(store.calls) == calls
    assert not list(compare(after, Contents(vault, second, beside=after)))
    assert len(store.calls) == calls


def test_a_change_of_what_a_layer_added_is_told() -> None:
    vault = fresh_vault()
    models: list[Model] = [{key(n): at(0, n) for n in range(100)}]
    models.append(models[0] | {key(n): at(1, n) for n in range(200, 240)})
    models.append(models[1] | {key(203): at(2, 203)})
    trees = [step(vault, None, {}, models[0], ())]
    for was, now in pairwise(models):
        trees.append(step(vault, Contents(vault, trees[-1]), was, now, ()))
    points = [Contents(vault, tree) for tree in trees]
    assert trees[1].layer is not None
    assert trees[0].base == trees[2].base
    for one, other in product(range(3), repeat=2):
        after = applied(points[one], points[other], Wanted(), models[one])
        assert after == ids(models[other])
