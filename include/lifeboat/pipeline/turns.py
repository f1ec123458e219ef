"""Who goes first where Airflow lacks slots: `priority_weight`, the larger the sooner.

Restores before everything, then backups by criticality and RPO, then standbys, then what can wait:
test restores, then upkeep, each by criticality. The weight is absolute: Airflow's own rule adds up
what comes downstream, and a long DAG would go before an urgent one.
"""

from __future__ import annotations

from datetime import timedelta

from lifeboat.policy.fields import CRITICALITIES
from lifeboat.policy.instance import Instance

_YEAR = timedelta(days=366)
_BAND = 10_000
"""Of one criticality; within it, how often the RPO fits into a year, up to every 53 minutes."""
_KIND = _BAND * len(CRITICALITIES)

RESTORE_TURN = 4 * _KIND
"""Of a restore: no backup, however critical, is in front of it. Airflow keeps 32 bits of it."""

WATCH_TURN = RESTORE_TURN + 1
"""Of the watch, which is short, and late when it is needed most."""

DRILLS_TURN = _KIND
"""Of the task that starts test restores, no later than these."""


def backup_turn(instance: Instance) -> int:
    """Of every task of a backup."""
    return 3 * _KIND + _among_its_kind(instance)


def standby_turn(instance: Instance) -> int:
    """Of every task that brings a point to a standby."""
    return 2 * _KIND + _among_its_kind(instance)


def proof_turn(instance: Instance) -> int:
    """Of every task of a test restore."""
    return _KIND + _among_its_kind(instance)


def upkeep_turn(instance: Instance) -> int:
    """Of every task of upkeep."""
    return _among_its_kind(instance)


def _among_its_kind(instance: Instance) -> int:
    """1 to `_KIND` - 1."""
    policy = instance.policy
    urgency = max(1, min(_BAND - 1, int(_YEAR / policy.objectives.rpo)))
    return CRITICALITIES.index(policy.criticality) * _BAND + urgency
