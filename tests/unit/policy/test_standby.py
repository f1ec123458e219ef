"""The `standby` section: what is refused, with what would be right, and what it says in words."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from lifeboat.errors import PolicyError, UsageError
from lifeboat.policy.explain import describe
from lifeboat.policy.instance import Instance
from lifeboat.policy.load import load_instance
from lifeboat.policy.still import find_instance

BASE = "schedule: {cron: 0 */4 * * *}\nretention: {keep: {last: 2}}\n"


def load(
    tmp_path: Path, standby: str, more: str = "clusters: [prod]\n", place: str = ""
) -> Instance:
    (tmp_path / "policies").mkdir()
    (tmp_path / "transforms").mkdir()
    (tmp_path / "transforms" / "classes.yaml").write_text("")
    (tmp_path / "clusters.yaml").write_text(
        "clusters:\n"
        f"  - {{name: prod, kubeconfig: /none, location: westeurope}}\n"
        f"  - {{name: dr, kubeconfig: /none{place}}}\n"
        'vaults: [{name: main, url: "file:///none", encryption: none, location: westeurope}]\n'
    )
    text = f"{more}{BASE}standby: {standby}\n"
    (tmp_path / "policies" / "shop.yaml").write_text(text)
    return load_instance(tmp_path, "shop.prod")


def test_what_it_means(tmp_path: Path) -> None:
    found = load(tmp_path, "{cluster: dr, transforms: [classes], transformsBack: []}")
    policy = found.policy
    assert policy.standby is not None
    assert policy.max_lag == 2 * policy.objectives.rpo == timedelta(hours=10)
    told = describe(found)
    assert "cluster `dr`, with every point; nothing runs there; at most 10h behind" in told


@pytest.mark.parametrize(
    ("standby", "field", "words"),
    [
        ("{cluster: prod}", "standby.cluster", "which this policy protects"),
        ("{cluster: dx}", "standby.cluster", "a cluster of clusters.yaml: dr"),
        ("{cluster: dr, everyPoints: 0}", "standby.everyPoints", "a schedule"),
        ("{cluster: dr, mapping: {shop: Shop}}", "standby.mapping.shop", "1 to 63"),
        ("{cluster: dr, mapping: {a: c, b: c}}", "standby.mapping", "each target once"),
        ("{cluster: dr, maxLag: 10s}", "standby.maxLag", "5m or more"),
        ("{cluster: dr, volumes: vault}", "standby.volumes", "volumes.vaultTier"),
        ("{cluster: dr, transforms: [classes]}", "standby.transformsBack", "a failback"),
        (
            "{cluster: dr, transforms: [clases], transformsBack: []}",
            "standby.transforms[0]",
            'did you mean "classes"',
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, standby: str, field: str, words: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load(tmp_path, standby)
    assert [problem.field for problem in caught.value.problems] == [field]
    assert words in str(caught.value)


def test_two_clusters_cannot_share_one(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="a policy of one cluster"):
        load(tmp_path, "{cluster: dr}", more="clusters: [prod, third]\n")


def test_residency_holds_there_too(tmp_path: Path) -> None:
    eu = "clusters: [prod]\nresidency: {geographies: [eu]}\n"
    with pytest.raises(PolicyError, match="cluster dr, which lies in eastus") as caught:
        load(tmp_path, "{cluster: dr}", more=eu, place=", location: eastus")
    assert [problem.field for problem in caught.value.problems] == ["standby.cluster"]


def test_points_of_the_standby_have_an_instance_of_their_own(tmp_path: Path) -> None:
    """To prune them, and to restore them without a failback."""
    select = "clusters: [prod]\nselect: {namespaces: {include: [shop]}}\n"
    load(tmp_path, "{cluster: dr, mapping: {shop: shop-dr}}", select)
    there = find_instance(tmp_path, "shop.dr")
    assert (there.id, there.stands_by_for, there.cluster.name) == ("shop.dr", "shop.prod", "dr")
    assert there.policy.select.namespaces.include == ("shop-dr",)
    assert there.policy.retention.keep.last == 2
    assert (there.policy.standby, there.copies) == (None, ())
    assert find_instance(tmp_path, "shop.prod").stands_by_for == ""
    with pytest.raises(UsageError, match=r"no instance 'shop\.west'"):
        find_instance(tmp_path, "shop.west")
