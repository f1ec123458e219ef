"""Namespaces, kinds and objects that a policy selects."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from lifeboat.policy.globs import any_matches, check_glob, check_name_glob
from lifeboat.policy.model import KindSelect, NamespaceSelect, Select
from lifeboat.policy.selection import (
    NEVER_CAPTURED,
    Space,
    kind_named,
    opted_out,
    select_kinds,
    select_namespaces,
    why_never,
)
from lifeboat.ports.cluster import Kind

ALL = ("create", "delete", "get", "list", "patch", "update", "watch")
DEPLOYMENT = Kind("apps", "v1", "deployments", "Deployment", True, ALL, ("deploy",))
STATEFULSET = Kind("apps", "v1", "statefulsets", "StatefulSet", True, ALL, ("sts",))
POD = Kind("", "v1", "pods", "Pod", True, ALL, ("po",))
NODE = Kind("", "v1", "nodes", "Node", False, ALL, ("no",))
PV = Kind("", "v1", "persistentvolumes", "PersistentVolume", False, ALL, ("pv",))
EVENT = Kind("", "v1", "events", "Event", True, ALL, ("ev",))
NEW_EVENT = Kind("events.k8s.io", "v1", "events", "Event", True, ALL, ("ev",))
OWN_EVENT = Kind("example.com", "v1", "events", "Event", True, ALL)
REVIEW = Kind("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", False, ("create",))
BINDING = Kind("", "v1", "bindings", "Binding", True, ("create",))
POD_METRICS = Kind("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", True, ("get", "list"))
PACKAGE = Kind("packages.example.com", "v1", "views", "View", True, ("get", "list"))
REVISION = Kind("apps", "v1", "controllerrevisions", "ControllerRevision", True, ALL)
SERVED = (
    DEPLOYMENT, STATEFULSET, POD, NODE, PV, EVENT, NEW_EVENT, OWN_EVENT, REVIEW, BINDING,
    POD_METRICS, PACKAGE, REVISION,
)  # fmt: skip

NAMESPACES = [
    Space("shop", {"team": "web"}),
    Space("shop-data", {"team": "data"}),
    Space("blog"),
    Space("kube-system"),
    Space("kube-public"),
    Space("kube-node-lease"),
    Space("kube-flannel"),
    Space("out", {"lifeboat.dev/exclude": "true"}),
    Space("away", {}, {"velero.io/exclude-from-backup": "true"}),
]


def spaces(**fields: object) -> tuple[str, ...]:
    system = bool(fields.pop("system", False))
    select = Select(namespaces=NamespaceSelect.model_validate(fields), system_namespaces=system)
    return select_namespaces(select, NAMESPACES).names


def test_all_namespaces_are_all_but_the_systems_and_those_that_opt_out() -> None:
    assert spaces() == ("blog", "kube-flannel", "shop", "shop-data")


def test_system_namespaces_when_asked_for() -> None:
    assert spaces(include=["kube-*"]) == ("kube-flannel",)
    assert "kube-system" in spaces(include=["kube-*"], system=True)


def test_exclude_wins() -> None:
    assert spaces(include=["shop*"], exclude=["*-data"]) == ("shop",)
    assert spaces(include=["shop", "blog"], exclude=["b[a-z]*"]) == ("shop",)


def test_namespace_labels() -> None:
    assert spaces(labels="team") == ("shop", "shop-data")
    assert spaces(labels="team notin (web)") == ("blog", "kube-flannel", "shop-data")


def test_a_selector_that_matches_nothing_selects_nothing() -> None:
    assert spaces(include=["nowhere-*"]) == ()


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*", "anything", True), ("shop-?", "shop-1", True), ("shop-?", "shop-10", False),
        ("a[bc]d", "acd", True), ("a[b-d]", "ae", False), ("a[1-3]*", "a2-x", True),
        ("shop", "shop-data", False),
    ],
)  # fmt: skip
def test_globs(pattern: str, name: str, matches: bool) -> None:
    check_glob(pattern)
    assert any_matches([pattern], name) is matches


@pytest.mark.parametrize(
    "pattern",
    ["**", "a**b", "a|b", "(a)", "!a", "[!a]", "{a,b}", "a,b", "[]", "a[", "a]", "[a", "[z-a]",
     "[*]", "", "A", "a.b", "a b", "ä", "[[a]]"],
)  # fmt: skip
def test_refused_globs(pattern: str) -> None:
    with pytest.raises(ValueError):
        check_glob(pattern)


def test_names_of_objects_know_more_characters() -> None:
    for pattern in ("system:node-*", "app.v1", "Admin_[A-Z]"):
        check_name_glob(pattern)
    for pattern in ("**", "a,b", "a/b", "", "[]"):
        with pytest.raises(ValueError):
            check_name_glob(pattern)


@pytest.mark.parametrize(
    "name", ["deployments", "Deployment", "deploy", "deployments.apps", "Deployment.apps",
             "deploy.apps", "*.apps", "*", "DEPLOYMENTS"],
)  # fmt: skip
def test_names_of_a_kind(name: str) -> None:
    assert kind_named(name, DEPLOYMENT)


@pytest.mark.parametrize("name", ["deployment.extensions", "deployments.app", "*.batch", "deploys"])
def test_other_names(name: str) -> None:
    assert not kind_named(name, DEPLOYMENT)


def kinds(scoped: str = "auto", **fields: object) -> tuple[list[str], tuple[str, ...]]:
    select = Select.model_validate(
        {"kinds": KindSelect.model_validate(fields), "cluster_scoped": scoped}
    )
    selection = select_kinds(select, SERVED)
    return [kind.resource for kind in selection.kinds], selection.unmatched


def test_all_kinds_are_those_that_can_be_restored() -> None:
    assert kinds() == (
        ["persistentvolumes", "pods", "controllerrevisions.apps", "deployments.apps",
         "statefulsets.apps", "events.example.com"],
        (),
    )  # fmt: skip


def test_kinds_include_and_exclude() -> None:
    assert kinds(include=["*.apps"], exclude=["sts"])[0] == [
        "controllerrevisions.apps",
        "deployments.apps",
    ]


def test_cluster_scoped_none() -> None:
    assert "persistentvolumes" not in kinds(scoped="none")[0]
    assert "persistentvolumes" in kinds(scoped="all")[0]


def test_names_that_the_cluster_does_not_serve_are_told() -> None:
    assert kinds(include=["pods", "widgets"], exclude=["*.example.org"]) == (
        ["pods"],
        ("widgets", "*.example.org"),
    )


def test_asking_for_what_is_never_captured_is_told_with_the_reason() -> None:
    selection = select_kinds(Select(kinds=KindSelect(include=("*", "events", "nodes"))), SERVED)
    told = {kind.resource: reason for kind, reason in selection.never}
    assert set(told) == {"events", "events.events.k8s.io", "nodes"}
    assert "history" in told["events"]
    assert select_kinds(Select(), SERVED).never == ()


def test_what_is_never_captured_can_be_turned_on() -> None:
    """Events once: those of the core group are the same objects."""
    assert kinds(include=["pods"], also=["events", "no"])[0] == [
        "nodes", "pods", "events.events.k8s.io", "events.example.com",
    ]  # fmt: skip
    assert kinds(include=["pods"], also=["*.metrics.k8s.io"])[0] == ["pods", "pods.metrics.k8s.io"]
    assert "events.events.k8s.io" not in kinds(also=["events"], exclude=["ev"])[0]
    assert kinds(include=["pods"], also=["tokenreviews"])[0] == ["pods"]
    assert kinds(also=["gadgets"])[1] == ("gadgets",)


def test_why_never() -> None:
    assert why_never(EVENT)
    assert why_never(NEW_EVENT)
    assert not why_never(OWN_EVENT)
    assert "cannot list" in why_never(REVIEW)
    assert "cannot list" in why_never(BINDING)
    assert "measurements" in why_never(POD_METRICS)
    assert "cannot create" in why_never(PACKAGE)
    assert not why_never(REVISION)
    assert not why_never(EVENT, ["ev"])
    assert not why_never(POD_METRICS, ["pods.metrics.k8s.io"])
    assert "cannot list" in why_never(REVIEW, ["tokenreviews"])


def test_the_table_names_kinds_as_policies_do() -> None:
    patterns = [never.pattern for never in NEVER_CAPTURED]
    assert len(set(patterns)) == len(patterns)
    KindSelect(exclude=tuple(patterns))
    assert all(never.reason for never in NEVER_CAPTURED)


@pytest.mark.parametrize("mark", ["lifeboat.dev/exclude", "velero.io/exclude-from-backup"])
def test_opting_out_by_label_and_by_annotation(mark: str) -> None:
    assert opted_out({mark: "true"}, {}) == f"carries the label {mark}"
    assert opted_out({}, {mark: "true"}) == f"carries the annotation {mark}"
    assert not opted_out({mark: "false"}, {mark: "True"})


def test_why_a_namespace_is_left_out() -> None:
    select = Select(namespaces=NamespaceSelect(include=("*",), exclude=("b*",), labels="!team"))
    found = select_namespaces(select, NAMESPACES)
    assert found.names == ("kube-flannel",)
    assert found.left_out["blog"] == "excluded"
    assert found.left_out["shop"] == "its labels do not match !team"
    assert "system namespace" in found.left_out["kube-system"]
    assert found.opted_out == {
        "away": "carries the annotation velero.io/exclude-from-backup",
        "out": "carries the label lifeboat.dev/exclude",
    }


def test_names_and_globs_without_effect_are_told() -> None:
    filters = [{"namespaces": ["blog", "team-*"], "objects": [{"kinds": ["*"]}]}]
    select = Select.model_validate(
        {"namespaces": {"include": ["shop*", "nowhere-?"]}, "namespaceFilters": filters}
    )
    assert select_namespaces(select, NAMESPACES).unmatched == (
        "nowhere-?",
        "blog (of namespaceFilters[0])",
        "team-* (of namespaceFilters[0])",
    )


def test_select_is_frozen() -> None:
    with pytest.raises(ValidationError):
        Select().labels = "a=b"  # type: ignore[misc]
