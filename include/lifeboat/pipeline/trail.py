"""What tasks leave in the vault's audit trail: who triggered, approved, deleted.

Who it was comes with the run that a task is told of, never from Airflow's database. A run of a
schedule has nobody behind it: its points say so themselves, and only what it deletes is an event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import get_current_context

if TYPE_CHECKING:
    from datetime import datetime

    from lifeboat.point.audit import Actor
    from lifeboat.policy.instance import Instance
    from lifeboat.steps.context import Custody
    from lifeboat.vault.vault import Vault

_BY_A_PERSON = ("manual", "operator_triggered", "backfill")


def by_a_person() -> bool:
    """Whether somebody asked for this run."""
    return str(get_current_context()["dag_run"].run_type.value) in _BY_A_PERSON


def leave_at(
    place: Custody,
    action: str,
    subject: str = "",
    detail: str = "",
    who: str | None = None,
    moment: str = "",
) -> None:
    """One event about an instance, once for a run however often its task is tried. `who`: another
    person than the one who triggered the run; `moment` (RFC 3339): when they did it, where that may
    be long after the run began; by it the event is sorted and found."""
    leave(place.vault, place.instance, action, place.clock(), subject, detail, who, moment)


def leave(
    vault: Vault,
    instance: Instance,
    action: str,
    now: datetime,
    subject: str = "",
    detail: str = "",
    who: str | None = None,
    moment: str = "",
) -> None:
    """As `leave_at`, where only a vault is open. Locked, where the store can, as long as points
    are."""
    from lifeboat.point.audit import Deed, record

    deed = Deed(action, instance.id, subject, detail)
    record(vault, _actor(who, moment), deed, now, instance.policy.retention.locked_until(now))


def _actor(who: str | None, moment: str) -> Actor:
    from lifeboat.clock import rfc3339
    from lifeboat.point.audit import Actor

    run = get_current_context()["dag_run"]
    began = run.start_date or run.run_after
    assert began is not None  # the run of a task has begun
    return Actor(
        who=(run.triggering_user_name or "") if who is None else who,
        how="airflow",
        dag=run.dag_id,
        run=run.run_id,
        trigger=str(run.run_type.value),
        attempt=moment or rfc3339(began),
    )
