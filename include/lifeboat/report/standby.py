"""How standbys stand against their objective: read from the vault alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from lifeboat.clock import parse_rfc3339
from lifeboat.point import catalog, layout
from lifeboat.point.standby import Standing, read_standing
from lifeboat.policy.fields import format_duration
from lifeboat.policy.instance import Instance
from lifeboat.vault.vault import Vault

State = Literal[
    "in step", "behind", "partial", "syncing", "empty", "failing-over", "active", "failing-back"
]


class StandbyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One standby. `lag_seconds`: how old what lies there is, None where nothing does;
    `limit_seconds` the objective, 0 where no policy says one. `missing`: what was not brought."""

    instance: str
    cluster: str
    state: State
    point: str = ""
    captured: str = ""
    lag_seconds: float | None = None
    limit_seconds: float = 0.0
    since: str = ""
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def lag(self) -> str:
        """For people."""
        return "-" if self.lag_seconds is None else _words(self.lag_seconds)

    @property
    def limit(self) -> str:
        """For people."""
        return _words(self.limit_seconds) if self.limit_seconds else "-"


def standby_row(vault: Vault, instance: Instance, now: datetime) -> StandbyRow | None:
    """The row of an instance; None where its policy has no standby."""
    policy = instance.policy
    if policy.standby is None or policy.max_lag is None:
        return None
    cluster, limit = policy.standby.cluster, policy.max_lag.total_seconds()
    return row_of(
        read_standing(vault, instance.id, cluster), instance.id, cluster, limit=limit, now=now
    )


def standbys_in(vault: Vault) -> Iterator[tuple[str, str]]:
    """Instance and cluster of every standby that has a log in the vault; no policy is asked."""
    for instance in catalog.instances(vault):
        prefix = f"{layout.instance_root(instance)}standby/"
        keys = [stat.key.removeprefix(prefix) for stat in vault.store.list(prefix)]
        yield from ((instance, name) for name in sorted({key.partition("/")[0] for key in keys}))


def row_of(
    standing: Standing, instance: str, cluster: str, *, limit: float, now: datetime
) -> StandbyRow:
    """`limit` in seconds, 0 for none."""
    brought, head = standing.brought, standing.head
    lag = (now - parse_rfc3339(brought.captured)).total_seconds() if brought else None
    return StandbyRow(
        instance=instance,
        cluster=cluster,
        state=_state(standing, lag, limit),
        point=brought.point if brought else "",
        captured=brought.captured if brought else "",
        lag_seconds=lag,
        limit_seconds=limit,
        since=(standing.turned or brought or head).at if head else "",
        missing=(head.missing or head.failed) if head else (),
        notes=head.notes if head else (),
    )


def _state(standing: Standing, lag: float | None, limit: float) -> State:
    if standing.mode != "warm":
        return standing.mode
    head, brought = standing.head, standing.brought
    if lag is not None and limit and lag > limit:
        return "behind"
    if head is not None and head.event == "syncing":
        return "syncing"
    if brought is None:
        return "empty"
    return "partial" if standing.touched or not brought.whole else "in step"


def _words(seconds: float) -> str:
    return format_duration(timedelta(seconds=max(0, int(seconds))))
