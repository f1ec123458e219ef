"""The `retention` section of a policy: which points stay. `policy.retention` decides by it.

Contradictions are refused here, where the file can still be mended.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from lifeboat.policy.fields import Count, Strict, Switch, refuse
from lifeboat.policy.schedule import check_zone
from lifeboat.policy.spans import Amount, Expiry, Span, SpanField

Tier = Literal["hourly", "daily", "weekly", "monthly", "yearly"]
TIERS: tuple[Tier, ...] = ("hourly", "daily", "weekly", "monthly", "yearly")
"""From the shortest period to the longest."""

PERIODS: dict[Tier, str] = {
    "hourly": "hour",
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
    "yearly": "year",
}

SHORTEST: dict[Tier, timedelta] = {
    "hourly": timedelta(hours=1),
    "daily": timedelta(days=1),
    "weekly": timedelta(weeks=1),
    "monthly": timedelta(days=28),
    "yearly": timedelta(days=365),
}
"""The shortest that each period is."""

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = (
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
)  # fmt: skip


def _derived_from(text: str) -> Any:
    def mark(schema: dict[str, Any]) -> None:
        schema.pop("default")
        schema["x-default"] = text

    return mark


def _tier(period: str, example: int | str) -> Any:
    return Field(
        default=None,
        description=f"One good point of each {period}: of the newest N {period}s that have one, or"
        " for a duration after it was captured. Default none.",
        examples=[example],
    )


class Keep(Strict):
    """Which good points to keep: any of these, and a point stays as long as one of them keeps it.
    A number counts; a duration (72h, 30d, 12w, 12mo, 3y, or ISO 8601 such as P12M) lets a point
    expire that long after its capture."""

    last: Amount | None = Field(
        default=None,
        description="The newest N good (complete) points stay, or every good point for a duration."
        " Default none; one of the keys of keep is required, because a policy that keeps nothing"
        " protects nothing.",
        examples=[7],
    )
    hourly: Amount | None = _tier("hour", 24)
    daily: Amount | None = _tier("day", "30d")
    weekly: Amount | None = _tier("week", 4)
    monthly: Amount | None = _tier("month", "12mo")
    yearly: Amount | None = _tier("year", "3y")

    @property
    def tiers(self) -> dict[Tier, int | Span]:
        """The periodic tiers that are written, shortest period first."""
        return {tier: amount for tier in TIERS if (amount := getattr(self, tier)) is not None}

    @property
    def amounts(self) -> dict[str, int | Span]:
        """All that is written, `last` first."""
        written: dict[str, int | Span] = {} if self.last is None else {"last": self.last}
        written.update((str(tier), amount) for tier, amount in self.tiers.items())
        return written

    @model_validator(mode="after")
    def _keeps_something(self) -> Keep:
        if not self.amounts:
            raise refuse(
                "a value. The newest N good points, such as last: 14, or another of"
                f" {', '.join(TIERS)}: a policy that keeps nothing protects nothing",
                found="nothing",
                at=("last",),
            )
        for tier, amount in self.tiers.items():
            shortest = SHORTEST[tier]
            if isinstance(amount, Span) and amount.roughly < shortest:
                # Else its first point expires before the next is due, and a later one is "first".
                raise refuse(
                    f"at least {Span(rest=shortest)}, one {PERIODS[tier]}: a shorter time leaves"
                    f" the end of each {PERIODS[tier]} without its point",
                    found=str(amount),
                    at=(tier,),
                )
        return self


class Retention(Strict):
    """What prune may remove. Points on hold, locked or in use always stay, whatever is written
    here. docs/retention.md explains the rules with examples."""

    keep: Keep = Field(description="The points that stay.")
    min_good: Count = Field(
        default=1,
        ge=1,
        description="At least this many good points stay, however old. Default 1, so that failing"
        " backups never use up the last good point.",
        examples=[1],
    )
    min_verified: Count = Field(
        default=1,
        ge=0,
        description="At least this many points that a test restore proved stay, however old."
        " Default 1; 0 for none.",
        examples=[1],
    )
    failed_last: Count = Field(
        default=1,
        ge=0,
        description="Of the incomplete points that are newer than the newest good one, the newest N"
        " stay for what they do hold; older ones go. Default 1; 0 for none.",
        examples=[1],
    )
    select: Literal["first", "last"] = Field(
        default="first",
        description="Which good point stands for an hour, day, week, month or year: the first or"
        " the last that was captured in it. Default first: when the midnight run fails, the next"
        " that succeeds takes its place.",
        examples=["first"],
    )
    one_tag: Switch = Field(
        default=False,
        description="Whether each point counts in one tier only, the longest whose first point it"
        " is, as the tags of Azure Backup do; all others count as last. Wants durations."
        " Default false: a point counts in every tier.",
    )
    timezone: Annotated[str, AfterValidator(lambda zone: check_zone(zone) if zone else zone)] = (
        Field(
            default="",
            description="The IANA time zone in which hours, days, weeks, months and years begin."
            " Default: the schedule's, else UTC. On the two days a year on which the clocks change"
            " there, a day has 23 or 25 hours, and as many hourly points.",
            examples=["UTC"],
            json_schema_extra=_derived_from("the schedule's"),
        )
    )
    day_start: str = Field(
        default="00:00",
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
        description="When a day begins, HH:MM: a point captured before it belongs to the day"
        " before. Default 00:00.",
        examples=["00:00"],
    )
    week_start: Weekday = Field(
        default="monday",
        description="The day a week begins on. Default monday, as ISO 8601; Azure Backup and Kasten"
        " begin on sunday.",
    )
    month_start: Count = Field(
        default=1,
        ge=1,
        le=28,
        description="The day a month begins on, 1 to 28 (days that every month has). Default 1.",
        examples=[1],
    )
    year_start: Count = Field(
        default=1,
        ge=1,
        le=12,
        description="The month a year begins with, 1 to 12. Default 1, January.",
        examples=[1],
    )
    on_demand: Expiry | None = Field(
        default=None,
        description="How long points made on demand (triggered by a person) stay: a duration, or"
        " forever. They then count in no tier and push no scheduled point out. Default none: they"
        " count like scheduled ones.",
        examples=["30d"],
    )
    lock: SpanField | None = Field(
        default=None,
        description="For how long after its capture nothing and nobody may remove a point, a"
        " duration. A point keeps the lock of the policy that made it, and a longer one written"
        " later counts too. Default none.",
        examples=["7d"],
    )

    @property
    def day_begins(self) -> time:
        return time.fromisoformat(self.day_start)

    def locked_until(self, made: datetime) -> datetime | None:
        """Until when nobody may remove what was made then; None without a lock."""
        return self.lock.after(made) if self.lock else None

    @model_validator(mode="after")
    def _floor_below_count(self) -> Retention:
        amounts = self.keep.amounts
        counts = [amount for amount in amounts.values() if isinstance(amount, int)]
        if len(counts) == len(amounts) and self.min_good > sum(counts):
            names = " + ".join(f"keep.{name} ({amount})" for name, amount in amounts.items())
            raise refuse(
                f"at most {names}: a minimum above the count overrules it; raise"
                f" keep.{next(iter(amounts))} instead",
                found=str(self.min_good),
                at=("minGood",),
            )
        return self

    @model_validator(mode="after")
    def _one_tag_is_a_duration(self) -> Retention:
        if not self.one_tag:
            return self
        before: tuple[str, Span] | None = None
        for name, amount in self.keep.amounts.items():
            if isinstance(amount, int):
                raise refuse(
                    "a duration such as 30d or 12mo: with oneTag each point gets one duration",
                    found=str(amount),
                    at=("keep", name),
                )
            if before and amount.roughly < before[1].roughly:
                # Else the point after it would be the period's first, and expire at once as well.
                raise refuse(
                    f"at least {before[1]}, which keep.{before[0]} has: with oneTag the point that"
                    " stands for a longer period stays as long as the others or longer",
                    found=str(amount),
                    at=("keep", name),
                )
            before = (name, amount)
        if self.select == "last":
            raise refuse(
                "first: with oneTag a point's tier is settled once it is made, and the last point"
                " of a period is not known then",
                found="last",
                at=("select",),
            )
        return self

    @model_validator(mode="after")
    def _lock_below_keep(self) -> Retention:
        if self.lock is None:
            return self
        spans = [a for a in self.keep.amounts.values() if isinstance(a, Span)]
        longest = max(spans, key=lambda span: span.roughly, default=None)
        bounds = {"the longest of keep": longest if len(spans) == len(self.keep.amounts) else None}
        if isinstance(self.on_demand, Span):
            bounds["onDemand"] = self.on_demand
        for name, bound in bounds.items():
            if bound and self.lock.roughly > bound.roughly:
                raise refuse(
                    f"at most {bound}, {name}: a longer lock overrules it; lengthen that instead",
                    found=str(self.lock),
                    at=("lock",),
                )
        return self
