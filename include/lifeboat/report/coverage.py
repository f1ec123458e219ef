"""How much of what is protected is proven: per instance, per cluster, in all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from lifeboat.clock import parse_rfc3339
from lifeboat.point.facts import Verdict, readable_verdicts
from lifeboat.policy.instance import Instance
from lifeboat.vault.vault import Vault

Standing = Literal["proven", "late", "never", "untested", "unreadable"]

WITHIN = timedelta(days=30)
"""The time of a policy that names none."""


class Covered(msgspec.Struct, frozen=True):
    """One instance. proven: some point was proven within its time; late: longer ago; never: no
    test restore has passed; untested: the policy asks for none; unreadable: `detail` says why.
    `proven_at` is RFC 3339, `days` its age, `within_days` the time it has."""

    instance: str
    cluster: str
    standing: Standing
    within_days: float
    point: str = ""
    proven_at: str = ""
    days: float | None = None
    detail: str = ""


class Share(msgspec.Struct, frozen=True):
    """Instances of one cluster, or of all, and how many of them are proven."""

    cluster: str
    instances: int
    proven: int

    @property
    def percent(self) -> float:
        return 100 * self.proven / self.instances if self.instances else 0.0


def covered(vault: Vault, found: Instance, now: datetime, default: timedelta) -> Covered:
    """`default`: the time of a policy without `testRestore.within`. Raises what the vault does."""
    return judged(readable_verdicts(vault, found.id), found, now, default)


def judged(
    verdicts: Sequence[Verdict], found: Instance, now: datetime, default: timedelta
) -> Covered:
    """From the instance's verdicts, oldest first."""
    wanted = found.policy.test_restore
    within = wanted.within if wanted and wanted.within else default
    days = within / timedelta(days=1)
    place = (found.id, found.cluster.name)
    proofs = [verdict for verdict in verdicts if verdict.proven]
    if proofs:
        last = proofs[-1]
        age = now - parse_rfc3339(last.ended)
        standing: Standing = "proven" if age <= within else "late"
        old = round(age / timedelta(days=1), 2)
        return Covered(*place, standing, days, last.point, last.ended, old)
    if wanted is None:
        return Covered(*place, "untested", days, detail="the policy has no testRestore")
    why = verdicts[-1].error or "its checks did not pass" if verdicts else "no test restore ran"
    return Covered(*place, "never", days, detail=why)


def unreadable(found: Instance, default: timedelta, why: str) -> Covered:
    """For an instance whose vault cannot be read."""
    days = default / timedelta(days=1)
    return Covered(found.id, found.cluster.name, "unreadable", days, detail=why)


def by_cluster(rows: Iterable[Covered]) -> list[Share]:
    """One for each cluster, by name; the last, without a name, for all."""
    rows = list(rows)
    clusters = sorted({row.cluster for row in rows})
    return [
        *(_share(name, [row for row in rows if row.cluster == name]) for name in clusters),
        _share("", rows),
    ]


def _share(cluster: str, rows: list[Covered]) -> Share:
    return Share(cluster, len(rows), sum(row.standing == "proven" for row in rows))
