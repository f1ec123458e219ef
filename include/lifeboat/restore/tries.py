"""What would really change: each object that exists is changed by dry run, many at once.

The API server itself defaults, converts, admits and refuses, and then stores nothing, so a plan
says what a restore would do and not what we think it would. An object that differs costs one dry
run, one that would be made anew a second; one that is equal costs none. Where a webhook does not
answer, an object keeps the action that its mode gives it, untried; nothing untried is deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import msgspec

from lifeboat.errors import AlreadyExists, LifeboatError, NotFound, WebhookUnreachable
from lifeboat.ports.cluster import Cluster, Json, Kind
from lifeboat.report.diff import Field, diff, spell
from lifeboat.report.secrets import hide, reason_without
from lifeboat.restore.carry import carried, merge_body, without_addresses
from lifeboat.restore.live import state_of
from lifeboat.restore.live_bodies import LiveBodies
from lifeboat.restore.model import SET_ASIDE, Mode, PlanItem, RestoreRequest
from lifeboat.restore.modes import (
    FOREIGN,
    Trial,
    decide,
    is_own,
    may_delete,
    mode_for,
    untried,
)
from lifeboat.restore.transforms.merge import merge_patch
from lifeboat.restore.watched import dropped

MOST_FIELDS = 40
"""Differences that a plan holds of one object; the others are counted."""

_AT_ONCE = 256  # bodies in memory

Body = Callable[[PlanItem], Json]
"""The object that an item stands for, as it would be created."""


class Tries:
    """Settles the actions of a plan's items against the live cluster, in their order."""

    def __init__(
        self, cluster: Cluster, request: RestoreRequest, body: Body, bodies: LiveBodies
    ) -> None:
        self._cluster, self._request, self._body, self._bodies = cluster, request, body, bodies

    def compares(self, kind: Kind) -> bool:
        """Whether objects of a kind that exist are looked at."""
        return self._request.compare_all or self._mode(kind) not in (None, "skip")

    def settle(self, items: Iterable[tuple[PlanItem, bool]]) -> Iterator[PlanItem]:
        """The items with action, reason, fields and the live version that was looked at; each comes
        with whether it exists. Bodies are read in the caller's thread, a few hundred at a time.

        Raises what is retryable.
        """
        todo = iter(items)
        with ThreadPoolExecutor(self._request.in_flight) as pool:
            while some := list(islice(todo, _AT_ONCE)):
                jobs = [pool.submit(self._try, *one, *self._needs(*one)) for one in some]
                yield from (future.result() for future in jobs)

    def _needs(self, item: PlanItem, exists: bool) -> tuple[Json | None, str]:
        """The body, None where nothing is tried; and why the object is left as it is."""
        if item.action in SET_ASIDE:
            return None, ""
        if not exists:
            return self._body(item) if self._request.try_creates else None, ""
        swap = self._request.may_swap(item.name)
        why = untried(item.kind, self._mode(item.kind), swap=swap)
        return self._body(item) if self._request.compare_all or not why else None, why

    def _mode(self, kind: Kind) -> Mode | None:
        return mode_for(kind, self._request.mode, self._request.mode_of)

    def _try(self, item: PlanItem, exists: bool, body: Json | None, why: str) -> PlanItem:
        if body is None:
            return _left(item, why) if exists and why else item
        return self._compare(item, body, why) if exists else self._try_create(item, body)

    def _compare(self, item: PlanItem, body: Json, why: str) -> PlanItem:
        mode = self._mode(item.kind)
        namespace = item.namespace if item.kind.namespaced else None
        try:
            live = self._bodies.take(item.kind, namespace or "", item.name)
        except NotFound:
            return item  # it went away just now
        except LifeboatError as error:
            reason = _why(error, body)
            return _left(item, why) if why else _conflict(item, reason)
        if mode is not None and not is_own(item.kind, live["metadata"], self._request.mark):
            return _conflict(item, FOREIGN)
        trial = self._trial(item, body, live, merging=mode == "merge" or bool(why))
        keep = may_delete(item.kind, swap=self._request.may_swap(item.name))
        if not (why or keep) and (mode == "recreate" or (mode == "replace" and trial.refused)):
            trial = trial._replace(remake_refused=self._remake(item, namespace, body))
        action, reason = ("skip", why) if why or mode is None else decide(mode, trial, keep)
        return msgspec.structs.replace(
            item,
            action=action,
            reason=reason,
            fields=trial.fields,
            live_version=state_of(live),
        )

    def _trial(self, item: PlanItem, body: Json, live: Json, *, merging: bool) -> Trial:
        """What the API server says to the change. It is not asked for one that says nothing new."""
        namespace = item.namespace if item.kind.namespaced else None
        sent = merge_body(body, live) if merging else carried(body, live)
        wanted = merge_patch(live, sent) if merging else sent
        if not _differing(live, wanted):
            return Trial()
        try:
            if merging:
                after = self._cluster.patch(item.kind, namespace, item.name, sent, dry_run=True)
            else:
                after = self._cluster.replace(item.kind, namespace, item.name, sent, dry_run=True)
        except WebhookUnreachable as error:
            return Trial(spelled(live, wanted), untried=_why(error, body))
        except LifeboatError as error:
            return Trial(refused=_why(error, body))
        return Trial(spelled(live, after))

    def _remake(self, item: PlanItem, namespace: str | None, body: Json) -> str:
        """Why the object could not be made again; a create is validated before it is found to
        exist (k8s.io/apiserver/pkg/registry/generic/registry/store.go, Create). Addresses and node
        ports are its own as long as it is there, and refused to its second self."""
        tried = without_addresses(body) if item.kind.group_kind == "Service" else body
        try:
            self._cluster.create(item.kind, namespace, tried, dry_run=True)
        except AlreadyExists:
            return ""
        except LifeboatError as error:
            return _why(error, body)
        return ""

    def _try_create(self, item: PlanItem, body: Json) -> PlanItem:
        namespace = item.namespace if item.kind.namespaced else None
        try:
            made = self._cluster.create(item.kind, namespace, body, dry_run=True)
        except (AlreadyExists, NotFound):  # appeared just now; or its namespace comes with it
            return item
        except WebhookUnreachable as error:
            reason = f"not tried: {_why(error, body)}"
            return msgspec.structs.replace(item, reason=reason)
        except LifeboatError as error:
            return _conflict(item, _why(error, body))
        lost = tuple(f"{path}: dropped by the target" for path in dropped(body, made))
        return msgspec.structs.replace(item, fields=lost[:MOST_FIELDS])


def spelled(live: Json, after: Json) -> tuple[str, ...]:
    """`spec.replicas: 2 → 3`, for each field but those that the server sets; never the values of
    Secrets."""
    fields = _differing(hide(live), hide(after))
    lines = [spell(field) for field in fields[:MOST_FIELDS]]
    if len(fields) > MOST_FIELDS:
        lines.append(f"and {len(fields) - MOST_FIELDS} more fields")
    return tuple(lines)


def _differing(live: Json, after: Json) -> list[Field]:
    return [field for field in diff(live, after) if not field.by_server]


def _conflict(item: PlanItem, reason: str) -> PlanItem:
    return msgspec.structs.replace(item, action="conflict", reason=reason)


def _left(item: PlanItem, reason: str) -> PlanItem:
    return msgspec.structs.replace(item, action="skip", reason=reason)


def _why(error: LifeboatError, body: Json) -> str:
    """The server's reason on one line. It may quote a value, which of a Secret is not told."""
    if error.retryable and not isinstance(error, WebhookUnreachable):
        raise error
    return reason_without(body, error.message.splitlines()[0])
