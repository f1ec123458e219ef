"""What a point has to say of its freeze: for its manifest, its warnings and what it leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from lifeboat.clock import parse_rfc3339
from lifeboat.point.manifest import Freeze, HookRun, LeftOut
from lifeboat.ports.disks import StoredSnapshot
from lifeboat.steps.context import Context
from lifeboat.steps.hook_record import Attempt, Frozen, Phase, asked_by, attempts
from lifeboat.steps.hook_run import does, fails
from lifeboat.steps.scope import Scope


@dataclass(frozen=True)
class FreezeFacts:
    """`freeze` is unset where nothing was stilled."""

    freeze: Freeze | msgspec.UnsetType = msgspec.UNSET
    warnings: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def freeze_facts(
    context: Context, scope: Scope, snapshots: Iterable[StoredSnapshot]
) -> FreezeFacts:
    """Of the last attempt: it is the one in which the snapshots were cut."""
    made = list(attempts(context.vault, scope.instance, scope.point))
    if not made:
        return FreezeFacts()
    attempt, frozen = made[-1]
    thawed = attempt.thawed()
    runs = tuple(_runs(attempt, frozen))
    uncut = _uncut(made, snapshots)
    freeze = Freeze(
        began=frozen.began,
        ended=thawed.ended if thawed else "",
        attempts=attempt.number + 1,
        early=thawed.early if thawed else "",
        uncut=uncut,
        hooks=tuple(run for run, _ in runs),
    )
    warnings = [*frozen.notes]
    warnings += [f"hook: {run.trouble}" for run, loss in runs if run.trouble and not loss]
    warnings += [f"hook: {run.note}" for run, _ in runs if run.note]
    warnings += [_told(title, freeze) for title in uncut]
    if thawed is None:
        warnings.append("hooks: what they stilled had not been brought back when this was written")
    left_out = tuple(LeftOut(f"stillness of {run.what}", run.trouble) for run, loss in runs if loss)
    return FreezeFacts(freeze, tuple(warnings), left_out)


def _runs(attempt: Attempt, frozen: Frozen) -> Iterator[tuple[HookRun, bool]]:
    """Every phase that ran, and whether its trouble is a loss: a pod asked for stillness and did
    not get it."""
    phases: tuple[Phase, ...] = ("pre", "post")
    for phase in phases:
        for number, action in enumerate(frozen.actions):
            outcome = attempt.outcome(phase, number) if does(action, phase) else None
            if outcome is None:
                continue
            asker = asked_by(action)
            yield (
                HookRun(
                    what=action.title,
                    phase=phase,
                    asked_by=asker,
                    exit_code=outcome.exit_code,
                    seconds=round(outcome.seconds, 3),
                    trouble=outcome.trouble,
                    note=outcome.note,
                ),
                bool(outcome.trouble) and asker == "pod" and fails(action, phase),
            )


def _uncut(
    made: Sequence[tuple[Attempt, Frozen]], snapshots: Iterable[StoredSnapshot]
) -> tuple[str, ...]:
    """Volumes that were cut while nothing stood still. A driver's time is asked only of those that
    a thaw found uncut or did not look at: its clock need not be ours."""
    ends = [(frozen.began, thawed) for attempt, frozen in made if (thawed := attempt.thawed())]
    doubtful = {title for _, thawed in ends for title in thawed.uncut}
    anyone = any(thawed.early for _, thawed in ends)
    still = [(parse_rfc3339(began), parse_rfc3339(thawed.ended)) for began, thawed in ends]

    def stood_still(created: str) -> bool:
        moment = parse_rfc3339(created) if created else None
        return moment is not None and any(began <= moment < ended for began, ended in still)

    return tuple(
        sorted(
            one.volume.title
            for one in snapshots
            if (anyone or one.volume.title in doubtful) and not stood_still(one.created)
        )
    )


def _told(title: str, freeze: Freeze) -> str:
    why = f" ({freeze.early})" if freeze.early else " at its limit"
    return (
        f"volume {title} was not cut when the freeze ended{why}: its data is as after a power cut"
    )
