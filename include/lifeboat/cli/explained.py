"""How the measured part of `lifeboat policy explain`, and `preview`, are told on a terminal."""

from __future__ import annotations

from lifeboat.cli.output import size
from lifeboat.policy.instance import Instance
from lifeboat.policy.steady import SNAPSHOT_LIMIT
from lifeboat.report.growth import Growth, monthly_cost
from lifeboat.steps.preview import Preview


def describe_growth(instance: Instance, growth: Growth) -> list[str]:
    """Sizes, growth and cost, each with what it was measured on."""
    lines = ["### Measured in the vault", ""]
    lines.append(f"- {growth.points} points, {size(growth.stored)}{_cost(instance, growth.stored)}")
    if growth.delta is None:
        lines.append("- growth: not known before the second point")
    else:
        lines.append(
            f"- the last {growth.measured} points that had one before them added"
            f" {size(growth.delta)} each"
        )
    if growth.written_monthly is not None:
        lines.append(f"- {size(growth.written_monthly)} written in 30 days, before prune")
    if growth.steady is not None:
        told = f"{size(growth.steady)}{_cost(instance, growth.steady)}"
        lines.append(f"- once all tiers are full: at least {told}")
    if growth.limit_on is None:
        lines.append(f"- {SNAPSHOT_LIMIT} points: not reached within three years")
    else:
        lines.append(f"- **more than {SNAPSHOT_LIMIT} points on {growth.limit_on:%Y-%m-%d}**")
    if instance.policy.volumes.takes_snapshots:
        lines.append("- snapshots beside the disks cost extra: points do not know their deltas")
    return [*lines, ""]


def _cost(instance: Instance, stored: int) -> str:
    price, cost = instance.vault.price, monthly_cost(instance, stored)
    if price is None or cost is None:
        return ""
    return f" = {cost:.2f} {price.currency} a month (price of {price.as_of})"


def describe_preview(found: Preview) -> list[str]:
    """What a run would capture now, and what it would leave out and why."""
    lines = [f"{len(found.namespaces)} namespaces: {', '.join(found.namespaces) or 'none'}"]
    lines += [f"  not {name}: {reason}" for name, reason in sorted(found.left_out.items())]
    total = sum(kind.objects for kind in found.kinds)
    most = any(kind.narrowed for kind in found.kinds)
    lines.append(f"{len(found.kinds)} kinds, {'at most ' if most else ''}{total} objects")
    for kind in found.kinds:
        lines.append(f"  {kind.kind}: {'at most ' if kind.narrowed else ''}{kind.objects}")
    if found.needed:
        lines.append(f"and what these need of {', '.join(found.needed)}")
    lines.append(f"{len(found.volumes)} volumes")
    lines += [f"  {one.title}: {one.action} ({one.reason})" for one in found.volumes]
    if found.hooks:
        lines.append(f"{len(found.hooks)} hooks around the snapshots, in this order")
        lines += [
            f"  {one.phases}: {one.what} (asked for by the {one.asked_by})" for one in found.hooks
        ]
    lines += [f"cannot be told: {entry.what}: {entry.reason}" for entry in found.failed]
    lines += [f"warning: {warning}" for warning in found.warnings]
    return lines
