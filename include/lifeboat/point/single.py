"""One object of a point, by the names people use, with a few range requests."""

from __future__ import annotations

from lifeboat.errors import UsageError
from lifeboat.point.contents import Contents
from lifeboat.point.wanted import Wanted
from lifeboat.vault.rows import Entry

_FEW = 10


def find_one(contents: Contents, wanted: Wanted, title: str) -> Entry:
    """The only wanted object. Raises UsageError when there is none, or several, which it names;
    `title` says what was asked for."""
    found = list(contents.select(wanted))
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(
            f"the point holds no {title}",
            hint="`lifeboat contents` lists what it holds; kinds are named as in `deployment`,"
            " `deployments` or `Deployment.apps`",
        )
    named = [
        f"{entry.group_kind} {entry.name}"
        + (f" -n {entry.namespace}" if entry.namespace else " (cluster scope)")
        for entry in found[:_FEW]
    ]
    more = f" and {len(found) - _FEW} more" if len(found) > _FEW else ""
    raise UsageError(
        f"{len(found)} objects are {title}", hint=f"which one: {'; '.join(named)}{more}"
    )
