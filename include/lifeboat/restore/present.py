"""A plan for people: by action, what acts first, with what differs under each object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Literal

from lifeboat.policy.recovery import Approval
from lifeboat.restore.model import NOT_RESTORED, Action, PlanItem, RestorePlan

Items = Callable[[], Iterable[PlanItem]]
"""The plan's items, from the start, each time it is called."""

ACTIONS: tuple[Action, ...] = (
    "unserved", "conflict", "delete", "recreate", "replace", "merge", "create", "skip", "leave",
)  # fmt: skip
HARMFUL: tuple[Action, ...] = ("delete", "recreate", "replace")
"""What takes something away that is there."""

WORDS: dict[Action, str] = {
    "unserved": "cannot be restored: the target does not serve their kind",
    "conflict": "cannot be restored as asked",
    "delete": "deleted: not in the point",
    "recreate": "deleted and made anew",
    "replace": "replaced",
    "merge": "merged into what is there",
    "create": "created",
    "skip": "left as they are",
    "leave": "left to their makers",
}


Detail = Literal["values", "paths", "none"]
"""Of each difference: all of it; where it is, as a log that others read may tell; nothing."""


def lines(
    plan: RestorePlan, items: Items, *, most: int = 0, detail: Detail = "values"
) -> Iterator[str]:
    """A heading for each action with its number, the objects, their differences; then volumes and
    warnings. At most `most` objects of each action are named; 0 names all."""
    yield from _objects(plan, items, most, ACTIONS, detail)
    for volume in plan.volumes:
        of = f" of class {volume.storage_class}" if volume.storage_class else ""
        yield f"volume {volume.namespace}/{volume.claim}{of} from {volume.snapshot.handle}"
    for warning in plan.warnings:
        yield f"warning: {warning}"


def markdown(plan: RestorePlan, items: Items, wanted: Approval, *, most: int = 20) -> str:
    """What an approver sees: whose word is wanted, counts, then everything that takes away or
    cannot be done, by name."""
    counts = plan.counts()
    rows = [f"| {name} | {counts[name]} | {WORDS[name]} |" for name in ACTIONS if counts.get(name)]
    told = [
        f"Point `{plan.request.point}` of **{plan.request.instance}**, plan `{plan.restore}`",
        "",
        *_whose_word(plan, wanted),
        "| action | objects | |",
        "|---|---|---|",
        *rows,
        "",
        f"{len(plan.volumes)} volumes. Digest `{plan.digest}`.",
    ]
    worst: list[Action] = [name for name in (*NOT_RESTORED, *HARMFUL) if counts.get(name)]
    if worst:
        named = _objects(plan, items, most, worst, "none")
        told += ["", "```", *(line.replace("```", "'''") for line in named), "```"]
    if plan.warnings:
        told += ["", "Warnings:", "", *(f"- {_flat(text)}" for text in plan.warnings[:most])]
    if len(plan.warnings) > most:
        told.append(f"- and {len(plan.warnings) - most} more")
    return "\n".join(told)


def _whose_word(plan: RestorePlan, wanted: Approval) -> list[str]:
    asked = f"**{_flat(plan.request.asked_by)}**" if plan.request.asked_by else ""
    if wanted == "second-person":
        return [f"Asked for by {asked}: somebody else must approve it; {asked} may reject it.", ""]
    return [f"Asked for by {asked}.", ""] if asked else []


def _objects(
    plan: RestorePlan, items: Items, most: int, actions: Iterable[Action], detail: Detail
) -> Iterator[str]:
    counts = plan.counts()
    for action in actions:
        number = counts.get(action, 0)
        if not number:
            continue
        yield f"{action} {number}: {WORDS[action]}"
        mine = (item for item in items() if item.action == action)
        for item in islice(mine, most or number):
            yield from _object(item, detail)
        if most and number > most:
            yield f"  and {number - most} more"


def _object(item: PlanItem, detail: Detail) -> Iterator[str]:
    yield f"  {item.title}" + (f"  ({item.reason})" if item.reason else "")
    if detail != "none":
        for field in item.fields:
            yield f"      {field if detail == 'values' else field.partition(': ')[0]}"


def _flat(text: str) -> str:
    """A line that is no markup: names in it are the cluster's."""
    return " ".join(text.split()).replace("<", "&lt;").replace("|", "\\|")
