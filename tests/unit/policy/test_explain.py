"""The Markdown that people read before they trigger."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lifeboat.policy.explain import describe, in_words
from lifeboat.policy.load import load_instance
from lifeboat.policy.schedule import Schedule

INCLUDE = Path(__file__).parents[3] / "include"


def test_what_a_person_wants_to_know_is_there() -> None:
    instance = load_instance(INCLUDE, "shop.local")
    text = describe(instance)
    for part in (
        "`shop`, `shop-data`",
        "Every 4 hours, UTC (`0 */4 * * *`)",
        "RPO 5h, RTO 15m",
        "the newest 7 good points",
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
