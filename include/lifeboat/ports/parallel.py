"""Many requests at once, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def each(most: int, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """`work` of every item, in their order, with at most so many under way.

    What `work` raises is raised where its item is due; nothing new is begun after that.
    """
    if most == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(most) as pool:
        yield from pool.map(work, items)


def drawn(most: int, work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """`work` of every item, in their order, for items that are many, or made as they are drawn:
    whoever is free draws the next one, so that no more are held than are under way, and an item
    costs a third of what a future costs.

    What drawing or working raises ends the drawing, and is raised once what was under way is
    through.
    """
    numbered, done = enumerate(items), dict[int, R]()
    turn, stopped = Lock(), Event()

    def run() -> None:
        try:
            while True:
                with turn:
                    one = None if stopped.is_set() else next(numbered, None)
                if one is None:
                    return
                done[one[0]] = work(one[1])
        finally:
            stopped.set()

    with ThreadPoolExecutor(most) as pool:
        try:
            for running in [pool.submit(run) for _ in range(most)]:
                running.result()
        finally:
            stopped.set()
    return [done[number] for number in sorted(done)]
