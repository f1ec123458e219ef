"""How plans that remove points are told on a terminal."""

from __future__ import annotations

from lifeboat.steps.edit import EditImpact
from lifeboat.steps.prune import PrunePlan


def describe_prune(plan: PrunePlan, *, done: bool) -> list[str]:
    """Every point, kept or removed, with the reasons."""
    verb = "removed" if done else "would remove"
    lines = [f"keep    {k.point}  {', '.join(k.reasons)}" for k in plan.keep]
    lines += [f"{verb} {r.point}  {', '.join(r.reasons)}" for r in plan.remove]
    lines.append(f"{len(plan.keep)} kept, {len(plan.remove)} {verb.removeprefix('would ')}")
    return lines


def describe_impact(found: EditImpact) -> list[str]:
    """What the edit of a policy does, point by point."""
    if not found.against:
        return [f"{found.instance} has no points yet: no edit concerns any"]
    if not found.changed:
        return [f"retention has been the same for a day; the newest point is {found.against}"]
    if found.unreadable:
        return [f"nothing to compare with: {found.unreadable}"]
    lines = [f"the policy was edited after point {found.against}"]
    for verb, effects in (("go", found.goes), ("stay", found.stays)):
        for effect in effects:
            before, after = "; ".join(effect.before), "; ".join(effect.after)
            lines.append(f"{verb:4}  {effect.point}  before: {before}  now: {after}")
    lines.append(
        f"because of the edit {len(found.goes)} points go and {len(found.stays)} stay that would"
        " have gone"
    )
    if found.goes:
        when = f"from {found.from_}" if found.from_ else "a day after the next point"
        lines.append(f"they go {when} on; `lifeboat prune --at-once` does not wait")
    return lines
