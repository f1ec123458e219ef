"""What was under way when something went wrong, so that nobody need believe that all was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from tests.chaos.campaign import Campaign, Strike
from tests.support.airflow import Lifeboat
from tests.support.celery import tries

PRUNE = "prune"
"""A task of backups and of upkeep."""

Span = tuple[datetime, datetime]


def phases(lifeboat: Lifeboat, campaign: Campaign) -> Counter[str]:
    """How many faults there were while a run of each kind was under way, and while one pruned: from
    when a worker was asked to until it had ended. A fault counts for each of them."""
    pruned = list(_prunes(lifeboat, campaign))
    counts: Counter[str] = Counter()
    for strike in campaign.strikes:
        kinds = {dag.partition(".")[0] for dag in strike.under_way}
        counts.update(kinds or {"nothing"})
        counts[PRUNE] += any(_meet(strike, span) for span in pruned)
    return counts


def _prunes(lifeboat: Lifeboat, campaign: Campaign) -> Iterable[Span]:
    for dag, runs in campaign.ended.items():
        for run in runs:
            for one in tries(lifeboat, dag, run):
                if one["task_id"] == PRUNE and one["queued_when"] and one["end_date"]:
                    yield _when(one["queued_when"]), _when(one["end_date"])


def _when(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _meet(strike: Strike, span: Span) -> bool:
    return strike.began <= span[1] and span[0] <= strike.ended
