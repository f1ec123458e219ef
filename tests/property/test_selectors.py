"""Label selectors, globs and durations: written out and read back, they mean the same."""

from __future__ import annotations

import re
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from lifeboat.policy.fields import format_duration, parse_duration
from lifeboat.policy.globs import any_matches, check_glob
from lifeboat.policy.selectors import LabelSelector, Requirement, parse

name = st.from_regex(r"[a-z]([a-z0-9._-]{0,5}[a-z0-9])?", fullmatch=True).filter(
    lambda text: text not in {"in", "notin"}
)
key = st.one_of(name, st.builds("{}/{}".format, st.just("example.com"), name))
value = st.one_of(st.just(""), name)
values = st.sets(value, min_size=1, max_size=3).map(lambda some: tuple(sorted(some)))
requirement = st.one_of(
    st.builds(Requirement, key, st.sampled_from(["in", "notin"]), values),
    st.builds(Requirement, key, st.sampled_from(["exists", "absent"])),
)
selector = st.lists(requirement, max_size=4).map(lambda some: LabelSelector(tuple(some)))
labels = st.dictionaries(key, value, max_size=5)


@given(selector)
def test_a_selector_survives_its_own_query(some: LabelSelector) -> None:
    assert parse(some.to_query()) == some


@given(selector, labels)
def test_query_and_selector_match_the_same(some: LabelSelector, have: dict[str, str]) -> None:
    assert parse(some.to_query()).matches(have) is some.matches(have)


@given(st.text("ab=!,() in\tnot<>/", max_size=20))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        found = parse(text)
    except ValueError:
        return
    assert parse(found.to_query()) == found


@given(key, values, labels)
def test_notin_is_the_opposite_of_in(one: str, some: tuple[str, ...], have: dict[str, str]) -> None:
    inside = Requirement(one, "in", some).matches(have)
    assert Requirement(one, "notin", some).matches(have) is not inside


@given(st.text("abz019-*?[]!,.", max_size=8), st.text("abz019-", max_size=8))
def test_a_glob_matches_as_its_meaning_says(pattern: str, text: str) -> None:
    try:
        check_glob(pattern)
    except ValueError:
        return
    parts = re.split(r"(\[[^\]]*\]|[*?])", pattern)
    meaning = {"*": ".*", "?": "."}
    regex = "".join(
        meaning.get(part) or (part if part.startswith("[") else re.escape(part)) for part in parts
    )
    assert any_matches([pattern], text) is (re.fullmatch(regex, text) is not None)


@given(st.integers(1, 3660 * 86400))
def test_durations_survive_being_written(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration
