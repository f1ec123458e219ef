"""How the CLI speaks: progress on stderr, results on stdout, as text for people or as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import msgspec
import yaml
from rich.console import Console
from rich.table import Table

from lifeboat.errors import LifeboatError, PolicyError

_errors = Console(stderr=True, highlight=False, soft_wrap=True)
_results = Console(highlight=False, soft_wrap=True)


def say(line: str) -> None:
    """One line of progress."""
    _errors.print(line, markup=False, style="dim")


def show_json(document: object) -> None:
    """The document as indented JSON, alone on stdout."""
    text = msgspec.json.format(msgspec.json.encode(document), indent=2)
    sys.stdout.write(text.decode() + "\n")


def stream_json(documents: Iterable[object]) -> None:
    """A JSON list, a document a line, printed as the documents come."""
    separator = "[\n"
    for document in documents:
        sys.stdout.write(separator + msgspec.json.encode(document).decode())
        separator = ",\n"
    sys.stdout.write("[]\n" if separator == "[\n" else "\n]\n")


class _Yaml(yaml.SafeDumper):
    """Texts of several lines as blocks, as people write them in manifests."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = "|" if "\n" in data else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Yaml.add_representer(str, _Yaml.represent_str)


def show_yaml(document: object) -> None:
    """The document as YAML, its fields in the order they have."""
    yaml.dump(document, sys.stdout, _Yaml, sort_keys=False, allow_unicode=True)


def show_lines(lines: Iterable[str]) -> None:
    for line in lines:
        _results.print(line, markup=False)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A plain table; whole values, never cut, so that they can be copied."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, width=None if sys.stdout.isatty() else 400).print(table, markup=False)


def show_error(error: LifeboatError, *, as_json: bool) -> None:
    """The message and its next step on stderr; with --json the same as a document on stdout."""
    if as_json:
        problems = error.problems if isinstance(error, PolicyError) else []
        show_json(
            {
                "error": type(error).__name__,
                "message": error.message,
                "hint": error.hint,
                "retryable": error.retryable,
                "problems": [msgspec.to_builtins(problem) for problem in problems],
            }
        )
        return
    _errors.print(f"error: {error.message}", markup=False, style="bold red")
    if error.hint:
        _errors.print(f"  {error.hint}", markup=False)


def size(number: int) -> str:
    """Bytes for people: `3.4 MiB`."""
    value = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
