"""`lifeboat vault check` from the files to a real server, credentials and endpoint included."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lifeboat.adapters.store_s3_settings import S3Settings
from lifeboat.cli import app
from tests.support.azurite import Azurite

CLUSTERS = """
clusters: []
vaults:
  - name: here
    url: s3://{bucket}/vaults/one
    endpoint: env:TEST_ENDPOINT
    accessKeyId: env:TEST_KEY_ID
    secretAccessKey: env:TEST_KEY
    encryption: none
  - name: azure
    url: azure://lifeboat/never-made
    connectionString: env:TEST_CONNECTION_STRING
    encryption: none
"""


@pytest.fixture
def include(tmp_path: Path, s3_settings: S3Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "clusters.yaml").write_text(CLUSTERS.format(bucket=s3_settings.bucket))
    monkeypatch.setenv("TEST_ENDPOINT", s3_settings.endpoint)
    monkeypatch.setenv("TEST_KEY_ID", s3_settings.access_key_id)
    monkeypatch.setenv("TEST_KEY", s3_settings.secret_access_key)
    return tmp_path


def test_a_bucket_by_its_entry(include: Path, s3_settings: S3Settings) -> None:
    result = CliRunner().invoke(app, ["vault", "check", "here", "--include", str(include)])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[-1] == "a vault may lie here"
    assert [line for line in lines if line.startswith("broken")] == []
    assert "made without Object Lock" in result.stdout
    assert s3_settings.secret_access_key not in result.output


def test_a_container_that_is_not_there(
    include: Path, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_CONNECTION_STRING", azurite.connection_string)
    result = CliRunner().invoke(app, ["vault", "check", "azure", "--include", str(include)])
    assert type(result.exception).__name__ == "NotAVault"
    assert result.stdout == ""
