"""Adds up what became of a plan's parts, without holding a line for each of a hundred thousand
objects: of many that say the same of a kind, some are named and the others counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from lifeboat.restore.model import PartResult, Result

_NAMED = 20
_DONE: tuple[Result, ...] = ("created", "merged", "replaced")


class Told:
    """Lines of the form `Kind.group namespace/name: sentence`, grouped by kind and sentence."""

    def __init__(self) -> None:
        self._named: dict[tuple[str, str], list[str]] = {}
        self._more: Counter[tuple[str, str]] = Counter()

    def add(self, title: str, sentence: str) -> None:
        """One object and what is said of it."""
        group = title.partition(" ")[0], sentence
        named = self._named.setdefault(group, [])
        if len(named) < _NAMED:
            named.append(f"{title}: {sentence}")
        else:
            self._more[group] += 1

    def lines(self) -> tuple[str, ...]:
        """All lines, the counted ones after those of their group."""
        return tuple(self._lines())

    def _lines(self) -> Iterator[str]:
        for group, named in self._named.items():
            yield from named
            if self._more[group]:
                kind, sentence = group
                yield f"{self._more[group]} more {kind}: {sentence}"


class Account:
    """What all parts together did."""

    def __init__(self) -> None:
        self.counts: Counter[Result] = Counter()
        self.skipped = Told()
        self.changes = Told()
        self.failed: list[str] = []
        self.seconds = 0.0

    def add(self, result: PartResult) -> None:
        """Account for one part."""
        self.counts.update(result.counts)
        self.seconds += result.seconds
        for outcome in result.outcomes:
            if outcome.result == "skipped":
                self.skipped.add(outcome.title, outcome.detail)
            elif outcome.result == "failed":
                self.fail(f"{outcome.title}: {outcome.detail}")
            elif outcome.detail and outcome.result in _DONE:
                self.changes.add(outcome.title, outcome.detail)
        self.change(result.changes)

    def change(self, lines: Iterable[str]) -> None:
        """What was changed on the way, each with its object."""
        for line in lines:
            title, _, sentence = line.partition(": ")
            self.changes.add(title, sentence)

    def fail(self, line: str) -> None:
        """One failure; every one is named."""
        self.failed.append(line)
