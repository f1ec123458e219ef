"""`copies` of a policy: where they may lie, what they inherit, how they are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifeboat.errors import PolicyError
from lifeboat.policy.explain import describe
from lifeboat.policy.load import load_include, load_instance

CLUSTERS = """\
clusters:
  - {name: local, inCluster: true}
vaults:
  - {name: main, url: "file:///srv/main", key: env:KEY}
  - {name: offsite, url: "file:///srv/offsite", key: env:OTHER}
  - {name: office, url: "file:///srv/office", key: env:OTHER}
  - {name: twin, url: "file:///srv/main", key: env:OTHER}
  - {name: open, url: "file:///srv/open", encryption: none}
"""
POLICY = """\
clusters: [local]
schedule: {cron: "0 2 * * *", timezone: Europe/Berlin}
retention: {keep: {daily: 7}}
"""


@pytest.fixture
def include(tmp_path: Path) -> Path:
    (tmp_path / "clusters.yaml").write_text(CLUSTERS)
    (tmp_path / "policies").mkdir()
    return tmp_path


def write(include: Path, copies: str, policy: str = POLICY) -> None:
    (include / "policies" / "shop.yaml").write_text(f"{policy}copies: {copies}\n")


def test_a_copy_has_its_own_retention_or_the_policys(include: Path) -> None:
    write(include, "[{vault: offsite}, {vault: office, retention: {keep: {last: 3}, lock: 2d}}]")
    instance = load_instance(include, "shop.local")
    offsite, office = instance.copies
    assert offsite.retention == instance.policy.retention
    assert (office.vault.name, office.retention.keep.last) == ("office", 3)
    assert office.retention.timezone == "Europe/Berlin"
    there = instance.at(office)
    assert (there.id, there.vault.name, there.copies) == ("shop.local", "office", ())
    assert there.policy.retention == office.retention
    assert instance.policy.retention.keep.last is None


WRONG = {
    "unknown": ("[{vault: offsiet}]", "copies[0].vault", "offsiet", 'did you mean "offsite"?'),
    "own": ("[{vault: main}]", "copies[0].vault", "'main'", "another vault than"),
    "twice": ("[{vault: office}, {vault: office}]", "copies[1].vault", "second", "each vault once"),
    "same place": ("[{vault: twin}]", "copies[0].vault", "url is that of main", "another place"),
    "not sealed": ("[{vault: open}]", "copies[0].vault", "encryption: none", "the same bytes"),
    "typo": ("[{vault: office, keep: 3}]", "copies[0].keep", "", "vault, retention"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_copy_that_cannot_be_is_refused(include: Path, case: str) -> None:
    copies, field, found, expected = WRONG[case]
    write(include, copies)
    (problem,) = load_include(include).problems
    assert (problem.line, problem.field) == (4, field)
    assert found in problem.found
    assert expected in problem.expected


def test_on_demand_of_a_copy_needs_a_schedule(include: Path) -> None:
    text = "clusters: [local]\nobjectives: {rpo: 1d}\nretention: {keep: {last: 2}}\n"
    write(include, "[{vault: office, retention: {keep: {last: 3}, onDemand: 3d}}]", text)
    with pytest.raises(PolicyError, match=r"copies\[0\].retention.onDemand"):
        load_instance(include, "shop.local")


def test_explain_tells_where_copies_go_and_what_they_are_not(include: Path) -> None:
    write(include, "[{vault: offsite}, {vault: office, retention: {keep: {last: 3}}}]")
    text = describe(load_instance(include, "shop.local"))
    assert "`offsite` keeps what the vault keeps. `office` keeps the newest 3 good points" in text
    assert "**Not the data of volumes**" in text
    write(include, "[]")
    assert "Copies" not in describe(load_instance(include, "shop.local")).partition("###")[0]
