"""Looks for secrets in every row of a database and in every file of a folder, however written."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import yaml
from sqlalchemy import MetaData, create_engine, inspect, select

from local import sample_app
from tests.support.airflow import Lifeboat

_SHORTEST = 6
"""Shorter ones ("yes", "3306") are found everywhere by chance."""


class Planted:
    """Secrets by what a person would call them; values shorter than six bytes are not looked for.

    Looks for each as it is, in base64 (as a part of something longer, too), quoted for URLs and
    JSON, and in hexadecimal.
    """

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self.names = [name for name, value in secrets.items() if len(value) >= _SHORTEST]
        self._forms = [(name, form) for name in self.names for form in _forms(secrets[name])]

    def in_bytes(self, content: bytes) -> list[str]:
        """The names of those that are in there."""
        return sorted({name for name, form in self._forms if form in content})

    def in_database(self, url: str) -> tuple[int, list[str]]:
        """How many rows there are, and `table.column: name` for each column that has a secret."""
        engine = create_engine(url)
        rows, found = 0, set()
        try:
            known = inspect(engine)
            for schema in known.get_schema_names():
                if schema == "information_schema":
                    continue
                for table, row in _rows(engine, schema):
                    rows += 1
                    for column, value in row.items():
                        for name in self.in_bytes(_bytes(value)):
                            found.add(f"{table}.{column}: {name}")
        finally:
            engine.dispose()
        return rows, sorted(found)

    def in_files(self, folder: Path) -> tuple[int, list[str]]:
        """How many files there are, and `path: name` for each that has a secret."""
        files = [path for path in folder.rglob("*") if path.is_file()]
        return len(files), [
            f"{path.relative_to(folder)}: {name}"
            for path in files
            for name in self.in_bytes(path.read_bytes())
        ]


def _rows(engine: Any, schema: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    tables = MetaData()
    tables.reflect(engine, schema=schema)
    with engine.connect() as connection:
        for table in tables.sorted_tables:
            for row in connection.execute(select(table)).mappings():
                yield table.name, row


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        return value.encode(errors="surrogateescape")
    return json.dumps(value, default=str, ensure_ascii=False).encode()


def _forms(secret: bytes) -> set[bytes]:
    written = {secret, secret.hex().encode(), secret.hex().upper().encode()}
    written |= {quote(secret, safe="").encode(), quote_plus(secret).encode()}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for shift in range(3):
            whole = encode(bytes(shift) + secret).rstrip(b"=")
            # The first characters hold bits of what is before, the last one of what comes after.
            start, rest = (0, 2, 3)[shift], (len(secret) + shift) % 3
            written.add(whole[start : len(whole) - (1 if rest else 0)])
    for ascii_only in (True, False):
        text = json.dumps(secret.decode(errors="replace"), ensure_ascii=ascii_only)
        written.add(text[1:-1].encode())
    return {form for form in written if len(form) >= _SHORTEST}


def assert_no_secret(lifeboat: Lifeboat, more: Mapping[str, bytes] | None = None) -> None:
    """Neither Airflow's whole database nor a log nor the vault shows what must stay secret: values
    of the Secrets that were captured, the vault's key, the token of the kubeconfig, and `more`."""
    planted = Planted({**_secrets(lifeboat), **(more or {})})
    assert len(planted.names) > 4
    rows, found = planted.in_database(lifeboat.stack.database_url)
    assert rows > 100, "that is not Airflow's database"
    assert found == []
    for folder in (lifeboat.stack.logs, lifeboat.vault_folder):
        files, found = planted.in_files(folder)
        assert files
        assert found == []


def _secrets(lifeboat: Lifeboat) -> dict[str, bytes]:
    found = {"the vault's key": lifeboat.env["LIFEBOAT_VAULT_KEY"].encode()}
    kubeconfig = yaml.safe_load(Path(lifeboat.env["KUBECONFIG"]).read_text())
    for user in kubeconfig["users"]:
        found[f"the token of {user['name']}"] = user["user"]["token"].encode()
    for namespace in sample_app.NAMESPACES:
        for item in lifeboat.cluster.api.list("v1", "Secret", namespace):
            for key, value in (item.get("data") or {}).items():
                name = f"{key} of {namespace}/{item['metadata']['name']}"
                found[name] = base64.b64decode(value)
    return found
