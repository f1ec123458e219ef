"""The timetable of schedules that Airflow has none for: at distances, by age, spread over a fleet.

Registered with Airflow by the plugin: the scheduler makes it from what the DAG's serialized form
says of it, and reads no policy. Which moments are ticks is the engine's (lifeboat.policy.fires);
which of them is next is decided as Airflow's own cron timetable decides it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable
from typing_extensions import override

from lifeboat.clock import utc_now
from lifeboat.policy.fires import Fires
from lifeboat.policy.schedule import Schedule

_INSTANT = timedelta(microseconds=1)


class PolicyTimetable(Timetable):
    """Runs at the ticks of a timed schedule, each `offset` later."""

    def __init__(self, schedule: Schedule, offset: timedelta = timedelta(0)) -> None:
        self._schedule = schedule
        self._offset = offset
        self._fires = Fires(schedule, offset)
        self.description = f"{schedule}, {offset} later" if offset else str(schedule)

    @property
    @override
    def summary(self) -> str:
        return str(self._schedule)

    @override
    def serialize(self) -> dict[str, Any]:
        plain = self._schedule.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        plain.pop("after", None)  # the assets are beside it in the DAG
        return {"schedule": plain, "offset": self._offset.total_seconds()}

    @override
    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> PolicyTimetable:
        return cls(Schedule.model_validate(data["schedule"]), timedelta(seconds=data["offset"]))

    @override
    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        return DataInterval.exact(run_after)

    @override
    def next_dagrun_info(
        self,
        *,
        last_automated_data_interval: DataInterval | None,
        restriction: TimeRestriction,
    ) -> DagRunInfo | None:
        """After an outage the newest missed tick, and only that, unless `catchup` asks for all (a
        backfill does). A new policy waits for its next tick."""
        now = utc_now()
        candidates = []
        if last_automated_data_interval is not None:
            past = _plain(last_automated_data_interval.end) + _INSTANT
            candidates.append(self._fires.at_or_after(past))
            if not restriction.catchup:
                candidates.append(self._fires.before(now + _INSTANT))
        elif restriction.earliest is None or not restriction.catchup:
            candidates.append(self._fires.at_or_after(now))
        if restriction.earliest is not None:
            candidates.append(self._fires.at_or_after(_plain(restriction.earliest)))
        tick = pendulum.instance(max(candidates))
        if restriction.latest is not None and restriction.latest < tick:
            return None
        return DagRunInfo.exact(tick)


def _plain(moment: datetime) -> datetime:
    """Pendulum's moments do not reckon with a plain timedelta in every way."""
    return datetime.combine(moment.date(), moment.time(), moment.tzinfo).astimezone(UTC)
