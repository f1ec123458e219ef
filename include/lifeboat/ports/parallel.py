"""Many requests at once, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
