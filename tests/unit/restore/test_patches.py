"""The three ways to patch, against the examples of their RFCs and of Kubernetes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pydantic import TypeAdapter

from lifeboat.restore.transforms.merge import merge_patch
from lifeboat.restore.transforms.model import Operation
from lifeboat.restore.transforms.patch import CannotApply, TestFailed, json_patch
from lifeboat.restore.transforms.strategic import check_patch, strategic_merge

# RFC 6902, appendix A: document, patch, result.
RFC_6902: list[tuple[str, Any, list[Any], Any]] = [
    (
        "A.1",
        {"foo": "bar"},
        [{"op": "add", "path": "/baz", "value": "qux"}],
        {"baz": "qux", "foo": "bar"},
    ),
    (
        "A.2",
        {"foo": ["bar", "baz"]},
        [{"op": "add", "path": "/foo/1", "value": "qux"}],
        {"foo": ["bar", "qux", "baz"]},
    ),
    ("A.3", {"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
    (
        "A.4",
        {"foo": ["bar", "qux", "baz"]},
        [{"op": "remove", "path": "/foo/1"}],
        {"foo": ["bar", "baz"]},
    ),
    (
        "A.5",
        {"baz": "qux", "foo": "bar"},
        [{"op": "replace", "path": "/baz", "value": "boo"}],
        {"baz": "boo", "foo": "bar"},
    ),
    (
        "A.6",
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    (
        "A.7",
        {"foo": ["all", "grass", "cows", "eat"]},
        [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    (
        "A.8",
        {"baz": "qux", "foo": ["a", 2, "c"]},
        [
            {"op": "test", "path": "/baz", "value": "qux"},
            {"op": "test", "path": "/foo/1", "value": 2},
        ],
        {"baz": "qux", "foo": ["a", 2, "c"]},
    ),
    (
        "A.10",
        {"foo": "bar"},
        [{"op": "add", "path": "/child", "value": {"grandchild": {}}}],
        {"foo": "bar", "child": {"grandchild": {}}},
    ),
    ("A.14", {"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
    (
        "A.16",
        {"foo": ["bar"]},
        [{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}],
        {"foo": ["bar", ["abc", "def"]]},
    ),
]

# RFC 7396, appendix A: original, patch, result.
RFC_7396: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


def operations(patch: Any) -> tuple[Operation, ...]:
    return TypeAdapter(tuple[Operation, ...]).validate_python(patch, by_alias=True, by_name=False)


@pytest.mark.parametrize(
    ("document", "patch", "result"), [case[1:] for case in RFC_6902], ids=[c[0] for c in RFC_6902]
)
def test_json_patches_do_as_rfc_6902_shows(document: Any, patch: Any, result: Any) -> None:
    assert json_patch(copy.deepcopy(document), operations(patch)) == result


@pytest.mark.parametrize(
    ("document", "test"),
    [
        ({"baz": "qux"}, {"path": "/baz", "value": "bar"}),  # A.9
        ({"/": 9, "~1": 10}, {"path": "/~01", "value": "10"}),  # A.15
        ({"replicas": 1}, {"path": "/replicas", "value": True}),  # 4.6: true is not 1
        ({}, {"path": "/spec/type", "value": None}),  # what is not there is not null
    ],
)
def test_a_test_that_does_not_hold_stops_the_patch(document: Any, test: Any) -> None:
    with pytest.raises(TestFailed):
        json_patch(document, operations([{"op": "test", **test}]))


@pytest.mark.parametrize(
    ("document", "operation"),
    [
        ({"foo": "bar"}, {"op": "add", "path": "/baz/bat", "value": "qux"}),  # A.12
        ({"foo": "bar"}, {"op": "remove", "path": "/baz"}),
        ({"foo": "bar"}, {"op": "replace", "path": "/baz", "value": 1}),
        ({"foo": [1]}, {"op": "add", "path": "/foo/3", "value": 1}),
        ({"foo": [1]}, {"op": "add", "path": "/foo/01", "value": 1}),
        ({"foo": {"a": 1}}, {"op": "move", "from": "/foo", "path": "/foo/a"}),
        ({"data": {"key": "c2VjcmV0"}}, {"op": "add", "path": "/data/key/x", "value": "c2VjcmV0"}),
    ],
)
def test_what_cannot_be_done_says_where_and_shows_no_value(document: Any, operation: Any) -> None:
    good = {"op": "test", "path": "", "value": copy.deepcopy(document)}
    with pytest.raises(CannotApply) as raised:
        json_patch(document, operations([good, operation]))
    assert str(raised.value).startswith(f"jsonPatch[1]: {operation['op']} of ")
    assert operation["path"] in str(raised.value)
    assert "c2VjcmV0" not in str(raised.value)


def test_a_star_stands_for_each_item_of_a_list() -> None:
    pod = {"spec": {"containers": [{"image": "a:1"}, {"image": "b:1"}], "*": {"image": "field"}}}
    replace = [{"op": "replace", "path": "/spec/containers/*/image", "value": "c:2"}]
    patched = json_patch(pod, operations(replace))
    assert [one["image"] for one in patched["spec"]["containers"]] == ["c:2", "c:2"]
    assert patched["spec"]["*"] == {"image": "field"}


def test_removing_each_item_leaves_an_empty_list() -> None:
    document = {"finalizers": ["a", "b", "c"]}
    remove = [{"op": "remove", "path": "/finalizers/*"}]
    assert json_patch(document, operations(remove)) == {"finalizers": []}


def test_a_star_over_no_list_changes_nothing() -> None:
    replace = [{"op": "replace", "path": "/spec/initContainers/*/image", "value": "c"}]
    assert json_patch({"spec": {}}, operations(replace)) == {"spec": {}}


def test_a_regex_replaces_only_what_it_matches() -> None:
    rule = {"op": "replace", "path": "/url", "regex": r"^(https?)://[^/]+", "value": r"\1://other"}
    document = {"url": "https://shop.example.com/a?b"}
    assert json_patch(document, operations([rule])) == {"url": "https://other/a?b"}
    with pytest.raises(CannotApply, match=r"jsonPatch\[0\]: /url is no text"):
        json_patch({"url": 3}, operations([rule]))


@pytest.mark.parametrize(("original", "patch", "result"), RFC_7396)
def test_merge_patches_do_as_rfc_7396_shows(original: Any, patch: Any, result: Any) -> None:
    before = copy.deepcopy(original)
    assert merge_patch(original, patch) == result
    assert original == before


def deployment(**spec: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": spec}}}


def merged(before: Any, patch: Any) -> Any:
    kept = copy.deepcopy(before)
    after = strategic_merge(before, deployment(**patch), "Deployment.apps")
    assert before == kept, "the object itself is not changed"
    return after["spec"]["template"]["spec"]


def test_a_strategic_patch_finds_containers_by_name_and_ports_by_number() -> None:
    web = {"name": "web", "image": "web:1", "ports": [{"containerPort": 80, "name": "http"}]}
    before = deployment(containers=[web, {"name": "log", "image": "log:1"}])
    change = {
        "name": "web",
        "image": "web:2",
        "ports": [{"containerPort": 81}],
        "env": [{"name": "A", "value": "1"}],
    }
    after = merged(before, {"containers": [change, {"name": "new", "image": "new:1"}]})
    assert [one["name"] for one in after["containers"]] == ["web", "log", "new"]
    web = after["containers"][0]
    assert web["image"] == "web:2"
    assert web["ports"] == [{"containerPort": 80, "name": "http"}, {"containerPort": 81}]
    assert web["env"] == [{"name": "A", "value": "1"}]


def test_its_directives_delete_replace_and_retain() -> None:
    before = deployment(
        containers=[{"name": "web"}, {"name": "log"}],
        nodeSelector={"a": "1", "b": "2"},
        volumes=[{"name": "tmp", "emptyDir": {}}],
        tolerations=[{"key": "x"}],
    )
    after = merged(
        before,
        {
            "containers": [{"name": "log", "$patch": "delete"}],
            "nodeSelector": {"$patch": "replace", "c": "3"},
            "volumes": [
                {"name": "tmp", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/tmp"}}
            ],
            "tolerations": [{"key": "y"}],
        },
    )
    assert after["containers"] == [{"name": "web"}]
    assert after["nodeSelector"] == {"c": "3"}
    assert after["volumes"] == [{"name": "tmp", "hostPath": {"path": "/tmp"}}]
    assert after["tolerations"] == [{"key": "y"}], "a list without a merge key is replaced"


def test_a_whole_list_may_be_replaced_and_plain_values_removed() -> None:
    before = {"metadata": {"finalizers": ["a", "b"]}, "spec": {"ports": [{"port": 1}, {"port": 2}]}}
    patch = {
        "metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]},
        "spec": {"ports": [{"$patch": "replace"}, {"port": 3}], "type": None},
    }
    after = strategic_merge(before, patch, "Service")
    assert after["metadata"]["finalizers"] == ["b", "c"]
    assert after["spec"] == {"ports": [{"port": 3}]}


def test_an_item_without_its_merge_key_is_refused() -> None:
    with pytest.raises(ValueError, match=r"spec\.template\.spec\.containers without its name"):
        merged(deployment(containers=[]), {"containers": [{"image": "a"}]})


@pytest.mark.parametrize(
    ("patch", "path"),
    [
        ({"spec": {"$patch": "drop"}}, ("spec", "$patch")),
        ({"a": [{"$setElementOrder/b": []}]}, ("a", 0, "$setElementOrder/b")),
        ({"$retainKeys": "name"}, ("$retainKeys",)),
        ({"$deleteFromPrimitiveList/finalizers": "a"}, ("$deleteFromPrimitiveList/finalizers",)),
    ],
)
def test_directives_that_mean_nothing_are_found_beforehand(patch: Any, path: Any) -> None:
    wrong = check_patch(patch)
    assert wrong
    assert wrong.path == path
