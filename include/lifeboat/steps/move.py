"""Copies the files of snapshotted volumes into the vault's store, some pods at a time.

`look` starts what may start, accounts for what is done and never waits; whoever calls it loops
(CLI) or defers (Airflow). What came of each volume is a document, so a second attempt begins
nothing that is settled. Whatever a move made in the cluster is removed once it is accounted for,
and again at the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta

from lifeboat.clock import poll_until
from lifeboat.errors import LifeboatError, NotReady, Unsupported
from lifeboat.point import layout
from lifeboat.point.manifest import FileCopy, LeftOut
from lifeboat.policy.vault_tier import VaultTier
from lifeboat.ports.disks import StoredSnapshot
from lifeboat.ports.movers import Movers, MoveState, Save
from lifeboat.steps.context import Context
from lifeboat.steps.scope import VOLUMES_PART, MovedVolume, Scope, VolumesPart

Say = Callable[[str], None]
_SLACK = timedelta(minutes=10)


def look(context: Context, scope: Scope) -> list[str]:
    """Volumes whose files are still on the way, each with how far it is.

    Raises ClusterUnreachable, Throttled, Unsupported (no way into the vault's store for pods).
    """
    movers, waiting, idle = _movers(context), list[str](), list[StoredSnapshot]()
    for snapshot in _to_move(context, scope):
        if _known(context, scope, snapshot.volume.title) is not None:
            continue
        why = movers.why_not(snapshot.volume)
        if why:
            _settle(context, scope, _left_out(context, snapshot, why))
            continue
        state = movers.poll(Save(snapshot))
        if state.phase == "absent":
            idle.append(snapshot)
        elif state.phase == "running":
            waiting.append(f"{snapshot.volume.title} ({_standing(state)})")
        else:
            _account(context, scope, snapshot, state)
    return waiting + _start(context, scope, idle, running=len(waiting))


def limit(context: Context, scope: Scope) -> timedelta:
    """How long all of them may take, each with the time-out of the policy."""
    tier = _tier(context)
    return tier.timeout * (1.1 * -(-len(scope.moves) // tier.parallel)) + _SLACK


def finish_moves(context: Context, scope: Scope) -> tuple[MovedVolume, ...]:
    """The account of every volume; what is still on the way is ended and named. Removes what the
    moves made."""
    moved = []
    for snapshot in _to_move(context, scope):
        known = _known(context, scope, snapshot.volume.title)
        if known is None:
            known = _left_out(context, snapshot, "its files were not copied in time")
            known = _settle(context, scope, known)
        moved.append(known)
    clear_moves(context, scope)
    return tuple(moved)


def clear_moves(context: Context, scope: Scope) -> None:
    """Remove what the moves made, done or not; reconcile finds what this cannot remove."""
    if not scope.moves:
        return
    failure: LifeboatError | None = None
    for snapshot in _to_move(context, scope):
        try:
            _movers(context).finish(Save(snapshot))
        except LifeboatError as error:
            failure = error
    if failure is not None:
        raise failure


def move_volumes(context: Context, scope: Scope, say: Say) -> tuple[MovedVolume, ...]:
    """All of it in one process, as the command line does."""
    try:
        poll_until(lambda: look(context, scope), seconds=limit(context, scope).total_seconds())
        moved = finish_moves(context, scope)
    except BaseException:
        clear_moves(context, scope)
        raise
    for one in moved:
        say(told(one))
    return moved


def told(moved: MovedVolume) -> str:
    """A line for people."""
    if moved.copy is None:
        reason = moved.left_out.reason if moved.left_out else "nothing is known of it"
        return f"files of {moved.title} are not in the vault: {reason}"
    copy = moved.copy
    return (
        f"files of {moved.title}: {copy.files} files, {copy.bytes} bytes, {copy.added} bytes new"
        f" ({copy.id[:8]})"
    )


def moved_volumes(context: Context, scope: Scope, part: VolumesPart) -> tuple[MovedVolume, ...]:
    """What came of every volume with a snapshot whose files were to be copied (commit).

    Raises NotReady when that is not known of one.
    """
    found = []
    for snapshot in part.snapshots:
        if snapshot.volume.title not in scope.moves:
            continue
        known = _known(context, scope, snapshot.volume.title)
        if known is None:
            raise NotReady(f"the files of {snapshot.volume.title} have not been copied")
        found.append(known)
    return tuple(found)


def _to_move(context: Context, scope: Scope) -> list[StoredSnapshot]:
    """Volumes without a snapshot are accounted for already."""
    key = layout.part(scope.instance, scope.point, VOLUMES_PART)
    part = context.vault.find_document(key, VolumesPart)
    snapshots = part.snapshots if part else ()
    return [one for one in snapshots if one.volume.title in scope.moves]


def _start(
    context: Context, scope: Scope, idle: list[StoredSnapshot], *, running: int
) -> list[str]:
    movers, waiting = _movers(context), []
    most = _tier(context).parallel
    if context.vault.store.stat(layout.FILES_CONFIG) is None:
        most = 1  # two that make the repository at once could each make one
    for snapshot in idle:
        title = snapshot.volume.title
        if running < most:
            try:
                movers.start(Save(snapshot))
            except LifeboatError as error:
                if error.retryable:
                    raise
                failed = MoveState("failed", error=f"could not be started: {error.message}")
                _account(context, scope, snapshot, failed)
                continue
            running += 1
        waiting.append(f"{title} (not begun)")
    return waiting


def _account(context: Context, scope: Scope, snapshot: StoredSnapshot, state: MoveState) -> None:
    """The document first: what is on record need not be done again."""
    if state.saved is None:
        moved = _left_out(context, snapshot, state.error or "its pod told nothing")
    else:
        copy = FileCopy(
            volume=snapshot.volume,
            id=state.saved.id,
            files=state.saved.files,
            bytes=state.saved.bytes,
            added=state.saved.added,
            size=snapshot.size,
            cut=snapshot.created,
            content_digest=snapshot.content_digest,
        )
        moved = MovedVolume(snapshot.volume.title, copy=copy)
    _settle(context, scope, moved)
    _movers(context).finish(Save(snapshot))


def _left_out(context: Context, snapshot: StoredSnapshot, reason: str) -> MovedVolume:
    warn = context.instance.policy.volumes.on_unprotected == "warn"
    title = snapshot.volume.title
    what = LeftOut(
        f"files of volume {title}",
        f"not in the vault: {reason}; its snapshot beside the disk is all there is",
        severity="note" if warn else "loss",
    )
    return MovedVolume(title, left_out=what)


def _key(scope: Scope, title: str) -> str:
    digest = hashlib.sha256(title.encode()).hexdigest()[:16]
    return layout.part(scope.instance, scope.point, f"files-{digest}")


def _known(context: Context, scope: Scope, title: str) -> MovedVolume | None:
    return context.vault.find_document(_key(scope, title), MovedVolume)


def _settle(context: Context, scope: Scope, moved: MovedVolume) -> MovedVolume:
    return context.vault.settle_document(_key(scope, moved.title), moved, MovedVolume)


def _standing(state: MoveState) -> str:
    if state.percent is not None:
        return f"{state.percent} %"
    return state.detail or "under way"


def _tier(context: Context) -> VaultTier:
    return context.instance.policy.volumes.vault_tier or VaultTier()


def _movers(context: Context) -> Movers:
    if context.movers is None:
        raise Unsupported("files of volumes cannot be copied here: no mover was opened")
    return context.movers
