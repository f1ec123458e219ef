"""Reads what people write about a restore, from a terminal or a form, into a RestoreRequest."""

from __future__ import annotations

from collections.abc import Iterable

from lifeboat.errors import UsageError
from lifeboat.restore.model import Mode

MODES: tuple[Mode, ...] = ("skip", "merge")


def parse_mapping(pairs: Iterable[str]) -> dict[str, str]:
    """`["shop=shop-copy"]` -> {"shop": "shop-copy"}. Raises UsageError naming the wrong one."""
    mapping: dict[str, str] = {}
    for pair in pairs:
        source, equals, target = (part.strip() for part in pair.partition("="))
        if not (source and equals and target):
            raise UsageError(
                f"{pair!r} is no mapping of a namespace", hint="write FROM=TO, as shop=shop-copy"
            )
        if source in mapping:
            raise UsageError(f"namespace {source} is mapped twice")
        mapping[source] = target
    return mapping


def parse_mode(text: str) -> Mode:
    """Raises UsageError naming the known modes."""
    for mode in MODES:
        if text == mode:
            return mode
    raise UsageError(f"unknown mode {text!r}", hint=f"known are {', '.join(MODES)}")
