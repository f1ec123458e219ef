"""The Markdown that people read before they trigger."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lifeboat.policy.after import BackupSchedule
from lifeboat.policy.explain import describe, in_words
from lifeboat.policy.load import load_instance, parse_policy
from lifeboat.policy.schedule import Schedule

INCLUDE = Path(__file__).parents[3] / "include"


def test_what_a_person_wants_to_know_is_there() -> None:
    instance = load_instance(INCLUDE, "shop.local")
    text = describe(instance)
    for part in (
        "`shop`, `shop-data`",
        "Every 4 hours, UTC (`0 */4 * * *`)",
        "RPO 5h, RTO 15m",
        "at most 4h between two runs, 1h to spare",
        "the newest 7 good points",
        "8 points at a time (last 7, 1 proven, locked or of minGood;",
        "as many snapshots of each disk: Azure's limit is 500, never reached",
        "At 05:30, only on Sunday",
        "volume bytes are equal",
        "encrypted with aes-256-gcm",
        "lifeboat points shop.local",
        f"`{instance.policy_digest}`",
        f"```yaml\n{instance.policy_text.rstrip()}\n```",
    ):
        assert part in text, part
    assert text == describe(load_instance(INCLUDE, "shop.local"))


def test_weak_spots_are_told_in_bold() -> None:
    instance = load_instance(INCLUDE, "everything.local")
    policy = instance.policy
    weak = replace(
        instance,
        policy=policy.model_copy(
            update={
                "volumes": policy.volumes.model_copy(update={"snapshot": False}),
                "schedule": None,
            }
        ),
        vault=instance.vault.model_copy(update={"encryption": "none"}),
    )
    text = describe(weak)
    assert "**no snapshots**" in text
    assert "**not encrypted**" in text
    assert "On demand only" in text
    assert "| **Test restores** | **none**" in text
    assert "Prove a point now" not in text


def test_yaml_with_backticks_stays_inside_its_fence() -> None:
    instance = load_instance(INCLUDE, "shop.local")
    text = describe(replace(instance, policy_text="# ```\nname: shop\n"))
    assert text.endswith("````yaml\n# ```\nname: shop\n````\n")


def test_cron_in_words() -> None:
    assert in_words(None) == "On demand only"
    words = in_words(Schedule(cron="30 2 * * MON-FRI", timezone="Europe/Berlin"))
    assert words == "At 02:30, Monday through Friday, Europe/Berlin (`30 2 * * MON-FRI`)"


def explained(retention: str, more: str = "") -> str:
    text = f"clusters: [local]\nschedule: {{cron: '0 */4 * * *'}}\nretention: {retention}\n{more}"
    policy = parse_policy(text, "shop.yaml", "shop")
    return describe(replace(load_instance(INCLUDE, "shop.local"), policy=policy))


def test_every_key_of_the_retention_is_told() -> None:
    text = explained(
        "{keep: {last: 7, daily: 30d, monthly: 12}, select: last, onDemand: forever, lock: 2d,"
        " timezone: Europe/Berlin}"
    )
    for part in (
        "the newest 7 good points, the last good point of each day for 30d, the last good point of"
        " the newest 12 months; never fewer than 1 good and 1 proven",
        "points made on demand for ever",
        "**locked** for 2d",
        "periods in Europe/Berlin",
        "points at a time (last 7, daily 30, monthly 12,",
    ):
        assert part in text, part
    tagged = explained("{keep: {last: 7d, daily: 30d}, oneTag: true, onDemand: 9d}")
    assert "each point in one of these, the longest that fits" in tagged
    assert "every good point for 7d" in tagged
    assert "points made on demand for 9d" in tagged


def test_the_limit_of_snapshots_is_told_where_there_is_one() -> None:
    assert "**more than 450 leave little room**" in explained("{keep: {last: 480}}")
    assert "Azure" not in explained("{keep: {last: 480}}", "volumes: {snapshot: false}\n")


def test_an_rpo_without_slack_is_told() -> None:
    assert "**no time to spare**" in explained("{keep: {last: 2}}", "objectives: {rpo: 4h}\n")


def test_schedules_in_words() -> None:
    told = {
        in_words(BackupSchedule.model_validate(fields, by_alias=True)): fields
        for fields in (
            {"every": "90m", "jitter": "20m"},
            {"noPointOlderThan": "4h", "except": [{"from": "09:00", "to": "10:00"}]},
            {"after": {"dags": ["load"], "assets": ["orders"]}},
            {"every": "1d", "after": {"dags": ["load"]}},
            {"every": "1h", "blackout": [{"days": ["fri"], "from": "12:00", "to": "13:00"}]},
        )
    }
    assert list(told) == [
        "Every 1h30m, up to 20m later, each instance by its share",
        "So that no point is older than 4h, but for daily 09:00-10:00, UTC",
        "After `orders`, `load`",
        "Every 1d, or after `load`",
        "Every 1h, with a warning fri 12:00-13:00",
    ]
