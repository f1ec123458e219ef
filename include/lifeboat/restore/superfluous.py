"""What a prune deletes: objects of the selection in the target namespaces that the point lacks.

Pure. Never a namespace, never a claim that was not named, never what makes itself: copies made by
controllers, what every namespace gets, and kinds that no point holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from lifeboat.policy.derived import may_be_derived
from lifeboat.policy.selection import opted_out, why_never
from lifeboat.ports.cluster import Kind
from lifeboat.restore.choice import Chooser
from lifeboat.restore.leave import Owner, Seen, why_left
from lifeboat.restore.modes import may_delete


def _no_owner(_: Owner) -> bool:
    return False


def _no_claim(_: str) -> bool:
    return False


def prunable(kind: Kind) -> bool:
    """Whether objects of the kind are ever looked at. Of hand-made endpoints older points hold
    none, so that one of them is not missing in a point."""
    can = {"list", "delete"} <= set(kind.verbs)
    return kind.namespaced and can and not (why_never(kind) or may_be_derived(kind))


def superfluous(
    kind: Kind,
    live: Iterable[Seen],
    chooser: Chooser,
    captured: Callable[[str, Mapping[str, str]], bool],
    may_swap: Callable[[str], bool] = _no_claim,
) -> Iterator[Seen]:
    """Those of the live objects of one kind and namespace, which the point does not hold, that
    would be deleted; `captured` says whether the point's policy would have taken an
    object of this name and these labels: what it never took is not missing."""
    for seen in live:
        name = seen.metadata.name
        if not chooser.takes(kind, name):
            continue
        labels = seen.metadata.labels
        if not (chooser.takes_labels(kind, labels) and captured(name, labels)):
            continue
        if any(owner.controller for owner in seen.metadata.owner_references):
            continue  # its controller would make it again, or goes itself
        if may_delete(kind, swap=may_swap(name)) or why_left(kind, seen, _no_owner, scratch=False):
            continue
        if not opted_out(labels, seen.metadata.annotations):
            yield seen
