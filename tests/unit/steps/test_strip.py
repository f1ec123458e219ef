"""Records: one line each, whatever the server sends."""

from __future__ import annotations

from lifeboat.ports.cluster import Kind
from lifeboat.steps.strip import strip
from tests.support.listed_fields import fields_of

THING = Kind("example.com", "v1", "things", "Thing", True)


def test_an_indented_object_becomes_one_line() -> None:
    raw = b'{"metadata": {\n  "name": "a", "resourceVersion": "7"\n}, "spec": {\n "x": "a\\nb" }}'
    item = strip(THING, fields_of(raw))
    assert item.content == (
        b'{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"a"},"spec":{"x":"a\\nb"}}'
    )
