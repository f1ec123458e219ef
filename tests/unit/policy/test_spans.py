"""How long a point stays: spellings, calendar months, short months."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifeboat.policy.spans import Span, parse_span


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("72h", Span(rest=timedelta(hours=72))),
        ("30d", Span(rest=timedelta(days=30))),
        ("12w", Span(rest=timedelta(weeks=12))),
        ("12mo", Span(months=12)),
        ("1y6mo", Span(months=18)),
        ("30m", Span(rest=timedelta(minutes=30))),
        ("P7D", Span(rest=timedelta(days=7))),
        ("P12W", Span(rest=timedelta(weeks=12))),
        ("P12M", Span(months=12)),
        ("P3Y", Span(months=36)),
        ("PT4H", Span(rest=timedelta(hours=4))),
        ("PT30M", Span(rest=timedelta(minutes=30))),
        ("P1Y2M3DT4H", Span(14, timedelta(days=3, hours=4))),
    ],
)
def test_spellings(text: str, span: Span) -> None:
    assert parse_span(text) == span
    assert parse_span(str(span)) == span


@pytest.mark.parametrize(
    "text",
    ["", "P", "PT", "P1DT", "30", "d", "1d1w", "-1d", "1.5d", "p1d", "1 d", "9" * 39],
)
def test_not_a_span(text: str) -> None:
    with pytest.raises(ValueError, match="P12M"):
        parse_span(text)


@pytest.mark.parametrize("text", ["101y", "1201mo", "36600d", f"{'9' * 30}s"])
def test_too_long(text: str) -> None:
    with pytest.raises(ValueError, match="hundred years"):
        parse_span(text)


def test_a_day_that_a_month_lacks_becomes_the_first_of_the_next() -> None:
    month = Span(months=1)
    assert month.after(datetime(2026, 1, 28, 5, tzinfo=UTC)) == datetime(2026, 2, 28, 5, tzinfo=UTC)
    for day in (29, 30, 31):
        there = datetime(2026, 1, day, 5, tzinfo=UTC)
        assert month.after(there) == datetime(2026, 3, 1, tzinfo=UTC)
    december = datetime(2026, 12, 31, tzinfo=UTC)
    assert month.after(december) == datetime(2027, 1, 31, tzinfo=UTC)


moments = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(tzinfo=UTC)
)
lengths = st.builds(Span, st.integers(0, 40), st.integers(0, 900).map(lambda h: timedelta(hours=h)))


@given(moments, moments, lengths)
def test_the_older_of_two_points_never_outlives_the_newer(
    one: datetime, other: datetime, span: Span
) -> None:
    older, newer = sorted((one, other))
    assert span.after(older) <= span.after(newer)
    assert span.after(older) >= older
