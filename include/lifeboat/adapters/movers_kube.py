"""The Movers port over a cluster's API: a clone, a Secret and a pod for each move.

Clones are made as restores are, by the Disks port, so that every driver that can be restored from
can be read from. Must not: put a credential anywhere but into the Secret, or wait.
"""

from __future__ import annotations

from contextlib import suppress

import msgspec

from lifeboat.adapters import claim_api, mover_pod, restic
from lifeboat.adapters import snapshot_api as api
from lifeboat.adapters.restic import Access
from lifeboat.clock import Clock, parse_rfc3339, utc_now
from lifeboat.errors import AlreadyExists, LifeboatError
from lifeboat.policy.vault_tier import VaultTier
from lifeboat.ports import marks
from lifeboat.ports.cluster import Cluster, Json
from lifeboat.ports.disks import Disks, RestoreTicket, Volume
from lifeboat.ports.movers import Fill, Leftover, Move, MoveState, Save

_KINDS = (mover_pod.POD, mover_pod.SECRET, api.CLAIM)
_LAST_LINES = 20
_PATIENCE = 1.1  # how much longer than a pod may run we wait for the kubelet to say so


class MoversKube:
    """See lifeboat.ports.movers.Movers."""

    def __init__(
        self,
        cluster: Cluster,
        disks: Disks,
        access: Access,
        tier: VaultTier,
        clock: Clock = utc_now,
    ) -> None:
        self._cluster = cluster
        self._disks = disks
        self._access = access
        self._tier = tier
        self._clock = clock

    def why_not(self, volume: Volume) -> str:
        if volume.volume_mode == "Block":
            return "it is a block volume, and restic copies files"
        return ""

    def start(self, move: Move) -> None:
        """The pod comes last: where it is, all it needs was there."""
        name, where = mover_pod.name_of(move), self._where(move)
        if claim_api.find(self._cluster, mover_pod.POD, where, name) is not None:
            return
        if isinstance(move, Save):
            self._start_clone(move)
        else:
            self._make_claim(move)
        self._put_secret(move)
        body = mover_pod.pod(move, self._access, self._tier, self._claim_name(move))
        with suppress(AlreadyExists):
            self._cluster.create(mover_pod.POD, where, body)

    def poll(self, move: Move) -> MoveState:
        name, where = mover_pod.name_of(move), self._where(move)
        pod = claim_api.find(self._cluster, mover_pod.POD, where, name)
        if pod is None:
            return MoveState("absent")
        status = pod.get("status") or {}
        phase = status.get("phase")
        if phase == "Succeeded":
            return self._done(move, _message(status))
        if phase == "Failed":
            reason = status.get("message") or status.get("reason") or ""
            told = restic.complaint(_message(status)) or reason or "its pod failed"
            return MoveState("failed", error=told)
        why = self._why_stuck(move, pod)
        if why:
            return MoveState("failed", error=why)
        if phase == "Running":
            return MoveState("running", percent=self._percent(where, name))
        return MoveState("running", detail=_waits_for(status))

    def finish(self, move: Move) -> None:
        """A pod first: it holds the others. The credential goes even if the rest fails."""
        name, where = mover_pod.name_of(move), self._where(move)
        try:
            self._cluster.delete(mover_pod.POD, where, name)
            if isinstance(move, Save):
                self._disks.finish_restore(self._clone(move))
                self._cluster.delete(api.CLAIM, where, name)
        finally:
            self._cluster.delete(mover_pod.SECRET, where, name)

    def leftovers(self, instance: str) -> tuple[Leftover, ...]:
        selector = f"{mover_pod.MOVER},{api.INSTANCE}={api.instance_label(instance)}"
        found = []
        for kind in _KINDS:
            for page in self._cluster.list_pages(kind, label_selector=selector):
                for raw in page.items:
                    meta = msgspec.json.decode(raw, type=Json)["metadata"]
                    found.append(
                        Leftover(
                            kind.kind,
                            meta["namespace"],
                            meta["name"],
                            meta["labels"].get(api.POINT, ""),
                            meta.get("creationTimestamp", ""),
                        )
                    )
        return tuple(found)

    def remove(self, leftover: Leftover) -> None:
        kind = next(kind for kind in _KINDS if kind.kind == leftover.kind)
        self._cluster.delete(kind, leftover.namespace, leftover.name)

    def _where(self, move: Move) -> str:
        return self._tier.namespace if isinstance(move, Save) else move.namespace

    def _claim_name(self, move: Move) -> str:
        return mover_pod.name_of(move) if isinstance(move, Save) else move.claim

    def _start_clone(self, move: Save) -> None:
        name = mover_pod.name_of(move)
        self._disks.start_restore(
            move.snapshot,
            namespace=self._tier.namespace,
            claim=name,
            restore_id=name,
            claim_body=mover_pod.claim(move),
        )

    def _clone(self, move: Save) -> RestoreTicket:
        name, where = mover_pod.name_of(move), self._tier.namespace
        return self._disks.restore_ticket(
            move.snapshot, namespace=where, claim=name, restore_id=name
        )

    def _make_claim(self, move: Fill) -> None:
        body = claim_api.restored_claim(move.claim_body, move.restore_id, move.size)
        live = claim_api.create(self._cluster, api.CLAIM, move.namespace, body)
        if api.annotation(live, marks.RESTORE) != move.restore_id:
            raise AlreadyExists(f"claim {move.namespace}/{move.claim} exists")

    def _put_secret(self, move: Move) -> None:
        """Anew: one that an attempt left may hold a credential that has run out."""
        name, where = mover_pod.name_of(move), self._where(move)
        self._cluster.delete(mover_pod.SECRET, where, name)
        self._cluster.create(mover_pod.SECRET, where, mover_pod.secret(move, self._access))

    def _done(self, move: Move, result: str) -> MoveState:
        if isinstance(move, Fill):
            return MoveState("done", percent=100)
        saved = restic.saved(result)
        if saved is None:
            return MoveState("failed", error="its pod ended well but named no restic snapshot")
        return MoveState("done", percent=100, saved=saved)

    def _percent(self, namespace: str, name: str) -> int | None:
        """Progress is for people: where logs may not be read there is none."""
        try:
            return restic.percent(self._cluster.log(namespace, name, lines=_LAST_LINES))
        except LifeboatError:
            return None

    def _why_stuck(self, move: Move, pod: Json) -> str:
        """Why a pod that has not ended never will: its time is over, or its clone cannot be."""
        made = parse_rfc3339(pod["metadata"]["creationTimestamp"])
        if self._clock() - made > self._tier.timeout * _PATIENCE:
            waits = _waits_for(pod.get("status") or {})
            return f"not done within the policy's vaultTier.timeout{waits and f' ({waits})'}"
        if isinstance(move, Save) and (pod.get("status") or {}).get("phase") != "Running":
            return self._disks.poll_restore(self._clone(move)).error
        return ""


def _message(status: Json) -> str:
    """What the container left as its termination message."""
    for container in status.get("containerStatuses") or ():
        ended = (container.get("state") or {}).get("terminated") or {}
        if ended.get("message"):
            return str(ended["message"])
    return ""


def _waits_for(status: Json) -> str:
    """Why a pod does not run yet, in Kubernetes' own words."""
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason"):
            told = f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
            return told[:200]
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return str(condition.get("message", ""))[:200]
    return ""
