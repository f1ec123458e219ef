"""Reads what people write about a restore, from a terminal or a form, into a RestoreRequest."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from lifeboat.clock import parse_rfc3339
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


def parse_moment(text: str) -> datetime | None:
    """A time with its zone (RFC 3339), None for an empty text. Raises UsageError."""
    if not text:
        return None
    try:
        return parse_rfc3339(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is no time with a time zone",
            hint="write it like 2026-11-22T23:00:00Z or 2026-11-23T01:00:00+02:00",
        ) from None
