"""Brings volumes back: starts every claim from its snapshot, then polls; nothing waits here."""

from __future__ import annotations

from collections.abc import Iterator

from lifeboat.errors import AlreadyExists, LifeboatError, WebhookUnreachable
from lifeboat.point import layout
from lifeboat.policy.vault_tier import VaultTier
from lifeboat.ports.disks import RestoreTicket
from lifeboat.restore.apply import cleaned_body, reader_of, target_of
from lifeboat.restore.by_hand import describe_class
from lifeboat.restore.model import PlanVolume, RestorePlan, VolumeOutcome, VolumesResult
from lifeboat.restore.rebind import rebind
from lifeboat.steps.context import Context


def start_volumes(
    context: Context, plan: RestorePlan
) -> tuple[list[RestoreTicket], list[VolumeOutcome]]:
    """Start every planned volume; starting twice is one volume. What cannot be started is told.
    Those that a person made are kept for their claims."""
    tickets, failed = [], rebind(context, plan)
    reader, target = reader_of(context, plan), target_of(plan)
    for volume in plan.volumes:
        body = cleaned_body(reader, volume.item, target).body
        if volume.storage_class:
            body["spec"]["storageClassName"] = volume.storage_class
        try:
            tickets.append(
                context.disks.start_restore(
                    volume.snapshot,
                    namespace=volume.namespace,
                    claim=volume.claim,
                    restore_id=plan.restore,
                    claim_body=body,
                )
            )
        except LifeboatError as error:
            if error.retryable and not isinstance(error, WebhookUnreachable):
                raise
            failed.append(VolumeOutcome(_title(volume), error=_why(error)))
    return tickets, failed


def patience(context: Context, plan: RestorePlan, snapshots: float) -> float:
    """Seconds to wait for all volumes: `snapshots` for those from snapshots, the policy's time-out
    where files come from the vault."""
    if not any(volume.snapshot.kind == "files" for volume in plan.volumes):
        return snapshots
    tier = context.instance.policy.volumes.vault_tier or VaultTier()
    return max(snapshots, tier.timeout.total_seconds())


def unbound(context: Context, tickets: list[RestoreTicket]) -> list[str]:
    """One look: claims that have no volume yet, and have not failed."""
    waiting = []
    for ticket in tickets:
        state = context.disks.poll_restore(ticket)
        if not (state.bound or state.error or state.waits_for_pod):
            waiting.append(f"{ticket.namespace}/{ticket.claim}")
    return waiting


def finish_volumes(
    context: Context,
    plan: RestorePlan,
    tickets: list[RestoreTicket],
    failed: list[VolumeOutcome],
    seconds: float,
) -> VolumesResult:
    """Account for every volume, with the digest of its bytes where they can be read: now, before a
    workload writes to it. `seconds` have passed since they were started. A second attempt returns
    the first account."""
    key = layout.restore_part(plan.request.instance, plan.restore, "volumes")
    done = context.vault.find_document(key, VolumesResult)
    if done is not None:
        return done
    outcomes = [*failed, *(_outcome(context, ticket) for ticket in tickets)]
    for ticket in tickets:
        if ticket.snapshot.kind == "files":  # full or not: its credential must go
            context.disks.finish_restore(ticket)
    changes = tuple(_changes(context, plan))
    result = VolumesResult(tuple(outcomes), tuple(tickets), seconds, changes)
    return context.vault.settle_document(key, result, VolumesResult)


def _changes(context: Context, plan: RestorePlan) -> Iterator[str]:
    reader, target = reader_of(context, plan), target_of(plan)
    for volume in plan.volumes:
        cleaned = cleaned_body(reader, volume.item, target)
        for change in cleaned.changes:
            yield f"{volume.item.title}: {change}"
        if volume.storage_class:
            was = describe_class(cleaned.body["spec"])
            yield f"{volume.item.title}: {was} became class {volume.storage_class}"
    for one in plan.rebinds:
        yield f"PersistentVolume {one.volume}: bound to {one.namespace}/{one.claim} again"


def release_volumes(context: Context, result: VolumesResult) -> None:
    """Remove the helpers of volumes that are bound; those that still wait for a pod keep theirs."""
    for ticket in result.tickets:
        if context.disks.poll_restore(ticket).bound:
            context.disks.finish_restore(ticket)


def planned_tickets(context: Context, plan: RestorePlan) -> tuple[RestoreTicket, ...]:
    """The tickets of every planned volume, started or not."""
    return tuple(
        context.disks.restore_ticket(
            volume.snapshot,
            namespace=volume.namespace,
            claim=volume.claim,
            restore_id=plan.restore,
        )
        for volume in plan.volumes
    )


def abandon_volumes(context: Context, tickets: tuple[RestoreTicket, ...]) -> None:
    """Remove the helpers of every volume, bound or not (the claims are going away)."""
    for ticket in tickets:
        context.disks.finish_restore(ticket)


def _outcome(context: Context, ticket: RestoreTicket) -> VolumeOutcome:
    title = f"{ticket.namespace}/{ticket.claim}"
    state = context.disks.poll_restore(ticket)
    captured = ticket.snapshot.content_digest
    if state.error:
        return VolumeOutcome(title, error=state.error, captured_digest=captured)
    if not state.bound:
        late = "" if state.waits_for_pod else "its volume was not bound in time"
        return VolumeOutcome(title, error=late, captured_digest=captured)
    digest = ""
    if not context.reader.why_not(ticket.snapshot.driver):
        digest = context.reader.digest_volume(state.handle)
    return VolumeOutcome(title, state.handle, digest, captured)


def _title(volume: PlanVolume) -> str:
    return f"{volume.namespace}/{volume.claim}"


def _why(error: LifeboatError) -> str:
    if isinstance(error, AlreadyExists):
        return "a claim of this name exists, its data was left alone"
    hint = f"; {error.hint}" if isinstance(error, WebhookUnreachable) else ""
    return f"{error.message}{hint}"
