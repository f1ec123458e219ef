"""What restic says, read."""

from __future__ import annotations

import json

from lifeboat.adapters import restic


def line(**fields: object) -> str:
    return json.dumps(fields)


def test_progress_is_that_of_the_last_line_that_tells_it() -> None:
    log = [
        "created restic repository",
        line(message_type="status", percent_done=0.25),
        line(message_type="status", percent_done=0.5034, current_files=["a"]),
        line(message_type="error", item="/data/x"),
    ]
    assert restic.percent("\n".join(log)) == 50
    assert restic.percent("\n".join([*log, line(message_type="summary")])) == 100
    assert restic.percent("not json\n[1]\n") is None


def test_a_failure_is_told_in_restic_s_last_words_without_a_signature() -> None:
    told = "Fatal: GET https://a.blob.core.windows.net/c?sv=1&sig=abc%2F%3D&se=2 failed\nmore"
    log = "\n".join([line(message_type="exit_error", code=1, message=told), "[0m"])
    found = restic.complaint(log)
    assert found == "GET https://a.blob.core.windows.net/c?sv=1&sig=…&se=2 failed"
    assert restic.complaint("killed\n\n") == "killed"
    assert restic.complaint("") == ""


def test_a_result_that_is_no_snapshot_is_none() -> None:
    assert restic.saved("") is None
    assert restic.saved("null") is None
    assert restic.saved("[]") is None
    assert restic.saved('{"id": 1}') is None


def test_of_several_the_newest_counts() -> None:
    both = [
        {"id": "a", "time": "2026-11-22T12:00:00.1Z"},
        {"id": "b", "time": "2026-11-22T12:00:01Z"},
    ]
    found = restic.saved(json.dumps(both))
    assert found is not None
    assert found.id == "b"


def test_what_others_keep_in_the_repository_is_passed_over() -> None:
    ours = {"id": "a", "time": "2026-11-22T12:00:00.123+01:00", "tags": ["point=p", "instance=i"]}
    (kept,) = restic.kept(json.dumps([ours, {"id": "b", "tags": ["mine"]}, {"id": "c"}]))
    assert (kept.id, kept.point, kept.instance) == ("a", "p", "i")
    assert kept.created == "2026-11-22T11:00:00Z"
