"""Laws of the patches that a transform is made of."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonpatch import make_patch
from pydantic import TypeAdapter

from lifeboat.restore.transforms.merge import merge_patch
from lifeboat.restore.transforms.model import Operation
from lifeboat.restore.transforms.patch import equals, json_patch
from lifeboat.restore.transforms.pointers import expand, values
from lifeboat.restore.transforms.strategic import strategic_merge
from tests.property.test_diff import canonical

_names = st.sampled_from(["a", "b/c", "~", "", "0"])  # `*` has a meaning of its own
_scalars = st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "1"])
_json = st.recursive(
    _scalars | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_names, inner, max_size=3),
    max_leaves=12,
)
_objects = st.dictionaries(_names, _json, max_size=3)
_operations = TypeAdapter(tuple[Operation, ...])


@settings(max_examples=300, deadline=None)
@given(_objects, _objects)
def test_a_json_patch_from_one_object_to_another_leads_there(one: Any, other: Any) -> None:
    patch = _operations.validate_python(make_patch(one, other).patch, by_alias=True, by_name=False)
    assert canonical(json_patch(copy.deepcopy(one), patch)) == canonical(other)
    assert equals(one, "", other) == (canonical(one) == canonical(other))


@settings(max_examples=300, deadline=None)
@given(_objects, _objects)
def test_a_merge_patch_twice_is_as_once_and_leaves_its_values(one: Any, patch: Any) -> None:
    before = canonical(one)
    merged = merge_patch(one, patch)
    assert canonical(merge_patch(merged, patch)) == canonical(merged)
    assert canonical(one) == before
    for name, value in patch.items():
        if value is None:
            assert name not in merged
        elif not isinstance(value, dict):
            assert canonical(merged[name]) == canonical(value)
    for name in one.keys() - patch.keys():
        assert canonical(merged[name]) == canonical(one[name])


@settings(max_examples=300, deadline=None)
@given(_objects, _objects)
def test_a_strategic_patch_without_named_lists_is_a_merge_patch(one: Any, patch: Any) -> None:
    merged = strategic_merge({"spec": one}, {"spec": patch}, "ConfigMap")
    assert canonical(merged) == canonical({"spec": merge_patch(one, patch)})


_names_of_containers = st.lists(st.sampled_from("abcd"), unique=True, max_size=4)


@settings(max_examples=200, deadline=None)
@given(_names_of_containers, _names_of_containers, st.sets(st.sampled_from("abcd")))
def test_a_strategic_patch_merges_named_items(
    there: list[str], patched: list[str], gone: set[str]
) -> None:
    body = {"spec": {"containers": [{"name": name, "image": "old"} for name in there]}}
    items = [
        {"name": name, "$patch": "delete"} if name in gone else {"name": name, "image": "new"}
        for name in patched
    ]
    merged = strategic_merge(body, {"spec": {"containers": items}}, "Pod")
    expected = [
        {"name": name, "image": "new" if name in patched else "old"}
        for name in [*there, *(name for name in patched if name not in there)]
        if not (name in gone and name in patched)
    ]
    assert merged["spec"]["containers"] == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(st.dictionaries(_names, _json, max_size=2), max_size=4))
def test_a_star_stands_for_all_items_and_nothing_else(items: list[Any]) -> None:
    body = {"list": items, "*": 1}
    assert expand(body, "/list/*") == [f"/list/{n}" for n in range(len(items))]
    assert canonical(values(body, "/list/*")) == canonical(items)
    assert values(body, "/*") == [1]
