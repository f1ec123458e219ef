"""Keeps what was to become of a volume once its claim is deleted.

A driver gives a new volume the policy of its class. Who had set another one on the volume itself,
to keep the data of a deleted claim, would lose that without a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from lifeboat.errors import LifeboatError, WebhookUnreachable
from lifeboat.point.manifest import open_contents, read_manifest
from lifeboat.point.wanted import Wanted
from lifeboat.ports.cluster import Kind
from lifeboat.restore.model import RestorePlan, VolumesResult
from lifeboat.steps.context import Context

_VOLUME = Kind("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)
_FIELD = "persistentVolumeReclaimPolicy"


class _Volume(msgspec.Struct, frozen=True):
    class Spec(msgspec.Struct, frozen=True, rename={"policy": _FIELD}):
        policy: str = ""

    spec: Spec = Spec()


@dataclass
class Reclaimed:
    """What was changed, and what could not be, each with its volume."""

    changes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def keep_reclaim_policies(
    context: Context, plan: RestorePlan, result: VolumesResult | None
) -> Reclaimed:
    """Of every restored volume that is bound. Those of a test restore go with it. What the cluster
    refuses is a warning; raises what is retryable."""
    told = Reclaimed()
    if result is None or not result.tickets or plan.request.scratch:
        return told
    captured = dict(_captured(context, plan))
    for ticket in result.tickets:
        wanted = captured.get(ticket.snapshot.volume.pv, "")
        state = context.disks.poll_restore(ticket)
        if not (wanted and state.bound):
            continue
        try:
            live = context.cluster.get(_VOLUME, None, state.pv)["spec"].get(_FIELD)
            if live != wanted:
                context.cluster.patch(_VOLUME, None, state.pv, {"spec": {_FIELD: wanted}})
                sentence = f"reclaim policy {wanted} kept, the class says {live}"
                told.changes.append(f"PersistentVolume {state.pv}: {sentence}")
        except LifeboatError as error:
            if error.retryable and not isinstance(error, WebhookUnreachable):
                raise
            why = f"its reclaim policy {wanted} could not be kept: {error.message}"
            told.warnings.append(f"PersistentVolume {state.pv}: {why}")
    return told


def _captured(context: Context, plan: RestorePlan) -> Iterator[tuple[str, str]]:
    """Name and policy of each volume that the point holds."""
    contents = open_contents(
        context.vault, read_manifest(context.vault, plan.request.instance, plan.request.point)
    )
    read = contents.reader().read
    for entry in contents.select(Wanted(kinds=(_VOLUME.kind,))):
        found = msgspec.json.decode(read(entry.record, entry.place), type=_Volume)
        yield entry.name, found.spec.policy
