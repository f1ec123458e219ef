"""The diff of two JSON objects: empty exactly when they are equal, and silent about Secrets."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from lifeboat.report.changes import as_document, lines, looked_into
from lifeboat.report.diff import diff, spell

_scalars = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "b", "1"])
_names = st.sampled_from(["name", "type", "a", "b", "[x"])
_json = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(_names, inner, max_size=3)
        | st.lists(
            st.builds(lambda n, v: {"name": n, "v": v}, st.sampled_from("abc"), inner), max_size=3
        )
    ),
    max_leaves=12,
)
_objects = st.dictionaries(_names, _json, max_size=3)


def canonical(what: Any) -> bytes:
    return msgspec.json.encode(what, order="sorted")


@settings(max_examples=400, deadline=None)
@given(_objects, _objects)
def test_it_is_empty_exactly_when_the_objects_are_equal(one: Any, other: Any) -> None:
    assert diff(one, one) == []
    found = diff(one, other)
    assert bool(found) == (canonical(one) != canonical(other))
    for field in found:
        assert "\n" not in spell(field)


_texts = st.text(st.sampled_from("0123456789"), min_size=12, max_size=40)
_data = st.dictionaries(st.sampled_from(["user", "password", "token"]), _texts, max_size=3)


@settings(max_examples=300, deadline=None)
@given(_data, _data, st.booleans())
def test_no_value_of_a_secret_is_ever_shown(one: Any, other: Any, bare: bool) -> None:
    def secret(data: dict[str, str]) -> bytes:
        note = {"applied": msgspec.json.encode(data, order="sorted").decode()}
        metadata: dict[str, Any] = {"name": "login"} | ({} if bare else {"annotations": note})
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
        return msgspec.json.encode(body | ({"data": data} if data else {}))

    key = ("", "v1", "Secret", "shop", "login")
    change = looked_into(key, secret(one), secret(other))
    assert bool(change.fields) == (one != other)
    shown = "\n".join(lines(change, everything=True)) + str(change)
    shown += msgspec.json.encode(as_document(change, everything=True)).decode()
    for value in (*one.values(), *other.values()):
        assert value not in shown
    for name in one.keys() & other.keys():
        assert (f"data.{name}: changed" in shown) == (one[name] != other[name])
