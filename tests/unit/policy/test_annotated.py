"""Velero's annotations, read as Velero reads them."""

from __future__ import annotations

import pytest

from lifeboat.policy.annotated import AnnotatedHook, annotated_hook

PRE = "pre.hook.backup.velero.io/"
POST = "post.hook.backup.velero.io/"
OLD = "hook.backup.velero.io/"


def pre(**values: str) -> AnnotatedHook:
    found = annotated_hook({PRE + key.replace("_", "-"): v for key, v in values.items()}, "pre")
    assert found
    return found


def test_without_a_command_there_is_no_hook() -> None:
    assert annotated_hook({PRE + "timeout": "30s", "other": "x"}, "pre") is None
    assert annotated_hook({PRE + "command": ""}, "pre") is None


def test_the_defaults_are_veleros() -> None:
    assert pre(command="/bin/freeze") == AnnotatedHook(("/bin/freeze",), "", True, 30.0)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ('["/sbin/fsfreeze", "--freeze", "/data"]', ("/sbin/fsfreeze", "--freeze", "/data")),
        ("/bin/freeze --all", ("/bin/freeze --all",)),
        ("[not json", ("[not json",)),
        ("[1, 2]", ("[1, 2]",)),
        ("[]", ("[]",)),
    ],
)
def test_a_command_is_a_json_list_or_one_word(written: str, words: tuple[str, ...]) -> None:
    assert pre(command=written).command == words


def test_every_field_counts() -> None:
    found = pre(command="x", container="db", on_error="Continue", timeout="1m30s")
    assert found == AnnotatedHook(("x",), "db", False, 90.0)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90s", 90), ("1h2m3s", 3723), ("1.5m", 90), ("500ms", 0.5), ("+2s", 2), (".5s", 0.5)],
)
def test_a_timeout_is_a_go_duration(written: str, seconds: float) -> None:
    assert pre(command="x", timeout=written).seconds == pytest.approx(seconds)


@pytest.mark.parametrize("written", ["soon", "30", "-5s", "5s later", "1d"])
def test_a_wrong_timeout_is_told_and_the_default_counts(written: str) -> None:
    found = pre(command="x", timeout=written)
    assert found.seconds == 30
    assert found.notes == (f"{PRE}timeout is no duration such as 90s or 1m30s: 30s is taken",)


def test_a_timeout_of_nothing_is_the_default() -> None:
    """To Velero zero stands for what was not written."""
    assert pre(command="x", timeout="0").seconds == 30


def test_a_wrong_on_error_is_told_and_fails() -> None:
    found = pre(command="x", on_error="ignore")
    assert found.fails
    assert found.notes == (f"{PRE}on-error is neither Fail nor Continue: Fail is taken",)


def test_a_pre_hook_may_be_written_without_its_phase_and_a_post_hook_may_not() -> None:
    old = {OLD + "command": "old", OLD + "container": "c"}
    found = annotated_hook(old, "pre")
    assert found
    assert (found.command, found.container) == (("old",), "c")
    assert annotated_hook(old, "post") is None
    both = annotated_hook({**old, PRE + "command": "new"}, "pre")
    assert both
    assert (both.command, both.container) == (("new",), "")


def test_the_phases_are_apart() -> None:
    written = {PRE + "command": "a", POST + "command": "b", POST + "timeout": "5s"}
    before, after = annotated_hook(written, "pre"), annotated_hook(written, "post")
    assert before
    assert after
    assert (before.command, before.seconds) == (("a",), 30)
    assert (after.command, after.seconds) == (("b",), 5)
