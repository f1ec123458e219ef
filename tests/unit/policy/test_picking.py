"""Which objects a policy takes: labels, and filters by namespace, kind and name.

The cases are those of Velero's guide to fine-grained filters, told in Lifeboat's words.
"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from lifeboat.errors import PolicyError
from lifeboat.policy.load import parse_policy
from lifeboat.policy.picking import CLUSTER_SCOPE, Picker
from lifeboat.policy.select import Select
from tests.support.kinds import (
    CLUSTER_ROLE,
    CONFIG_MAP,
    DEPLOYMENT,
    NODE,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    STORAGE_CLASS,
)

SPACES = ("shop", "team-front-dev", "team-front-prod", "team-back")


def picker(**select: Any) -> Picker:
    return Picker(Select.model_validate(select, by_alias=True, by_name=False), SPACES)


def taken(pick: Picker, kind: Any, space: str, name: str = "x", **labels: str) -> bool:
    rule = pick.rules(kind).get(space)
    said = pick.why_not(kind, space, name, labels) if kind.namespaced else None
    answer = rule is not None and rule.takes(name, labels)
    assert said is None or (said == "") == answer
    return answer


def one_filter(*objects: dict[str, Any], namespaces: tuple[str, ...] = ("shop",)) -> dict[str, Any]:
    return {"namespaceFilters": [{"namespaces": list(namespaces), "objects": list(objects)}]}


def test_all_requirements_of_labels_hold() -> None:
    pick = picker(labels="app=web,tier in (a,b),!old")
    assert taken(pick, SECRET, "shop", app="web", tier="b")
    assert not taken(pick, SECRET, "shop", app="web", tier="c")
    assert not taken(pick, SECRET, "shop", app="web", tier="a", old="")


def test_one_selector_of_any_labels_is_enough() -> None:
    pick = picker(anyLabels=["app=web,tier=a", "app=shop"])
    assert taken(pick, SECRET, "shop", app="shop")
    assert taken(pick, SECRET, "shop", app="web", tier="a")
    assert not taken(pick, SECRET, "shop", app="web")


def test_a_filter_is_an_allowlist_of_its_namespaces_only() -> None:
    pick = picker(labels="app=web", **one_filter({"kinds": ["ConfigMap"]}))
    assert taken(pick, CONFIG_MAP, "shop")  # select.labels does not count in it
    assert not taken(pick, SECRET, "shop", app="web")
    assert taken(pick, SECRET, "team-back", app="web")
    assert not taken(pick, CONFIG_MAP, "team-back")


def test_excluded_names_win_over_names() -> None:
    pick = picker(
        **one_filter(
            {"kinds": ["configmaps"], "names": ["app-*"], "excludedNames": ["*-tmp", "*-tmp-*"]}
        )
    )
    assert taken(pick, CONFIG_MAP, "shop", "app-config")
    assert not taken(pick, CONFIG_MAP, "shop", "app-tmp-config")
    assert not taken(pick, CONFIG_MAP, "shop", "my-app-config")
    assert not taken(pick, CONFIG_MAP, "shop", "monitoring")


def test_names_and_labels_of_an_entry_must_both_hold() -> None:
    entry = {"kinds": ["configmaps"], "names": ["vm-1", "vm-2"], "anyLabels": ["a=b", "c=d"]}
    pick = picker(**one_filter(entry))
    assert taken(pick, CONFIG_MAP, "shop", "vm-1", c="d")
    assert not taken(pick, CONFIG_MAP, "shop", "vm-1")
    assert not taken(pick, CONFIG_MAP, "shop", "vm-3", c="d")


def test_a_plain_namespace_beats_globs_and_the_first_glob_counts() -> None:
    def entry(namespace: str, *kinds: str) -> dict[str, Any]:
        return {"namespaces": [namespace], "objects": [{"kinds": list(kinds)}]}

    pick = picker(
        namespaceFilters=[
            entry("team-front-*", "deployments", "configmaps"),
            entry("team-*", "deployments"),
            entry("team-front-prod", "secrets"),
        ]
    )
    assert [taken(pick, kind, "team-front-prod") for kind in (DEPLOYMENT, SECRET)] == [False, True]
    assert [taken(pick, kind, "team-front-dev") for kind in (CONFIG_MAP, SECRET)] == [True, False]
    assert [taken(pick, kind, "team-back") for kind in (DEPLOYMENT, CONFIG_MAP)] == [True, False]


def test_an_entry_that_names_a_kind_beats_its_group_and_everything() -> None:
    pick = picker(
        **one_filter(
            {"kinds": ["*"], "labels": "backup=yes"},
            {"kinds": ["*.apps"], "names": ["group"]},
            {"kinds": ["deploy", "deployments"], "names": ["api"]},
        )
    )
    assert taken(pick, DEPLOYMENT, "shop", "api")
    assert not taken(pick, DEPLOYMENT, "shop", "group", backup="yes")
    assert taken(pick, STATEFUL_SET, "shop", "group")
    assert taken(pick, SERVICE, "shop", backup="yes")
    assert not taken(pick, SERVICE, "shop")


def test_an_excluded_kind_cannot_be_brought_back() -> None:
    pick = picker(kinds={"exclude": ["secrets"]}, **one_filter({"kinds": ["secrets", "cm", "*"]}))
    assert not taken(pick, SECRET, "shop")
    assert pick.why_not(SECRET, "shop", "x", {}) == "select.kinds leaves out secrets"
    bounded = picker(kinds={"include": ["configmaps"]}, **one_filter({"kinds": ["*"]}))
    assert taken(bounded, CONFIG_MAP, "shop")
    assert not taken(bounded, SECRET, "shop")


def test_cluster_filters_bind_the_kinds_they_name_alone() -> None:
    pick = picker(
        clusterScoped="all",
        labels="app=web",
        clusterFilters=[{"kinds": ["storageclasses"], "names": ["my-*"]}],
    )
    assert taken(pick, STORAGE_CLASS, CLUSTER_SCOPE, "my-disk")
    assert not taken(pick, STORAGE_CLASS, CLUSTER_SCOPE, "other", app="web")
    assert taken(pick, CLUSTER_ROLE, CLUSTER_SCOPE, "other", app="web")
    assert not taken(pick, CLUSTER_ROLE, CLUSTER_SCOPE, "other")
    assert pick.narrowed(CLUSTER_ROLE) is None
    assert not taken(pick, NODE, CLUSTER_SCOPE, "other", app="web")  # no point holds it


@pytest.mark.parametrize(
    ("scoped", "include", "whole", "follows"),
    [
        ("auto", ["*"], True, False),
        ("auto", ["shop"], False, True),
        ("all", ["shop"], True, False),
        ("none", ["*"], False, False),
    ],
)
def test_three_states_of_cluster_scope(
    scoped: str, include: list[str], whole: bool, follows: bool
) -> None:
    select = Select.model_validate(
        {"clusterScoped": scoped, "namespaces": {"include": include}}, by_alias=True
    )
    assert (select.whole_cluster_scope, select.follows_needs) == (whole, follows)
    assert bool(Picker(select, SPACES).rules(CLUSTER_ROLE)) is whole


def test_labels_over_every_namespace_still_follow_needs() -> None:
    assert Select(labels="app=web").follows_needs
    assert Select.model_validate({"kinds": {"include": ["configmaps"]}}).follows_needs


def test_why_not_names_the_rule() -> None:
    pick = picker(labels="app=web", **one_filter({"kinds": ["cm", "configmaps"], "names": ["a"]}))
    assert pick.why_not(SECRET, "team-back", "x", {}) == "select.labels leaves it out"
    assert pick.why_not(CONFIG_MAP, "shop", "b", {}) == (
        "select.namespaceFilters[0].objects[0] leaves it out"
    )
    assert pick.why_not(SECRET, "shop", "b", {}) == (
        "select.namespaceFilters[0] does not list secrets"
    )
    several = picker(anyLabels=["a=b", "c=d"])
    assert several.why_not(SECRET, "shop", "x", {}) == "select.anyLabels leaves it out"


POLICY = "clusters: [local]\nobjectives: {rpo: 1h}\nretention: {keep: {last: 2}}\n"


@pytest.mark.parametrize(
    ("select", "field", "told"),
    [
        ("{labels: a=b, anyLabels: [c=d]}", "select.anyLabels", "not both"),
        ("{anyLabels: ['a=b', '']}", "select.anyLabels[1]", "asks for something"),
        (
            "{namespaceFilters: [{namespaces: [a], objects:"
            " [{kinds: [po], labels: a, anyLabels: [b]}]}]}",
            "select.namespaceFilters[0].objects[0].anyLabels",
            "not both",
        ),
        (
            "{namespaceFilters: [{namespaces: [a], objects: [{kinds: [po]}, {kinds: [sts, PO]}]}]}",
            "select.namespaceFilters[0].objects[1].kinds[1]",
            "entry 1 names it already",
        ),
        (
            "{namespaceFilters: [{namespaces: [a], objects: [{kinds: [po]}]},"
            " {namespaces: [b, a], objects: [{kinds: [po]}]}]}",
            "select.namespaceFilters[1].namespaces[1]",
            "filter 1 has it already",
        ),
        (
            "{namespaceFilters: [{namespaces: [a], objects: [{kinds: [po], names: ['**']}]}]}",
            "select.namespaceFilters[0].objects[0].names[0]",
            "a glob without",
        ),
        (
            "{namespaceFilters: [{namespaces: [a], objects: []}]}",
            "select.namespaceFilters[0].objects",
            "at least one",
        ),
        ("{clusterFilters: [{kinds: ['*']}]}", "select.clusterFilters[0].kinds[0]", "by name"),
        ("{clusterScoped: none, clusterFilters: [{kinds: [sc]}]}", "select.clusterFilters", "none"),
    ],
)  # fmt: skip
def test_contradictions_are_refused_where_they_stand(select: str, field: str, told: str) -> None:
    text = f"{POLICY}select: {select}\n"
    with pytest.raises(PolicyError) as raised:
        parse_policy(text, "shop.yaml", "shop")
    message = str(raised.value)
    assert f"shop.yaml:4: {field}:" in message
    assert told in message


def test_rules_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Select().any_labels = ("a",)  # type: ignore[misc]
