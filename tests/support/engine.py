"""Runs pieces of code with the engine in a process of their own, to be killed or fenced in."""

from __future__ import annotations

import sys
from pathlib import Path

_ENGINE = Path(__file__).resolve().parents[2] / "include"


def engine_process(script: str, *arguments: str, wrap: tuple[str, ...] = ()) -> list[str]:
    """A command that runs Python code with the engine on its path."""
    code = f"import sys; sys.path.insert(0, {str(_ENGINE)!r})\n{script}"
    return [*wrap, sys.executable, "-c", code, *arguments]
