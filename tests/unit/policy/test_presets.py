"""Presets: merged under policies, told where they stand, stored merged."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifeboat.errors import PolicyError
from lifeboat.policy.document import parse_document
from lifeboat.policy.load import load_include, load_instance, parse_policy
from lifeboat.policy.model import Policy
from lifeboat.policy.presets import Preset, _text
from tests.unit.policy.test_load_include import CLUSTERS

PRESETS = """\
presets:
  gold:
    vault: open
    schedule: {cron: "0 2 * * *", timezone: Europe/Berlin}
    retention:
      keep: {daily: 7, weekly: 4}
      minGood: 2
    select:
      kinds: {exclude: [secrets, jobs.batch]}
      labels: backup=true
  tin:
    retention: {keep: {last: 2}}
"""


@pytest.fixture
def include(tmp_path: Path) -> Path:
    (tmp_path / "clusters.yaml").write_text(CLUSTERS)
    (tmp_path / "presets.yaml").write_text(PRESETS)
    (tmp_path / "policies").mkdir()
    return tmp_path


def write(include: Path, text: str, name: str = "shop") -> None:
    (include / "policies" / f"{name}.yaml").write_text(text)


def told(include: Path) -> list[str]:
    return sorted(
        f"{Path(problem.file).name}:{problem.line} {problem.field}: {problem.expected}"
        for problem in load_include(include).problems
    )


OWN = """\
preset: gold
clusters: [local]
retention: {keep: {daily: 30}}
select: {namespaces: {include: [shop]}, kinds: {exclude: [configmaps]}}
"""


def test_own_keys_win_key_by_key_and_lists_are_replaced(include: Path) -> None:
    write(include, OWN)
    instance = load_instance(include, "shop.local")
    policy = instance.policy
    assert instance.vault.name == "open"
    assert policy.schedule is not None
    assert policy.schedule.timezone == "Europe/Berlin"
    assert (policy.retention.keep.daily, policy.retention.keep.weekly) == (30, 4)
    assert policy.retention.min_good == 2
    assert policy.select.kinds.exclude == ("configmaps",)
    assert policy.select.namespaces.include == ("shop",)
    assert policy.select.labels == "backup=true"
    assert load_include(include).instances == (instance,)


def test_null_takes_a_section_of_the_preset_away(include: Path) -> None:
    write(include, "preset: gold\nclusters: [local]\nschedule: null\nobjectives: {rpo: 1d}\n")
    assert load_instance(include, "shop.local").policy.schedule is None


def test_what_is_stored_is_merged_and_reads_alone(include: Path) -> None:
    write(include, OWN)
    instance = load_instance(include, "shop.local")
    digest = hashlib.sha256(instance.policy_text.encode()).hexdigest()
    assert instance.policy_digest == f"sha256:{digest}"
    assert "Europe/Berlin" in instance.policy_text
    assert parse_policy(instance.policy_text, "a point", "shop") == instance.policy
    (include / "presets.yaml").write_text(PRESETS.replace("weekly: 4", "weekly: 5"))
    assert load_instance(include, "shop.local").policy_digest != instance.policy_digest


def test_a_policy_without_preset_is_kept_as_written(include: Path) -> None:
    text = "clusters: [local]\nobjectives: {rpo: 1d}\nretention: {keep: {last: 3}}  # few\n"
    write(include, text)
    assert load_instance(include, "shop.local").policy_text == text


def test_a_preset_that_is_not_there(include: Path) -> None:
    write(include, "preset: golt\nclusters: [local]\n")
    assert told(include) == [
        'shop.yaml:1 preset: a preset of presets.yaml: gold, tin (did you mean "gold"?)'
    ]
    (include / "presets.yaml").unlink()
    assert told(include) == [
        "shop.yaml:1 preset: a presets.yaml beside clusters.yaml that can be read"
    ]


def test_what_is_wrong_in_a_preset_is_told_there_and_spares_the_others(include: Path) -> None:
    (include / "presets.yaml").write_text(PRESETS.replace("weekly: 4", "weakly: 4"))
    write(include, OWN)
    write(include, "preset: tin\nclusters: [local]\nobjectives: {rpo: 1d}\n", "tin")
    first, second = told(include)
    assert first.startswith("presets.yaml:6 presets.gold.retention.keep.weakly: one of last, ")
    assert 'did you mean "weekly"?' in first
    assert second.startswith("shop.yaml:1 preset: a preset in which nothing is wrong")
    assert "presets.yaml:6" in second
    assert [instance.id for instance in load_include(include).instances] == ["tin.local"]


def test_no_yaml_at_all(include: Path) -> None:
    (include / "presets.yaml").write_text("presets:\n\tgold: {}\n")
    write(include, OWN)
    assert told(include)[0].startswith("presets.yaml:2 : spaces only")
    with pytest.raises(PolicyError, match=r"presets\.yaml:2"):
        load_instance(include, "shop.local")


@pytest.mark.parametrize(
    ("own", "place"),
    [
        # the preset's schedule is too sparse for the policy's own objective
        ("objectives: {rpo: 2h}", "shop.yaml:3 objectives.rpo"),
        # the preset's labels beside the policy's own alternatives
        ("select: {anyLabels: [a=b]}", "shop.yaml:3 select.anyLabels"),
        # what the policy does not write lies in the preset
        ("select: {namespaces: {include: [kube-system]}}",
         "shop.yaml:3 select.namespaces.include[0]"),
    ],
)  # fmt: skip
def test_contradictions_are_told_where_they_lie(include: Path, own: str, place: str) -> None:
    write(include, f"preset: gold\nclusters: [local]\n{own}\n")
    (line,) = told(include)
    assert line.startswith(f"{place}: ")


def test_a_value_of_the_preset_is_told_in_its_file(include: Path) -> None:
    (include / "presets.yaml").write_text(PRESETS.replace("vault: open", "vault: opne"))
    write(include, OWN)
    (line,) = told(include)
    assert line.startswith("presets.yaml:3 presets.gold.vault: a vault of clusters.yaml: ")


def test_every_section_of_a_policy_may_stand_in_a_preset() -> None:
    own = {"name", "description", "clusters", "cluster_labels", "preset"}
    assert set(Preset.model_fields) == set(Policy.model_fields) - own


_WORDS = (
    "no", "on", "Yes", "null", "~", "1e3", "089", "0x1f", "12:30", ".5", "2026-01-01", "*", "&a",
    "!x", "- a", "a: b", "a #b", " a", "a ", "", "=", "<<", "%", "@a",
)  # fmt: skip
_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Co", "Cn")))
_SCALARS = (
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | _TEXT | st.sampled_from(_WORDS)
)
_VALUES = _SCALARS | st.lists(_SCALARS) | st.dictionaries(st.text("xyz", min_size=1), _SCALARS)


@given(st.dictionaries(st.text("abz", min_size=1), _VALUES, min_size=1))
def test_what_is_written_is_read_again(data: dict[str, object]) -> None:
    assert parse_document("a point", _text(data, "gold").encode()).data == data
