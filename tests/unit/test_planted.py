"""The search for planted secrets finds them in every writing, and nothing where there is none."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import create_engine, text

from tests.support.planted import Planted

SECRET = b"p/a+s&s w\xc3\xb6rd-1"
PLANTED = Planted({"the password": SECRET, "short": b"abc"})


@pytest.mark.parametrize(
    "content",
    [
        b"before " + SECRET + b" after",
        base64.b64encode(SECRET),
        base64.b64encode(b"x" + SECRET + b"y"),
        base64.b64encode(b"xx" + SECRET + b"yy"),
        base64.urlsafe_b64encode(b"kubeconfig: " + SECRET + b"\n"),
        b"https://user:" + quote(SECRET, safe="").encode() + b"@host",
        b"\\x" + SECRET.hex().encode(),
    ],
)
def test_every_writing_is_found(content: bytes) -> None:
    assert PLANTED.in_bytes(content) == ["the password"]


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    assert PLANTED.names == ["the password"]
    assert PLANTED.in_bytes(b"abc " + SECRET[:-1]) == []
    (tmp_path / "a.log").write_bytes(SECRET[1:])
    assert PLANTED.in_files(tmp_path) == (1, [])


def test_every_column_of_a_database_and_every_file_is_read(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'airflow.db'}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE one (id INTEGER, told TEXT, raw BLOB)"))
        connection.execute(text("INSERT INTO one VALUES (1, 'nothing', NULL), (2, 'x', NULL)"))
    assert PLANTED.in_database(url) == (2, [])
    with engine.begin() as connection:
        insert = text("INSERT INTO one VALUES (3, :told, :raw)")
        connection.execute(insert, {"told": SECRET.decode(), "raw": base64.b64encode(SECRET)})
    engine.dispose()
    assert PLANTED.in_database(url) == (
        3,
        ["one.raw: the password", "one.told: the password"],
    )
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_bytes(b"token=" + SECRET)
    assert PLANTED.in_files(tmp_path / "logs") == (1, ["a.log: the password"])
