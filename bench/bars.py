"""A bar: a figure, its limit, and one line that says whether it is met."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """A figure and the limit it must not exceed, in `unit` (s, %, x, MiB, …)."""

    name: str
    figure: float
    limit: float
    unit: str = "s"
    digits: int = 1

    @property
    def ok(self) -> bool:
        return self.figure <= self.limit

    def __str__(self) -> str:
        verdict = "ok" if self.ok else "short"
        figure = f"{self.figure:.{self.digits}f}{self.unit}"
        return f"{self.name} {figure} {self.limit:g}{self.unit} {verdict}"


def told(bar: Bar) -> Bar:
    """Print it at once: some bars take minutes."""
    print(bar, flush=True)
    return bar
