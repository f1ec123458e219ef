"""Hooks that a pod asks for by Velero's annotations.

Keys, defaults and the reading of each value are Velero's ("Backup Hooks", Specifying Hooks As Pod
Annotations): a command that is no JSON list is one word; without `container` it runs in the first;
a pre hook may be written without `pre.`. What Velero logs and passes over, a point tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

SUFFIX = "hook.backup.velero.io/"
DEFAULT_SECONDS = 30.0

_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class AnnotatedHook:
    """One phase. `container` is empty for the first; `notes` tell of values that are not valid."""

    command: tuple[str, ...]
    container: str
    fails: bool
    seconds: float
    notes: tuple[str, ...] = ()


def annotated_hook(
    annotations: Mapping[str, str], phase: Literal["pre", "post"]
) -> AnnotatedHook | None:
    """What a pod's annotations ask for in this phase; None for nothing."""
    found = _read(annotations, f"{phase}.{SUFFIX}")
    if found is None and phase == "pre":
        return _read(annotations, SUFFIX)
    return found


def _read(annotations: Mapping[str, str], prefix: str) -> AnnotatedHook | None:
    command = annotations.get(f"{prefix}command", "")
    if not command:
        return None
    notes = []
    on_error = annotations.get(f"{prefix}on-error", "")
    if on_error not in ("", "Fail", "Continue"):
        notes.append(f"{prefix}on-error is neither Fail nor Continue: Fail is taken")
    seconds, timeout = DEFAULT_SECONDS, annotations.get(f"{prefix}timeout", "")
    if timeout:
        parsed = _seconds(timeout)
        seconds = parsed or DEFAULT_SECONDS
        if parsed is None:
            notes.append(f"{prefix}timeout is no duration such as 90s or 1m30s: 30s is taken")
    return AnnotatedHook(
        command=_words(command),
        container=annotations.get(f"{prefix}container", ""),
        fails=on_error != "Continue",
        seconds=seconds,
        notes=tuple(notes),
    )


def _words(command: str) -> tuple[str, ...]:
    if command.startswith("["):
        try:
            words = msgspec.json.decode(command, type=tuple[str, ...])
        except msgspec.DecodeError:
            return (command,)
        if words:
            return words
    return (command,)


def _seconds(text: str) -> float | None:
    """A Go duration (time.ParseDuration); None for anything else, and for less than nothing."""
    text = text.removeprefix("+")
    if text == "0":
        return 0.0
    if not text or _PART.sub("", text):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
