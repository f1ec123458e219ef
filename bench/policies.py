"""What reading policies and deciding on retention costs: Airflow parses every few seconds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

from bench.bars import Bar, told
from lifeboat.policy import steady
from lifeboat.policy.load import parse_policy
from lifeboat.policy.model import Keep, Retention
from lifeboat.policy.retention import RetentionPoint, decide

_HOURS = 8640
_NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
_TIERED = """
clusters: [local]
schedule: {cron: "0 */4 * * *"}
retention: {keep: {last: 7d, daily: 30d, weekly: 12w, monthly: 12mo, yearly: 7y}}
testRestore: {schedule: {cron: "30 5 * * 0"}}
"""


def policy_bars() -> list[Bar]:
    """Milliseconds, the best of five: others may use the machine."""
    points = [
        RetentionPoint(f"p{hours}", _NOW - timedelta(hours=hours), complete=True, verified=False)
        for hours in range(_HOURS)
    ]
    rules = Retention(
        keep=Keep(last=24, daily=7, weekly=4, monthly=12, yearly=7), timezone="Europe/Berlin"
    )
    policy = parse_policy(_TIERED, "bench.yaml", "bench")

    def steady_state() -> None:
        steady._steady.cache_clear()
        steady.steady_state(policy)

    return [
        told(
            Bar("retention-of-8640-points", _best(lambda: decide(points, rules, _NOW)), 500, "ms")
        ),
        told(Bar("steady-state-of-a-policy", _best(steady_state), 50, "ms")),
    ]


def _best(work: Callable[[], object]) -> float:
    took = []
    for _ in range(5):
        began = monotonic()
        work()
        took.append(1000 * (monotonic() - began))
    return min(took)
