"""Names of recovery points.

`20261122T233153Z-1a2b3c4d`: when the run that made it began, so that names sort by time, and eight
hex digits that keep two runs of one second apart: five are its microseconds, three are random.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime

from lifeboat.errors import UsageError

_FORM = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
_STAMP = "%Y%m%dT%H%M%SZ"


def new_point_id(moment: datetime) -> str:
    """A fresh id for a point whose run begins at `moment`."""
    return f"{stamp(moment)}-{moment.microsecond:05x}{secrets.token_hex(2)[:3]}"


def moment_of(point: str) -> datetime:
    """When the run that made a point began, to the second."""
    return datetime.strptime(point.partition("-")[0], _STAMP).replace(tzinfo=UTC)


def check_point_id(text: str) -> str:
    """Returns `text`; raises UsageError when it is not a point's id (it becomes part of a key)."""
    if not _FORM.fullmatch(text):
        raise UsageError(
            f"{text[:60]!r} is not a recovery point's id",
            hint="ids look like 20261122T233153Z-1a2b3c4d; `lifeboat points` lists them",
        )
    return text


def stamp(moment: datetime) -> str:
    """A moment as keys spell it; sorts as text."""
    return moment.astimezone(UTC).strftime(_STAMP)
