"""How differences read."""

from __future__ import annotations

from typing import Any

import pytest

from lifeboat.report.changes import lines, looked_into
from lifeboat.report.diff import diff, spell


def told(before: Any, after: Any) -> list[str]:
    return [spell(field) for field in diff(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"spec": {"replicas": 2}}, {"spec": {"replicas": 3}}, ["spec.replicas: 2 → 3"]),
        (
            {"metadata": {}},
            {"metadata": {"labels": {"app.example.com/tier": "web", "a": "b"}}},
            [
                'metadata.labels.a: (none) → "b"',
                'metadata.labels["app.example.com/tier"]: (none) → "web"',
            ],
        ),
        (
            {"c": [{"name": "web", "image": "one"}, {"name": "log", "image": "log"}]},
            {"c": [{"name": "new"}, {"name": "web", "image": "two"}]},
            [
                'c[web].image: "one" → "two"',
                'c[log]: {"name":"log","image":"log"} → (none)',
                'c[new]: (none) → {"name":"new"}',
            ],
        ),
        (
            {"c": [{"name": "a"}, {"name": "b"}]},
            {"c": [{"name": "b"}, {"name": "a"}]},
            ['c[order]: "[a] [b]" → "[b] [a]"'],
        ),
        ({"args": ["a", "b"]}, {"args": ["a"]}, ['args: ["a","b"] → ["a"]']),
        ({"r": [{"x": 1}, {"x": 2}]}, {"r": [{"x": 1}, {"x": 3}]}, ["r[1].x: 2 → 3"]),
        ({"on": 1}, {"on": True}, ["on: 1 → true"]),
        ({"x": None}, {}, ["x: null → (none)"]),
    ],
)
def test_each_difference_is_one_line(before: Any, after: Any, expected: list[str]) -> None:
    assert told(before, after) == expected


def test_long_texts_are_cut_to_where_they_differ() -> None:
    before = {"text": "a" * 500 + "one" + "b" * 500}
    (line,) = told(before, {"text": "a" * 500 + "two" + "b" * 500})
    assert line == 'text: …"aaaaaaaaaaaaonebbbbbbbbbbbb"… → …"aaaaaaaaaaaatwobbbbbbbbbbbb"…'
    (line,) = told({"text": "x"}, {"text": "c" * 300 + "d" * 300})
    assert line.startswith('text: "x" → "ccc')
    assert line.endswith('ddd" (602 characters)')
    assert len(line) < 200


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("a\nb\nc\n", "a\nB\nc\n", 'text, from line 2: "b" → "B"'),
        ("a\nb\nb\n", "a\nb\n", 'text, from line 3: "b\\n" → ""'),
        ("a\nb", "a\nb\n", 'text, from line 2: "b" → "b\\n"'),
        ("a\nb\n", "a", 'text: "a\\nb\\n" → "a"'),
        ("x\na\n", "x\nb\nc\n", 'text, from line 2: "a" → "b\\nc"'),
    ],
)
def test_of_several_lines_only_those_that_differ_are_shown(
    before: str, after: str, expected: str
) -> None:
    assert told({"text": before}, {"text": after}) == [expected]


def test_what_the_server_sets_comes_last_and_can_be_left_out() -> None:
    before = b'{"kind":"Job","metadata":{"uid":"1","generation":1},"spec":{"a":1},"status":{"n":1}}'
    after = b'{"kind":"Job","metadata":{"uid":"2","generation":2},"spec":{"a":2},"status":{"n":2}}'
    change = looked_into(("batch", "v1", "Job", "shop", "import"), before, after)
    head = "changed  Job.batch shop/import  (deleted and made anew)"
    assert list(lines(change, everything=False)) == [head, "    spec.a: 1 → 2"]
    assert list(lines(change, everything=True)) == [
        head,
        "    spec.a: 1 → 2",
        "    set by the server and controllers:",
        "      metadata.generation: 1 → 2",
        '      metadata.uid: "1" → "2"',
        "      status.n: 1 → 2",
    ]
