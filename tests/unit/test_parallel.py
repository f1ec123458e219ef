"""Many at once: how many, in which order, and what an error stops."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from lifeboat.ports.parallel import drawn


def test_results_come_in_the_order_of_items() -> None:
    later = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert later.wait(30)
        if number == 7:
            later.set()
        return -number

    assert drawn(2, work, range(8)) == [-number for number in range(8)]
    assert drawn(3, work, []) == []


def test_no_more_are_drawn_than_are_under_way() -> None:
    lock = threading.Lock()
    held = most = 0

    def items() -> Iterator[int]:
        nonlocal held, most
        for number in range(200):
            with lock:
                held += 1
                most = max(most, held)
            yield number

    def work(number: int) -> int:
        nonlocal held
        with lock:
            held -= 1
        return number

    assert drawn(4, work, items()) == list(range(200))
    assert 1 <= most <= 4


def test_an_error_ends_the_drawing_and_waits_for_what_is_under_way() -> None:
    begun, through = threading.Event(), threading.Event()
    seen: list[int] = []

    def work(number: int) -> int:
        seen.append(number)
        if number == 0:
            begun.set()
            assert failed.wait(30)
            through.set()
        if number == 1:
            assert begun.wait(30)
            failed.set()
            raise KeyError(number)
        return number

    failed = threading.Event()
    with pytest.raises(KeyError):
        drawn(2, work, range(1000))
    assert through.is_set()
    assert len(seen) < 1000


def test_an_item_that_cannot_be_made_ends_the_drawing() -> None:
    def items() -> Iterator[int]:
        yield 0
        raise KeyError(1)

    with pytest.raises(KeyError):
        drawn(3, lambda number: number, items())
