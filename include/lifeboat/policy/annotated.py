"""Hooks that a pod asks for by Velero's annotations.

Keys, defaults and the reading of each value are Velero's ("Backup Hooks" and "Restore Hooks",
Specifying Hooks As Pod Annotations): a command that is no JSON list is one word; without
`container` it runs in the first; a pre hook may be written without `pre.`. What Velero logs and
passes over, a point and a restore's report tell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from lifeboat.ports.cluster import Json

SUFFIX = "hook.backup.velero.io/"
AFTER_RESTORE = "post.hook.restore.velero.io/"
INIT = "init.hook.restore.velero.io/"
DEFAULT_SECONDS = 30.0

_INIT_NAME = "lifeboat-restore-init"
_TRUE = ("1", "t", "T", "true", "TRUE", "True")  # strconv.ParseBool

_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class AnnotatedHook:
    """One phase. `container` is empty for the first; `notes` tell of values that are not valid.
    `wants_ready`: its pod has to be ready, not only running."""

    command: tuple[str, ...]
    container: str
    fails: bool
    seconds: float
    notes: tuple[str, ...] = ()
    wants_ready: bool = False


def annotated_hook(
    annotations: Mapping[str, str], phase: Literal["pre", "post"]
) -> AnnotatedHook | None:
    """What a pod's annotations ask for in this phase; None for nothing."""
    found = _read(annotations, f"{phase}.{SUFFIX}")
    if found is None and phase == "pre":
        return _read(annotations, SUFFIX)
    return found


def hook_after_restore(annotations: Mapping[str, str]) -> AnnotatedHook | None:
    """What a pod asks for once it is restored and runs; None for nothing. How long to wait for that
    is the policy's to say (`wait-timeout` is not read)."""
    found = _read(annotations, AFTER_RESTORE, "exec-timeout", otherwise="Continue")
    if found and annotations.get(f"{AFTER_RESTORE}wait-for-ready", "") in _TRUE:
        return replace(found, wants_ready=True)
    return found


def init_container(annotations: Mapping[str, str]) -> Json | None:
    """The container that a restored pod wants to begin with; None for none. Without a command, the
    image's own runs."""
    image = annotations.get(f"{INIT}container-image", "")
    if not image:
        return None
    container: Json = {
        "name": annotations.get(f"{INIT}container-name", "") or _INIT_NAME,
        "image": image,
    }
    command = annotations.get(f"{INIT}command", "")
    if command:
        container["command"] = list(_words(command))
    return container


def _read(
    annotations: Mapping[str, str],
    prefix: str,
    timeout_key: str = "timeout",
    otherwise: Literal["Fail", "Continue"] = "Fail",
) -> AnnotatedHook | None:
    command = annotations.get(f"{prefix}command", "")
    if not command:
        return None
    notes = []
    on_error = annotations.get(f"{prefix}on-error", "")
    if on_error not in ("", "Fail", "Continue"):
        notes.append(f"{prefix}on-error is neither Fail nor Continue: {otherwise} is taken")
    seconds, timeout = DEFAULT_SECONDS, annotations.get(f"{prefix}{timeout_key}", "")
    if timeout:
        parsed = _seconds(timeout)
        seconds = parsed or DEFAULT_SECONDS
        if parsed is None:
            wrong = f"{prefix}{timeout_key}"
            notes.append(f"{wrong} is no duration such as 90s or 1m30s: 30s is taken")
    return AnnotatedHook(
        command=_words(command),
        container=annotations.get(f"{prefix}container", ""),
        fails=(on_error if on_error in ("Fail", "Continue") else otherwise) == "Fail",
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
