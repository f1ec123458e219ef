"""Status of kinds whose operators keep state in it, where it is asked for.

The API server takes `status` at creation only of kinds that have no status subresource; of the
others it drops it without a word, and takes it through the subresource.
"""

from __future__ import annotations

from collections.abc import Iterable

from lifeboat.errors import LifeboatError, NotFound, WebhookUnreachable
from lifeboat.policy.selection import kind_named
from lifeboat.ports.cluster import Cluster, Json, Kind
from lifeboat.restore.model import RESTORED, Outcome, PlanItem

_PUT = ("created", "merged", "replaced", "unchanged")


def keeps_status(kind: Kind, names: Iterable[str]) -> bool:
    """Whether the status of this kind is asked for; names as people write them."""
    return any(kind_named(name, kind) for name in names)


def put_status(target: Cluster, item: PlanItem, body: Json, outcome: Outcome) -> Outcome:
    """The outcome, once the status that `body` carries is there, too. Doing it twice is doing it
    once. Retryable errors are raised; what the API server refuses for good is a failure."""
    if item.action not in RESTORED or outcome.result not in _PUT or "status" not in body:
        return outcome
    namespace = item.namespace if item.kind.namespaced else None
    status = {"status": body["status"]}
    try:
        target.patch(item.kind, namespace, item.name, status, subresource="status")
    except NotFound:
        pass  # no such subresource: it came with the object
    except LifeboatError as error:
        unanswered = isinstance(error, WebhookUnreachable)
        if error.retryable and not unanswered:
            raise
        why = f"it is there without its status: {error.message.splitlines()[0]}"
        return Outcome(item.title, "failed", why, "late" if unanswered else "")
    return outcome
