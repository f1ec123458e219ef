"""Airflow pools: how much a cluster, or a region of a subscription, is asked to do at once by all
policies together.

A task whose pool does not exist waits for ever, and only the scheduler's log says so. So nobody
gets a pool who has not asked for one in clusters.yaml; then its name follows from what it protects.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from lifeboat.policy.fields import Strict, refuse

LEAST_SLOTS = 4
"""What the widest task takes: a dump with four requests open."""


class Pool(Strict):
    """A pool of Airflow that tasks take slots of; made by `lifeboat pools`."""

    slots: Annotated[int, Field(strict=True, ge=LEAST_SLOTS, le=1024)] = Field(
        description="How many requests all backups together may have open, 4 to 1024: a dump takes"
        " four slots, a batch of snapshots four, a look at copies one.",
        examples=[16],
    )


@dataclass(frozen=True)
class PoolSpec:
    """A pool as `airflow pools import` wants it."""

    slots: int
    description: str
    include_deferred: bool = False


def cluster_pool(cluster: str) -> str:
    """The pool of one API server."""
    return f"lifeboat-cluster-{cluster}"


def disks_pool(subscription: str, location: str) -> str:
    """The pool of Azure's disks: its limits are those of a subscription in a region."""
    return f"lifeboat-disks-{subscription.lower()}-{location}"


Wish = tuple[str, Pool | None, str, tuple[str | int, ...]]
"""Name, pool, description, and where in clusters.yaml it stands."""


def joined(wanted: Iterable[Wish]) -> dict[str, PoolSpec]:
    """Pools by name.

    Raises a refusal when two places want the same pool to be of different sizes.
    """
    found: dict[str, PoolSpec] = {}
    for name, pool, description, at in wanted:
        if pool is None:
            continue
        spec = PoolSpec(pool.slots, description)
        known = found.setdefault(name, spec)
        if known.slots != spec.slots:
            raise refuse(
                f"{known.slots} slots, as an earlier cluster says of the same pool {name}",
                found=str(spec.slots),
                at=at,
            )
    return found
