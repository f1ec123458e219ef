"""Applies one wave of a plan: creates first, many at once, and accounts for every object.

Idempotent: an object that this very restore created before counts as created. What the API server
refuses is named with its reason and does not stop the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from lifeboat.clock import monotonic
from lifeboat.errors import AlreadyExists, Forbidden, LifeboatError, NotFound
from lifeboat.point import layout
from lifeboat.point.manifest import open_contents, read_manifest
from lifeboat.ports.cluster import Cluster, Json
from lifeboat.ports.marks import RESTORE
from lifeboat.restore.model import Outcome, PlanItem, RestorePlan, WaveResult
from lifeboat.restore.transform import Cleaned, Target, clean
from lifeboat.steps.context import Context
from lifeboat.vault.packs import PackReader

IN_FLIGHT = 16


def target_of(plan: RestorePlan) -> Target:
    """Where the plan's objects go."""
    request = plan.request
    return Target(
        plan.restore,
        request.point,
        request.mapping,
        request.scratch,
        request.scale,
        request.node_selector,
    )


def reader_of(context: Context, plan: RestorePlan) -> PackReader:
    """Reads the records of the plan's point."""
    manifest = read_manifest(context.vault, plan.request.instance, plan.request.point)
    return open_contents(context.vault, manifest).reader()


def apply_wave(context: Context, plan: RestorePlan, wave: int) -> WaveResult:
    """Apply one wave; a second attempt returns what the first one did.

    Raises the first retryable error after the others are through, so that a retry goes on.
    """
    key = layout.restore_part(plan.request.instance, plan.restore, f"wave-{wave}")
    done = context.vault.find_document(key, WaveResult)
    if done is not None:
        return done
    started = monotonic()
    with_volume = {(volume.namespace, volume.claim) for volume in plan.volumes}
    items = [
        item
        for item in plan.items
        if item.wave == wave
        and not (item.kind.plural == "persistentvolumeclaims" and _key(item) in with_volume)
    ]
    outcomes, changes = _apply(context, plan, items)
    result = WaveResult(wave, tuple(outcomes), tuple(changes), monotonic() - started)
    return context.vault.settle_document(key, result, WaveResult)


def cleaned_body(reader: PackReader, item: PlanItem, target: Target) -> Cleaned:
    """The object to create for an item, read from the vault."""
    body: Json = msgspec.json.decode(reader.read(item.record, item.place))
    cleaned = clean(body, target)
    if body["apiVersion"] != item.kind.api_version:
        cleaned.changes.append(f"version {body['apiVersion']} became {item.kind.api_version}")
        body["apiVersion"] = item.kind.api_version
    return cleaned


def _key(item: PlanItem) -> tuple[str, str]:
    return item.namespace, item.name


def _apply(
    context: Context, plan: RestorePlan, items: Iterable[PlanItem]
) -> tuple[list[Outcome], list[str]]:
    outcomes: list[Outcome] = []
    changes: list[str] = []
    reader, where = reader_of(context, plan), target_of(plan)
    retry: LifeboatError | None = None
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        futures = []
        for item in items:
            if item.action in ("create", "merge"):
                cleaned = cleaned_body(reader, item, where)
                changes += [f"{item.title}: {change}" for change in cleaned.changes]
                mode = plan.request.mode
                futures.append(pool.submit(_put, context.cluster, item, cleaned.body, mode))
            elif item.action == "skip":
                outcomes.append(Outcome(item.title, "skipped", item.reason))
        for future in futures:
            try:
                outcomes.append(future.result())
            except LifeboatError as error:
                retry = retry or error
    if retry is not None:
        raise retry
    return outcomes, changes


def _put(target: Cluster, item: PlanItem, body: Json, mode: str) -> Outcome:
    namespace = item.namespace if item.kind.namespaced else None
    try:
        if item.action == "merge":
            return _merge(target, item, namespace, body)
        target.create(item.kind, namespace, body)
    except AlreadyExists:
        return _exists_after_all(target, item, namespace, body, mode)
    except LifeboatError as error:
        return _refused(item, error)
    return Outcome(item.title, "created")


def _exists_after_all(
    target: Cluster, item: PlanItem, namespace: str | None, body: Json, mode: str
) -> Outcome:
    """It was not there at planning: this restore's own earlier attempt made it, or a stranger."""
    try:
        live = target.get(item.kind, namespace, item.name)
        annotations = live["metadata"].get("annotations", {})
        if annotations.get(RESTORE) == body["metadata"]["annotations"][RESTORE]:
            return Outcome(item.title, "created")
        if namespace and (mode == "merge" or item.kind.group_kind == "ServiceAccount"):
            return _merge(target, item, namespace, body)
    except NotFound:
        return Outcome(item.title, "failed", "it came and went while it was restored; try again")
    except LifeboatError as error:
        if isinstance(error, Forbidden) and mode == "skip":
            return Outcome(item.title, "skipped", "exists; this credential may not look into it")
        return _refused(item, error)
    return Outcome(item.title, "skipped", "exists; it appeared after the plan was made")


def _merge(target: Cluster, item: PlanItem, namespace: str | None, body: Json) -> Outcome:
    """JSON merge patch (RFC 7396): the point's fields win, those only the live object has stay."""
    before = target.get(item.kind, namespace, item.name)["metadata"].get("resourceVersion")
    patch = {k: v for k, v in body.items() if k not in ("apiVersion", "kind")}
    after = target.patch(item.kind, namespace, item.name, patch, patch_type="merge")
    unchanged = before is not None and after["metadata"].get("resourceVersion") == before
    return Outcome(item.title, "unchanged" if unchanged else "merged")


def _refused(item: PlanItem, error: LifeboatError) -> Outcome:
    if error.retryable:
        raise error
    return Outcome(item.title, "failed", error.message.splitlines()[0])
