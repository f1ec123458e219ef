"""What each action of a plan does to one object of the target, and what came of it.

Idempotent: an object that this very restore put there before counts as restored. A target that
moved since the plan was made is not guessed at: nothing is done to it, and it is told;
restore/late.py looks at it anew.
"""

from __future__ import annotations

from lifeboat.clock import poll_until
from lifeboat.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    LifeboatError,
    NotFound,
    WebhookUnreachable,
)
from lifeboat.ports.cluster import Cluster, Json, Propagation
from lifeboat.ports.marks import RESTORE
from lifeboat.restore.carry import carried, merge_body
from lifeboat.restore.choice import CLAIM
from lifeboat.restore.live import state_of
from lifeboat.restore.model import Mode, Outcome, PlanItem, Result
from lifeboat.restore.swap import held_by

_GONE_SECONDS = 120.0
_MOVED = "changed since the plan was made: plan again"
_IN_BACKGROUND = (
    # The API server takes every patch of one for a change of its data, which is immutable, even the
    # one that would take the finalizer of a foreground deletion off: it would stay for ever.
    "ControllerRevision.apps",
    # Its address and node ports are free when its deletion is answered; a foreground deletion is
    # over before they are (kubernetes/pkg/registry/core/service/storage, AfterDelete).
    "Service",
)
_DONE: dict[str, Result] = {"merge": "merged", "replace": "replaced", "recreate": "created"}


def put(target: Cluster, item: PlanItem, body: Json, mode: Mode) -> Outcome:
    """Do what the plan says for an object with a body. Retryable errors are raised; what the API
    server refuses, for good or for want of a webhook, is the outcome."""
    namespace = item.namespace if item.kind.namespaced else None
    try:
        if item.action != "create":
            return _change(target, item, namespace, body)
        target.make(item.kind, namespace, body)
    except AlreadyExists:
        return _exists_after_all(target, item, namespace, body, mode)
    except NotFound:
        if not item.live_version:
            return Outcome(item.title, "failed", "its namespace is not there, or its kind", "late")
        return _has_moved(item)
    except LifeboatError as error:
        return _refused(item, error)
    return Outcome(item.title, "created")


def remove(target: Cluster, item: PlanItem) -> Outcome:
    """Delete an object that the point does not hold."""
    namespace = item.namespace if item.kind.namespaced else None
    try:
        live = target.get(item.kind, namespace, item.name)
        if _moved(item, live):
            return Outcome(item.title, "failed", _MOVED)
        uid, version = _as_seen(live)
        target.delete(item.kind, namespace, item.name, uid=uid, version=version)
    except NotFound:
        pass  # by an earlier attempt, or by whom it belonged to
    except Conflict:
        return Outcome(item.title, "failed", _MOVED)
    except LifeboatError as error:
        return _refused(item, error)
    return Outcome(item.title, "deleted")


def _change(target: Cluster, item: PlanItem, namespace: str | None, body: Json) -> Outcome:
    try:
        live = target.get(item.kind, namespace, item.name)
    except NotFound:
        if item.action != "recreate":
            raise
        target.make(item.kind, namespace, body)  # deleted by an earlier attempt
        return Outcome(item.title, "created")
    if _is_own(live, body):
        return Outcome(item.title, _DONE[item.action])
    if _moved(item, live) and not held_by(live, body["metadata"]["annotations"][RESTORE]):
        return _has_moved(item)
    if item.action == "merge":
        return _merge(target, item, namespace, body, live)
    if item.action == "replace":
        return _replace(target, item, namespace, body, live)
    return _recreate(target, item, namespace, body, live)


def _exists_after_all(
    target: Cluster, item: PlanItem, namespace: str | None, body: Json, mode: Mode
) -> Outcome:
    """It was not there at planning: this restore's own earlier attempt made it, or a stranger."""
    try:
        live = target.get(item.kind, namespace, item.name)
        if _is_own(live, body):
            return Outcome(item.title, "created")
        if namespace and (mode == "merge" or item.kind.group_kind == "ServiceAccount"):
            return _merge(target, item, namespace, body, live)
    except NotFound:
        return Outcome(item.title, "failed", "it came and went while it was restored; try again")
    except LifeboatError as error:
        if isinstance(error, Forbidden) and mode == "skip":
            return Outcome(item.title, "skipped", "exists; this credential may not look into it")
        return _refused(item, error)
    if mode == "skip":
        return Outcome(item.title, "skipped", "exists; it appeared after the plan was made")
    return _has_moved(item, "it appeared after the plan was made: plan again")


def _merge(
    target: Cluster, item: PlanItem, namespace: str | None, body: Json, live: Json
) -> Outcome:
    """JSON merge patch (RFC 7396): the point's fields win, those only the live object has stay."""
    before = live["metadata"].get("resourceVersion")
    sent = merge_body(body, live)
    after = target.patch(item.kind, namespace, item.name, sent, patch_type="merge")
    unchanged = before is not None and after["metadata"].get("resourceVersion") == before
    return Outcome(item.title, "unchanged" if unchanged else "merged")


def _replace(
    target: Cluster, item: PlanItem, namespace: str | None, body: Json, live: Json
) -> Outcome:
    """PUT of the whole object, at the version that was just read."""
    try:
        target.replace(item.kind, namespace, item.name, carried(body, live))
    except Conflict:
        return _has_moved(item)
    return Outcome(item.title, "replaced")


def _recreate(
    target: Cluster, item: PlanItem, namespace: str | None, body: Json, live: Json
) -> Outcome:
    """Delete, wait until it is gone with all that it owns, create. Deleted is what was looked at:
    another try of this restore, slower or faster, may be at it, too."""
    background = item.kind.group_kind in _IN_BACKGROUND
    propagation: Propagation = "Background" if background else "Foreground"
    uid, version = _as_seen(live)
    where = (item.kind, namespace, item.name)
    try:
        target.delete(*where, propagation=propagation, uid=uid, version=version)
    except Conflict:
        return _overtaken(target, item, namespace, body)

    def is_there() -> list[str]:
        try:
            found = target.get(*where)
        except NotFound:
            return []
        return [item.title] if found["metadata"]["uid"] == uid else []

    if poll_until(is_there, seconds=_GONE_SECONDS):
        return Outcome(
            item.title, "failed", f"was deleted, and is not gone after {_GONE_SECONDS:.0f} s"
        )
    target.make(item.kind, namespace, body)
    return Outcome(item.title, "created")


def _overtaken(target: Cluster, item: PlanItem, namespace: str | None, body: Json) -> Outcome:
    """Somebody was quicker than the deletion: another try of this restore, or a stranger."""
    if _is_own(target.get(item.kind, namespace, item.name), body):
        return Outcome(item.title, _DONE[item.action])
    return _has_moved(item)


def _as_seen(live: Json) -> tuple[str, str]:
    """The uid and the version that a deletion demands. The version counts only where it is what
    `state_of` goes by: of others a controller may write the status meanwhile."""
    metadata = live["metadata"]
    counted = metadata.get("generation") or live.get("status")
    return metadata["uid"], "" if counted else metadata["resourceVersion"]


def _is_own(live: Json, body: Json) -> bool:
    annotations = live["metadata"].get("annotations") or {}
    return bool(annotations.get(RESTORE) == body["metadata"]["annotations"][RESTORE])


def _moved(item: PlanItem, live: Json) -> bool:
    return bool(item.live_version) and state_of(live) != item.live_version


def _has_moved(item: PlanItem, why: str = _MOVED) -> Outcome:
    """A claim is never looked at anew: its data is at stake."""
    return Outcome(item.title, "failed", why, "" if item.kind.group_kind == CLAIM else "moved")


def _refused(item: PlanItem, error: LifeboatError) -> Outcome:
    reason = error.message.splitlines()[0]
    if isinstance(error, WebhookUnreachable):
        return Outcome(item.title, "failed", f"{reason}; {error.hint}", "late")
    if error.retryable:
        raise error
    return Outcome(item.title, "failed", reason)
