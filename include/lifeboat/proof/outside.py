"""Takes away what a test restore made outside its namespaces, by its plan, so that it does not
matter how far a killed one came. Only what carries the mark of this very test restore goes.

A definition goes last, and only when nobody else has made anything of its kind meanwhile: the API
server deletes all of it with the definition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from lifeboat.clock import poll_until
from lifeboat.errors import NotFound, NotReady
from lifeboat.ports.cluster import Cluster, Json, Kind
from lifeboat.ports.marks import RESTORE
from lifeboat.restore.model import Action, PlanItem, RestorePlan
from lifeboat.restore.order import DEFINITIONS
from lifeboat.restore.parts import items_of
from lifeboat.steps.context import Context
from lifeboat.steps.left_tests import NAMESPACE

_GONE_SECONDS = 120.0
_NAMED = 5
_MADE: tuple[Action, ...] = ("create",)


class _Metadata(msgspec.Struct, frozen=True):
    name: str
    namespace: str = ""
    annotations: dict[str, str] = {}


class _Any(msgspec.Struct, frozen=True):
    metadata: _Metadata


def remove_outside(context: Context, plan: RestorePlan) -> list[str]:
    """Returns the titles of what is gone. Raises NotReady for what does not go, or may not since
    somebody else depends on it. Idempotent."""
    if not plan.request.cluster_scoped:
        return []
    items = [
        item
        for item in items_of(context.vault, plan, _MADE)
        if not item.kind.namespaced and item.kind.group_kind != NAMESPACE.group_kind
    ]
    cluster = context.cluster
    removed: list[PlanItem] = []
    held: list[str] = []
    for item in sorted(items, key=lambda one: -one.wave):
        live = _own(cluster, item, plan.restore)
        if live is None:
            continue
        others = list(_others(cluster, live, plan)) if item.wave == DEFINITIONS else []
        if others:
            held.append(f"{item.title} (also of {_some(others)})")
            continue
        cluster.delete(item.kind, None, item.name, uid=live["metadata"]["uid"])
        removed.append(item)
    ending = poll_until(
        lambda: [one.title for one in removed if _own(cluster, one, plan.restore)],
        seconds=_GONE_SECONDS,
    )
    _ensure_gone(plan.restore, ending, held)
    return [item.title for item in removed]


def _own(cluster: Cluster, item: PlanItem, test: str) -> Json | None:
    """The live object if this test restore made it."""
    try:
        live = cluster.get(item.kind, None, item.name)
    except NotFound:
        return None
    annotations = live["metadata"].get("annotations") or {}
    return live if annotations.get(RESTORE) == test else None


def _others(cluster: Cluster, definition: Json, plan: RestorePlan) -> Iterator[str]:
    """Objects of a defined kind that this test restore has nothing to do with."""
    spec = definition["spec"]
    served = [one for one in spec["versions"] if one["served"]]
    version = max(served, key=lambda one: one["storage"])["name"]  # nothing to convert
    names, namespaced = spec["names"], spec["scope"] == "Namespaced"
    kind = Kind(spec["group"], version, names["plural"], names["kind"], namespaced)
    scratch = set(plan.request.mapping.values())
    decode = msgspec.json.Decoder(_Any).decode
    try:
        for page in cluster.list_pages(kind):
            for metadata in (decode(raw).metadata for raw in page.items):
                own = metadata.annotations.get(RESTORE) == plan.restore
                if metadata.namespace not in scratch and not own:
                    yield f"{metadata.namespace}/{metadata.name}".lstrip("/")
    except NotFound:
        return  # it is ending, or was never served


def _ensure_gone(test: str, ending: Sequence[str], held: Sequence[str]) -> None:
    if held:
        raise NotReady(
            f"test restore {test} made {', '.join(held)}: not removed, since that would take away"
            " what somebody made meanwhile",
            hint="delete those objects, or keep the definition by taking its annotation"
            f" {RESTORE} off; then clear tear_down, or leave it to upkeep",
        )
    if ending:
        raise NotReady(
            f"{', '.join(ending)}: still ending",
            hint="`kubectl get … -o yaml` shows the finalizers that hold them",
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
