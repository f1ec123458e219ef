"""A plan for people: by action, what acts first, with what differs under each object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from lifeboat.restore.model import Action, PlanItem, RestorePlan

Items = Callable[[], Iterable[PlanItem]]
"""The plan's items, from the start, each time it is called."""

ACTIONS: tuple[Action, ...] = (
    "conflict", "delete", "recreate", "replace", "merge", "create", "skip", "leave",
)  # fmt: skip
HARMFUL: tuple[Action, ...] = ("delete", "recreate", "replace")
"""What takes something away that is there."""

WORDS: dict[Action, str] = {
    "conflict": "cannot be restored as asked",
    "delete": "deleted: not in the point",
    "recreate": "deleted and made anew",
    "replace": "replaced",
    "merge": "merged into what is there",
    "create": "created",
    "skip": "left as they are",
    "leave": "left to their makers",
}


def lines(
    plan: RestorePlan, items: Items, *, most: int = 0, actions: Iterable[Action] = ACTIONS
) -> Iterator[str]:
    """A heading for each action with its number, the objects, their differences. At most `most`
    objects of each action are named; 0 names all."""
    counts = plan.counts()
    for action in actions:
        if counts.get(action):
            yield f"{action} {counts[action]}: {WORDS[action]}"
            yield from _of(action, items(), most or counts[action])
            if most and counts[action] > most:
                yield f"  and {counts[action] - most} more"
    for volume in plan.volumes:
        yield f"volume {volume.namespace}/{volume.claim} from {volume.snapshot.handle}"
    for warning in plan.warnings:
        yield f"warning: {warning}"


def markdown(plan: RestorePlan, items: Items, *, most: int = 20) -> str:
    """What an approver sees: counts, then everything that takes away or cannot be done, by name."""
    counts = plan.counts()
    rows = [f"| {name} | {counts[name]} | {WORDS[name]} |" for name in ACTIONS if counts.get(name)]
    told = [
        f"Point `{plan.request.point}` of **{plan.request.instance}**, plan `{plan.restore}`",
        "",
        "| action | objects | |",
        "|---|---|---|",
        *rows,
        "",
        f"{len(plan.volumes)} volumes. Digest `{plan.digest}`.",
    ]
    worst = [name for name in ("conflict", *HARMFUL) if counts.get(name)]
    if worst:
        named = list(lines(plan, items, most=most, actions=worst))
        named = named[: len(named) - len(plan.volumes) - len(plan.warnings)]
        told += ["", "```", *(line.replace("```", "'''") for line in named), "```"]
    if plan.warnings:
        told += ["", "Warnings:", "", *(f"- {_flat(text)}" for text in plan.warnings[:most])]
    if len(plan.warnings) > most:
        told.append(f"- and {len(plan.warnings) - most} more")
    return "\n".join(told)


def _of(action: Action, items: Iterable[PlanItem], most: int) -> Iterator[str]:
    mine = (item for item in items if item.action == action)
    for item in islice(mine, most):
        reason = f"  ({item.reason})" if item.reason else ""
        yield f"  {item.title}{reason}"
        for field in item.fields:
            yield f"      {field}"


def _flat(text: str) -> str:
    """A line that is no markup: names in it are the cluster's."""
    return " ".join(text.split()).replace("<", "&lt;").replace("|", "\\|")
