"""Applies a plan wave by wave and part by part: many objects at once, every one accounted for.

What a part did is stored beside the plan when it is through, so a restarted restore goes on with
the next one; inside a part, objects that this very restore put there are recognised. What the API
server refuses is named with its reason and does not stop the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import msgspec

from lifeboat.clock import monotonic
from lifeboat.errors import LifeboatError
from lifeboat.point import layout
from lifeboat.point.manifest import open_contents, read_manifest
from lifeboat.policy.restore_hooks import RestoreHooks
from lifeboat.ports.cluster import Cluster, Json
from lifeboat.ports.parallel import drawn
from lifeboat.report.secrets import reason_without
from lifeboat.restore.approval import was_looked_at
from lifeboat.restore.defaults import give_way
from lifeboat.restore.model import (
    NOT_RESTORED,
    RESTORED,
    Mode,
    Outcome,
    PartResult,
    PlanItem,
    PlanPart,
    RestorePlan,
    RestoreRequest,
    Result,
)
from lifeboat.restore.modes import EQUAL
from lifeboat.restore.parts import read_part
from lifeboat.restore.put import put, remove
from lifeboat.restore.shape import shape
from lifeboat.restore.status import keeps_status, put_status
from lifeboat.restore.transform import Cleaned, Target, clean
from lifeboat.restore.transforms.transforms import Transforms
from lifeboat.restore.watched import Watched, is_custom
from lifeboat.steps.context import Context
from lifeboat.vault.packs import PackReader

_SAY_SECONDS = 5.0
_decode = msgspec.json.Decoder(Json).decode
_Job = Callable[[], Outcome]


def aim(restore: str, request: RestoreRequest, hooks: Json) -> Target:
    """Where the objects of a request go; `hooks` as in RestorePlan."""
    return Target(
        restore,
        request.point,
        request.mapping,
        scratch=request.scratch,
        scale=request.scale,
        node_selector=request.node_selector,
        claims_as=request.volumes_as,
        hooks=RestoreHooks.model_validate(hooks),
        transforms=Transforms(request.transforms),
        status_of=request.status_of,
        defaults=request.defaults,
        answering=request.answering,
        mark=request.mark,
        hold=request.hold,
    )


def target_of(plan: RestorePlan) -> Target:
    """Where the plan's objects go."""
    return aim(plan.restore, plan.request, plan.hooks)


def reader_of(context: Context, plan: RestorePlan) -> PackReader:
    """Reads the records of the plan's point."""
    manifest = read_manifest(context.vault, plan.request.instance, plan.request.point)
    return open_contents(context.vault, manifest).reader()


def apply_wave(
    context: Context, plan: RestorePlan, wave: int, progress: Callable[[int], None]
) -> Counter[Result]:
    """Apply one wave; what an earlier attempt did is not done again. `progress` is told, every few
    seconds, how many objects of the wave are through.

    Raises the first retryable error after the others of its part are through, so that a retry goes
    on.
    """
    parts = [part for part in plan.parts if part.wave == wave]
    counts: Counter[Result] = Counter()
    if not parts:
        return counts
    applier = applier_of(context, plan, progress)
    for part in parts:
        result = find_result(context, plan, part) or applier.apply(part)
        counts.update(result.counts)
    return counts


def find_result(context: Context, plan: RestorePlan, part: PlanPart) -> PartResult | None:
    """What became of a part; None while it is not through."""
    return context.vault.find_document(_result_key(plan, part), PartResult)


def cleaned_body(reader: PackReader, item: PlanItem, target: Target) -> Cleaned:
    """The object to create for an item, read from the vault. Raises TransformFailed."""
    body: Json = _decode(reader.read(item.record, item.place))
    status = body.get("status")
    cleaned = clean(body, target)
    cleaned.changes += give_way(item.kind, body, target.defaults)
    if status and keeps_status(item.kind, target.status_of):
        body["status"] = status
    body = shape(cleaned, item, target)
    if body["apiVersion"] != item.kind.api_version:
        cleaned.changes.append(f"version {body['apiVersion']} became {item.kind.api_version}")
        cleaned.converted = True
        body["apiVersion"] = item.kind.api_version
    return cleaned


def _result_key(plan: RestorePlan, part: PlanPart) -> str:
    return layout.restore_result(plan.request.instance, plan.restore, part.digest)


def applier_of(context: Context, plan: RestorePlan, progress: Callable[[int], None]) -> Applier:
    """What puts the plan's objects, many at once. `progress` as in `apply_wave`."""
    with_volume = {(volume.namespace, volume.claim) for volume in plan.volumes}
    reader, target = reader_of(context, plan), target_of(plan)
    exact = was_looked_at(context, plan)
    return Applier(context, plan, reader, target, with_volume, progress, exact)


@dataclass
class Applier:
    """See `applier_of`."""

    context: Context
    plan: RestorePlan
    reader: PackReader
    target: Target
    with_volume: Collection[tuple[str, str]]
    progress: Callable[[int], None]
    exact: bool
    through: int = 0
    said: float = field(default_factory=monotonic)

    def apply(self, part: PlanPart) -> PartResult:
        """Apply one part and store what came of it."""
        started = monotonic()
        items = read_part(self.context.vault, self.plan, part)
        changes: list[str] = []
        outcomes = self.outcomes(filter(self._is_ours, items), changes)
        counts = Counter(outcome.result for outcome in outcomes)
        result = PartResult(
            part.wave,
            dict(sorted(counts.items())),
            tuple(o for o in outcomes if o.detail or o.result not in ("created", "merged")),
            tuple(changes),
            monotonic() - started,
        )
        return self.context.vault.settle_document(_result_key(self.plan, part), result, PartResult)

    def _is_ours(self, item: PlanItem) -> bool:
        """Claims that get a volume are made with it (restore/volumes.py)."""
        return item.action != "leave" and not (
            item.kind.plural == "persistentvolumeclaims"
            and (item.namespace, item.name) in self.with_volume
        )

    def outcomes(self, some: Iterable[PlanItem], changes: list[str]) -> list[Outcome]:
        """What came of each; what was changed on the way is added to `changes`. Raises the first
        error that may pass, after the others are through."""
        items = list(some)
        if not items:
            return []
        most = min(self.plan.request.in_flight, len(items))
        tried = drawn(most, _tried, (self._job(item, changes) for item in items))
        outcomes = [self._final(one) for one in tried if isinstance(one, Outcome)]
        for one in tried:
            if isinstance(one, LifeboatError):
                raise one
        return outcomes

    def _final(self, outcome: Outcome) -> Outcome:
        """A plan that somebody looked at is not made anew behind their back."""
        if outcome.again != "moved" or not self.exact:
            return outcome
        return msgspec.structs.replace(outcome, again="")

    def _job(self, item: PlanItem, changes: list[str]) -> _Job:
        """What is to be done for an item. Its body is read and cleaned now: it may be large."""
        self._count()
        if item.action == "skip":
            result: Result = "unchanged" if item.reason == EQUAL else "skipped"
            return partial(Outcome, item.title, result, item.reason)
        if item.action in NOT_RESTORED:
            return partial(Outcome, item.title, "failed", item.reason)
        cluster = self.context.cluster
        if item.action not in RESTORED:
            return partial(remove, cluster, item)
        cleaned = cleaned_body(self.reader, item, self.target)
        changes += [f"{item.title}: {change}" for change in cleaned.changes]
        mode, body = self.plan.request.mode, cleaned.body
        watches = self.plan.older or cleaned.converted or is_custom(item.kind)
        return partial(_put_watched if watches else _put, cluster, item, body, mode)

    def _count(self) -> None:
        self.through += 1
        if monotonic() - self.said >= _SAY_SECONDS:
            self.said = monotonic()
            self.progress(self.through)


def _put_watched(target: Cluster, item: PlanItem, body: Json, mode: Mode) -> Outcome:
    """As `_put`; what the target dropped is the detail of an outcome that has none."""
    watched = Watched(target)
    outcome = _put(cast(Cluster, watched), item, body, mode)
    if outcome.detail or outcome.result == "failed":
        return outcome
    return msgspec.structs.replace(outcome, detail=watched.told)


def _put(target: Cluster, item: PlanItem, body: Json, mode: Mode) -> Outcome:
    outcome = put_status(target, item, body, put(target, item, body, mode))
    if not outcome.detail:
        return outcome
    return msgspec.structs.replace(outcome, detail=reason_without(body, outcome.detail))


def _tried(job: _Job) -> Outcome | LifeboatError:
    """An error that may pass is told, not raised: the others of the part come first."""
    try:
        return job()
    except LifeboatError as error:
        return error
