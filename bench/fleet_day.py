"""Many instances on one machine, each with a schedule: how late runs start, whether any is missed,
and how much memory Airflow takes.

Rounds are closer than an hour, and as long as the fleet needs: 6 s an instance, where an hour has
18 s for each of 200. So 200 instances have a round of 20 minutes, and the machine starts 600 runs
an hour, three times what an hourly fleet of 200 asks of it. `jitter` spreads a round, as a fleet's
policies should: each instance has its own moment of it, the same in every round.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any

from bench.bars import Bar, told
from lifeboat.clock import parse_rfc3339
from lifeboat.policy.fields import format_duration
from lifeboat.policy.fires import Fires, offset_of
from lifeboat.policy.schedule import Schedule
from local.airflow_client import AirflowClient
from local.airflow_stack import AirflowStack
from local.api import KubeApi
from local.cache import Report
from local.sessions import members

ROUNDS = 3
AN_INSTANCE = timedelta(seconds=6)
"""What a round has for each instance."""

SETTINGS = {"AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "120"}
"""What docs/operations.md, "A fleet", asks of Airflow for as many instances."""

_SHORTEST = timedelta(minutes=5)  # of `every` in a policy
_MINUTE = timedelta(minutes=1)
_GRACE = timedelta(minutes=10)  # for the last runs to end
_LOOK_SECONDS = 20
_POLICY = """\
clusters: [local]
schedule: {{every: {every}, jitter: {jitter}}}
objectives: {{rpo: 1h}}
select: {{namespaces: {{include: [fleet-{number}]}}}}
podHooks: {{enabled: false}}
retention: {{keep: {{last: 3}}}}
"""
_Run = dict[str, Any]


@dataclass(frozen=True)
class Fleet:
    """As many instances of one cluster, a policy and an empty namespace each."""

    instances: int

    @property
    def every(self) -> timedelta:
        """How long a round is: in whole minutes, which are what a policy's `every` is told in."""
        minutes = math.ceil(self.instances * AN_INSTANCE / _MINUTE)
        return max(_SHORTEST, minutes * _MINUTE)

    @property
    def jitter(self) -> timedelta:
        """Over how much of a round the instances are spread."""
        return self.every - _MINUTE

    @property
    def ids(self) -> list[str]:
        return [f"fleet{number:03}.local" for number in range(self.instances)]

    def write(self, policies: Path, api: KubeApi) -> None:
        """The policies, and the namespaces that they select."""
        every, jitter = format_duration(self.every), format_duration(self.jitter)
        for number in range(self.instances):
            metadata = {"name": f"fleet-{number}"}
            api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
            text = _POLICY.format(number=number, every=every, jitter=jitter)
            (policies / f"fleet{number:03}.yaml").write_text(text)

    def ticks(self, instance: str, begin: datetime, end: datetime) -> Iterator[datetime]:
        """When an instance's backups are due, in [begin, end)."""
        fires = Fires(Schedule(every=self.every), offset_of(instance, self.jitter))
        tick = fires.at_or_after(begin)
        while tick < end:
            yield tick
            tick += self.every


def fleet_bars(
    stack: AirflowStack, client: AirflowClient, fleet: Fleet, report: Report
) -> list[Bar]:
    """Waits for three rounds, and until the runs of the last ticks are over."""
    report(f"{fleet.instances} instances, {ROUNDS} rounds of {format_duration(fleet.every)}")
    for instance in fleet.ids:
        client.wait_for_dag(f"backup.{instance}", seconds=600)
    begin = datetime.now(UTC)
    end = begin + ROUNDS * fleet.every
    most = 0.0
    while (now := datetime.now(UTC)) < end + _MINUTE or (
        now < end + _GRACE and _under_way(client, end)
    ):
        stack.check()
        most = max(most, _memory(stack.sessions))
        report(
            f"  {(now - begin) / _MINUTE:.1f} min: {_count(client, now, 'success')} runs succeeded,"
            f" {_under_way(client, now)} under way, {most / 2**30:.2f} GiB at the most"
        )
        time.sleep(_LOOK_SECONDS)
    late, missed = _measured(client, fleet, begin, end)
    percentile = quantiles(late, n=20)[-1] if len(late) > 1 else float("inf")
    return [
        told(Bar(f"fleet-start-delay-p95-of-{len(late)}-runs", percentile, 120)),
        told(Bar("fleet-missed-intervals", missed, 0, "", 0)),
        told(Bar("fleet-memory-of-airflow", most / 2**30, 3, "GiB", 2)),
    ]


def _count(client: AirflowClient, before: datetime, state: str) -> int:
    """Runs of any DAG that were due before a moment and are in this state."""
    found = client.request(
        "GET", "/api/v2/dags/~/dagRuns", state=state, run_after_lt=before.isoformat(), limit=1
    )
    return int(found["total_entries"])


def _under_way(client: AirflowClient, before: datetime) -> int:
    return _count(client, before, "queued") + _count(client, before, "running")


def _measured(
    client: AirflowClient, fleet: Fleet, begin: datetime, end: datetime
) -> tuple[list[float], int]:
    """Seconds from each tick to the start of its run's first task; ticks without a whole point.

    A run that has not ended counts as missed: its point is not there.
    """
    late, missed = [], 0
    for instance in fleet.ids:
        dag = f"backup.{instance}"
        runs = _scheduled(client, dag)
        for tick in fleet.ticks(instance, begin, end):
            run = runs.get(tick)
            if run is not None:
                late += _delay(client, dag, run, tick)
            missed += run is None or run["state"] != "success"
    return late, missed


def _scheduled(client: AirflowClient, dag: str) -> Mapping[datetime, _Run]:
    """The runs of the schedule, by tick."""
    return {
        parse_rfc3339(run["logical_date"]): run
        for run in client.runs(dag)
        if run["run_type"] == "scheduled"
    }


def _delay(client: AirflowClient, dag: str, run: _Run, tick: datetime) -> list[float]:
    """Seconds to the first task's start; nothing where none has started, which is a run that was
    missed."""
    tasks = client.task_instances(dag, run["dag_run_id"])
    started = [parse_rfc3339(task.started) for task in tasks if task.started]
    return [(min(started) - tick).total_seconds()] if started else []


def _memory(sessions: Collection[int]) -> float:
    """Bytes of all processes, the database's too; what several share counts once (PSS)."""
    total = 0.0
    for process in members(sessions):
        with suppress(OSError):
            for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total
