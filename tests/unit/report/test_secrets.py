"""What a terminal may show of a Secret."""

from __future__ import annotations

import msgspec

from lifeboat.report.secrets import hide, masked

SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "login", "annotations": {"last": '{"password":"aHVudGVyMg=="}'}},
    "data": {"password": "aHVudGVyMg==", "broken": "%%%"},
    "stringData": {"plain": "hunter2"},
    "type": "Opaque",
}


def test_sizes_and_names_are_shown_and_no_value() -> None:
    shown = masked(SECRET)
    assert shown["data"] == {"password": "<7 bytes>", "broken": "<3 bytes>"}
    assert shown["stringData"] == {"plain": "<7 bytes>"}
    assert shown["metadata"] == {"name": "login", "annotations": {"last": "<27 bytes>"}}
    assert shown["type"] == "Opaque"
    for text in (str(hide(SECRET)), repr(hide(SECRET)), msgspec.json.encode(shown).decode()):
        assert "aHVudGVy" not in text
        assert "hunter2" not in text


def test_hidden_values_are_equal_when_the_values_are() -> None:
    other = {**SECRET, "data": {"password": "aHVudGVyMw==", "broken": "%%%"}}
    assert hide(SECRET) == hide(SECRET)
    assert hide(SECRET)["data"]["password"] != hide(other)["data"]["password"]
    assert hide(SECRET)["data"]["broken"] == hide(other)["data"]["broken"]


def test_what_is_no_secret_is_shown_as_it_is() -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"colour": "blue"}}
    assert masked(body) == body
