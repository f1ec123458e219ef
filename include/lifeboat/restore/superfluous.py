"""What a prune deletes: objects of the selection in the target namespaces that the point lacks.

Pure. Never a namespace, never a claim that was not named, never what makes itself: copies made by
controllers, what every namespace gets, and kinds that no point holds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from lifeboat.policy.selection import opted_out, why_never
from lifeboat.ports.cluster import Kind
from lifeboat.restore.choice import Chooser
from lifeboat.restore.leave import Seen, why_left
from lifeboat.restore.modes import may_delete


def prunable(kind: Kind) -> bool:
    """Whether objects of the kind are ever looked at."""
    can = {"list", "delete"} <= set(kind.verbs)
    return kind.namespaced and can and not why_never(kind)


def superfluous(
    kind: Kind,
    live: Iterable[Seen],
    wanted: Collection[str],
    chooser: Chooser,
    captured: Callable[[str, Mapping[str, str]], bool],
    claims: tuple[str, ...] = (),
) -> Iterator[Seen]:
    """Those of the live objects of one kind and namespace that would be deleted; `wanted` are the
    names that the point brings; `captured` says whether the point's policy would have taken an
    object of this name and these labels: what it never took is not missing."""
    for seen in live:
        name = seen.metadata.name
        if name in wanted or not chooser.takes(kind, name):
            continue
        labels = seen.metadata.labels
        if not (chooser.takes_labels(kind, labels) and captured(name, labels)):
            continue
        if any(owner.controller for owner in seen.metadata.owner_references):
            continue  # its controller would make it again, or goes itself
        if may_delete(kind, name, claims) or why_left(kind, seen, (), scratch=False):
            continue
        if not opted_out(labels, seen.metadata.annotations):
            yield seen
