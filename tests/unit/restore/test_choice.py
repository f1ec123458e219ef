"""Which objects are picked out of a point, and what they and their namespaces become."""

from __future__ import annotations

import pytest

from lifeboat.errors import UsageError
from lifeboat.ports.cluster import Kind
from lifeboat.restore.choice import Choice, Chooser
from lifeboat.restore.renaming import check_template, mapped, named
from tests.support.kinds import CLAIM, CONFIG_MAP, DEPLOYMENT, NAMESPACE, SECRET

OBJECTS = [
    (NAMESPACE, "shop"), (DEPLOYMENT, "web"), (DEPLOYMENT, "api"), (CONFIG_MAP, "web"),
    (SECRET, "web"), (CLAIM, "data"), (CLAIM, "more"),
]  # fmt: skip


def taken(choice: Choice, kinds: tuple[str, ...] = ()) -> list[tuple[Kind, str]]:
    chooser = Chooser(choice, kinds)
    return [one for one in OBJECTS[1:] if chooser.takes(*one)]


def test_nothing_given_takes_all() -> None:
    assert taken(Choice()) == OBJECTS[1:]
    assert Chooser(Choice()).is_whole
    assert not Chooser(Choice(), ("secrets",)).is_whole


@pytest.mark.parametrize(
    ("choice", "kinds", "wanted"),
    [
        (Choice(objects=("deployment/web",)), (), [(DEPLOYMENT, "web")]),
        (Choice(objects=("deploy*/web",)), (), []),
        (Choice(objects=("Deployment.apps/*",)), (), [(DEPLOYMENT, "web"), (DEPLOYMENT, "api")]),
        (Choice(names=("w*",)), ("secrets",), [(SECRET, "web")]),
        (Choice(claims=("data",), part="data"), (), [(CLAIM, "data")]),
        (Choice(part="data"), (), [(CLAIM, "data"), (CLAIM, "more")]),
        (Choice(part="resources"), ("configmaps", "pvc"), [(CONFIG_MAP, "web")]),
    ],
)
def test_what_is_taken(
    choice: Choice, kinds: tuple[str, ...], wanted: list[tuple[Kind, str]]
) -> None:
    assert taken(choice, kinds) == wanted


def test_one_claim_leaves_the_other_objects_alone() -> None:
    assert (CLAIM, "more") not in taken(Choice(claims=("data",)))
    assert (DEPLOYMENT, "web") in taken(Choice(claims=("data",)))


def test_a_namespace_goes_along_with_what_lies_in_it() -> None:
    chooser = Chooser(Choice(objects=("deployment/web",), labels="app=web"))
    assert chooser.takes(NAMESPACE, "shop")
    assert chooser.takes_labels(NAMESPACE, {})
    assert not chooser.takes_labels(DEPLOYMENT, {})
    assert chooser.takes_labels(DEPLOYMENT, {"app": "web"})
    assert chooser.needs_labels


@pytest.mark.parametrize(
    "choice",
    [Choice(objects=("web",)), Choice(names=("a**",)), Choice(labels="a=b=c,,")],
)
def test_what_says_nothing_sensible_is_refused(choice: Choice) -> None:
    with pytest.raises(UsageError):
        Chooser(choice)


def test_namespaces_get_prefix_and_suffix_unless_they_are_mapped() -> None:
    assert mapped(["a", "b"], {"a": "x"}, "old-", "-2") == {"a": "x", "b": "old-b-2"}
    assert mapped(["a"], {}) == {}
    for wrong in ({"a": "Not_A_Name"}, {"a": "b"}, {"a": "x" * 64}):
        with pytest.raises(UsageError):
            mapped(["a", "b"], wrong)


def test_claims_get_new_names() -> None:
    assert named("{name}-restored", "data") == "data-restored"
    assert named("", "data") == "data"
    check_template("{name}-restored")
    for wrong in ("restored", "{name}", "{name}_x", "-{name}"):
        with pytest.raises(UsageError):
            check_template(wrong)
