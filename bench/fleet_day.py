"""Many instances on one machine, each with a schedule: how late runs start, whether any is missed,
and how much memory Airflow takes.

Rounds are closer than an hour: with `every: 5m` for 30 instances the machine starts 360 runs an
hour, where 200 hourly instances are 200. `jitter` spreads a round, as a fleet's policies should.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles

from bench.bars import Bar, told
from lifeboat.clock import parse_rfc3339
from lifeboat.policy.fires import Fires, offset_of
from lifeboat.policy.schedule import Schedule
from local.airflow_client import AirflowClient
from local.airflow_stack import AirflowStack
from local.api import KubeApi
from local.sessions import members

ROUNDS = 3
_EVERY = timedelta(minutes=5)
_JITTER = timedelta(minutes=4)
_POLICY = """\
clusters: [local]
schedule: {{every: 5m, jitter: 4m}}
objectives: {{rpo: 1h}}
select: {{namespaces: {{include: [fleet-{number}]}}}}
podHooks: {{enabled: false}}
retention: {{keep: {{last: 3}}}}
"""
_GRACE = timedelta(minutes=4)


def write_fleet(policies: Path, instances: int, api: KubeApi) -> list[str]:
    """A policy and an empty namespace each; the instances' ids."""
    ids = []
    for number in range(instances):
        metadata = {"name": f"fleet-{number}"}
        api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        (policies / f"fleet{number:03}.yaml").write_text(_POLICY.format(number=number))
        ids.append(f"fleet{number:03}.local")
    return ids


def fleet_bars(stack: AirflowStack, client: AirflowClient, ids: list[str]) -> list[Bar]:
    """Waits for three rounds; half of a step more, so that the last ones are over."""
    for instance in ids:
        client.wait_for_dag(f"backup.{instance}")
    begin = datetime.now(UTC)
    end = begin + ROUNDS * _EVERY
    most = 0.0
    while datetime.now(UTC) < end + _GRACE:
        most = max(most, _memory(stack.sessions))
        time.sleep(20)
    late, missed = _measured(client, ids, begin, end)
    percentile = quantiles(late, n=20)[-1] if len(late) > 1 else float("inf")
    return [
        told(Bar(f"fleet-start-delay-p95-of-{len(late)}-runs", percentile, 120)),
        told(Bar("fleet-missed-intervals", missed, 0, "", 0)),
        told(Bar("fleet-memory-of-airflow", most / 2**30, 3, "GiB", 2)),
    ]


def _measured(
    client: AirflowClient, ids: list[str], begin: datetime, end: datetime
) -> tuple[list[float], int]:
    """Seconds from each tick to the start of its run's first task; ticks without a whole point."""
    late, missed = [], 0
    for instance in ids:
        dag = f"backup.{instance}"
        runs = {
            parse_rfc3339(run["logical_date"]): run
            for run in client.runs(dag)
            if run["run_type"] == "scheduled"
        }
        for tick in _ticks(instance, begin, end):
            run = runs.get(tick)
            if run is None or run["state"] != "success":
                missed += 1
                continue
            first = min(
                t.started for t in client.task_instances(dag, run["dag_run_id"]) if t.started
            )
            late.append((parse_rfc3339(first) - tick).total_seconds())
    return late, missed


def _ticks(instance: str, begin: datetime, end: datetime) -> Iterator[datetime]:
    fires = Fires(Schedule(every=_EVERY), offset_of(instance, _JITTER))
    tick = fires.at_or_after(begin)
    while tick < end:
        yield tick
        tick += _EVERY


def _memory(sessions: Collection[int]) -> float:
    """Bytes of all processes; what several share counts once (PSS)."""
    total = 0.0
    for process in members(sessions):
        with suppress(OSError):
            for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total
