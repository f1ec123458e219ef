"""How the measured and the live part of `lifeboat policy explain` are told on a terminal."""

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
    if instance.policy.volumes.snapshot:
        lines.append("- snapshots beside the disks cost extra: points do not know their deltas")
    return [*lines, ""]


def _cost(instance: Instance, stored: int) -> str:
    price, cost = instance.vault.price, monthly_cost(instance, stored)
    if price is None or cost is None:
        return ""
    return f" = {cost:.2f} {price.currency} a month (price of {price.as_of})"


def describe_preview(found: Preview) -> list[str]:
    """What a backup would look at now."""
    lines = ["### Selected right now", ""]
    for name, items in (
        ("namespaces", found.namespaces),
        ("kinds", found.kinds),
        ("volumes", found.volumes),
    ):
        lines.append(f"- {len(items)} {name}: {', '.join(items) or 'none'}")
    lines += [f"- not protected: {entry.what}: {entry.reason}" for entry in found.unprotected]
    lines += [f"- **no such kind in this cluster**: {name}" for name in found.unmatched]
    return [*lines, ""]
