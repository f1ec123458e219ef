"""Which points a copy lacks: those that its retention would keep if it had every point there is."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from lifeboat.point import catalog
from lifeboat.point.facts import readable_verdicts, removed_points
from lifeboat.point.manifest import Manifest
from lifeboat.policy.retention import decide
from lifeboat.steps.context import Custody
from lifeboat.steps.retained import retention_points
from lifeboat.vault.replica import ensure_same
from lifeboat.vault.vault import Vault


class CopyPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How a copy stands: `vault` its name, `there` the ids of its points, `lacks` those that are to
    be copied, newest first. `unreadable` are points of the first vault that cannot be copied, and
    why."""

    vault: str
    there: tuple[str, ...]
    lacks: tuple[str, ...]
    unreadable: dict[str, str] = {}

    @property
    def newest(self) -> str:
        """The newest point of the copy, empty when it has none."""
        return max(self.there, default="")


def wanted_by(source: Vault, copies: Iterable[Custody]) -> frozenset[str]:
    """Ids of the points that some copy wants and lacks: the first vault keeps them for it."""
    return frozenset(point for copy in copies for point in plan_copy(source, copy).lacks)


def plan_copy(source: Vault, copy: Custody) -> CopyPlan:
    """Reads the catalogs of both places. A point that was removed from the copy on purpose is not
    to be copied again; what the first vault removed has no bearing on the copy.

    Raises UsageError when the two are not the same vault.
    """
    ensure_same(source, copy.vault)
    instance = copy.instance.id
    readable, unreadable = catalog.readable(source, instance)
    there = set(catalog.point_ids(copy.vault, instance))
    removed = removed_points(copy.vault, instance)
    wanted = _wanted(source, copy, readable, there)
    return CopyPlan(
        vault=copy.instance.vault.name,
        there=tuple(sorted(there)),
        lacks=tuple(
            sorted((m.point for m in readable if m.point in wanted - there - removed), reverse=True)
        ),
        unreadable={p: why for p, why in unreadable.items() if p not in there},
    )


def _wanted(source: Vault, copy: Custody, readable: list[Manifest], there: set[str]) -> set[str]:
    """Ids that the copy's retention keeps, of all points of both places."""
    instance = copy.instance.id
    here = {manifest.point for manifest in readable}
    only_there, _ = catalog.readable(copy.vault, instance, there - here)  # scrub names the others
    points = [
        point
        for vault, manifests in ((source, readable), (copy.vault, only_there))
        for point in retention_points(
            vault, instance, manifests, verdicts=readable_verdicts(vault, instance)
        )
    ]
    decision = decide(points, copy.instance.policy.retention, copy.clock())
    return {kept.id for kept in decision.keep}
