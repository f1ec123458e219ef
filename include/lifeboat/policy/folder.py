"""Where the include folder is. Apart from what reads it: a task asks before it imports anything."""

from __future__ import annotations

import os
from pathlib import Path

INCLUDE_VARIABLE = "LIFEBOAT_INCLUDE"


def include_folder() -> Path:
    """The folder of clusters.yaml and policies/: LIFEBOAT_INCLUDE, or where this package is."""
    named = os.environ.get(INCLUDE_VARIABLE)
    return Path(named) if named else Path(__file__).resolve().parents[2]
