"""What an instance's points take in the vault, how that grows, and what it costs.

Everything is measured: sizes are those of the packs that lie there, growth is what the last points
added. A price is the user's own; without one there is no cost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from lifeboat.point import layout
from lifeboat.point.liveness import needed_by
from lifeboat.point.manifest import Manifest
from lifeboat.policy.fires import Fires
from lifeboat.policy.instance import Instance
from lifeboat.policy.retention import RetentionPoint
from lifeboat.policy.steady import SNAPSHOT_LIMIT, first_beyond, steady_state
from lifeboat.vault.packs import ROOT as PACKS
from lifeboat.vault.vault import Vault

_MEASURED = 30
_MONTH = timedelta(days=30)
_ANY_MONTH = datetime(2027, 6, 30, tzinfo=UTC)  # so that the same schedule has the same number
GIB = 1 << 30


@dataclass(frozen=True)
class Growth:
    """Bytes are of the vault. `measured` points, the newest ones that had a point before them,
    added `delta` on average; None while there is no such point. `written_monthly` is that times the
    runs of 30 days; `steady` the least that the policy's points will take together (the first
    point, and one average delta for each other). `limit_on` is the day on which there would be more
    than 500 points, holds included; None for not within three years."""

    points: int
    stored: int
    measured: int
    delta: int | None
    written_monthly: int | None
    steady: int | None
    limit_on: datetime | None


def measure_growth(
    vault: Vault,
    instance: Instance,
    manifests: list[Manifest],
    points: Iterable[RetentionPoint],
    now: datetime,
) -> Growth:
    """`manifests` oldest first and `points` are the same ones; lists the vault's packs once."""
    policy = instance.policy
    followers = [m for m in manifests if m.previous][-_MEASURED:]
    delta = sum(m.new_bytes for m in followers) // len(followers) if followers else None
    monthly = steady = None
    found = steady_state(policy)
    if delta is not None and policy.rhythm is not None and found is not None:
        fires = Fires(policy.rhythm).backwards(_ANY_MONTH)
        runs = sum(1 for _ in takewhile(lambda fire: fire > _ANY_MONTH - _MONTH, fires))
        monthly = delta * runs
        full = max(m.new_bytes for m in manifests)
        steady = full + delta * (found.points - 1)
    return Growth(
        points=len(manifests),
        stored=_stored(vault, manifests),
        measured=len(followers),
        delta=delta,
        written_monthly=monthly,
        steady=steady,
        limit_on=first_beyond(policy, points, SNAPSHOT_LIMIT, now),
    )


def monthly_cost(instance: Instance, stored: int) -> float | None:
    """In the vault's currency; None when nobody wrote a price."""
    price = instance.vault.price
    return None if price is None else stored / GIB * price.gib_month


def _stored(vault: Vault, manifests: list[Manifest]) -> int:
    packs = needed_by(vault, manifests).packs
    stats = vault.store.list(PACKS)
    return sum(stat.size for stat in stats if layout.last_segment(stat.key) in packs)
