"""The task that removes expired points, of backups and of upkeep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lifeboat.pipeline.opening import leaving_errors, open_copies, open_instance, say
from lifeboat.pipeline.trail import leave_at

if TYPE_CHECKING:
    from lifeboat.steps.context import Custody
    from lifeboat.steps.prune import PrunePlan, PruneResult


def prune(instance: str) -> dict[str, Any]:
    """Removes what the policy no longer keeps, but nothing that a copy still lacks; then from each
    copy what its own retention does not keep."""
    from lifeboat.steps.copy_plan import wanted_by
    from lifeboat.steps.prune import plan_prune

    with leaving_errors():
        opened = open_instance(instance)
        _, copies = open_copies(instance)
        plan = plan_prune(opened, wanted_by(opened.vault, copies))
        for kept in plan.keep:
            if kept.point in plan.spared:
                say(f"goes because of an edit: {kept.point} ({', '.join(kept.reasons)})")
        result = _pruned(opened, plan)
        for there in copies:
            _pruned(there, plan_prune(there))
    return {"kept": result.kept, "removed": len(result.removed)}


def _pruned(place: Custody, plan: PrunePlan) -> PruneResult:
    from lifeboat.steps.prune import execute_prune, going

    if plan.remove:
        leave_at(place, "delete", detail=going(plan))
    result, vault = execute_prune(place, plan), place.instance.vault.name
    say(f"{vault}: kept {result.kept} points, removed {len(result.removed)}")
    for point in result.removed:
        say(f"removed {point}")
    for leftover in result.leftovers:
        say(f"could not be removed: {leftover}")
    return result
