"""Fixtures: a real S3 protocol over HTTP (moto, see s3_server.py), and an empty bucket per test."""

from __future__ import annotations

import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lifeboat.adapters.store_s3 import create_s3
from lifeboat.adapters.store_s3_settings import S3Settings, s3_client
from local.ports import free_ports
from local.processes import Child, stop_all

_SERVER = Path(__file__).with_name("s3_server.py")
_START_SECONDS = 120.0


@dataclass(frozen=True)
class S3Server:
    """A running emulator."""

    port: int

    def settings(self, bucket: str, port: int | None = None) -> S3Settings:
        """With keys, so that nobody looks for a machine's role; `port` is that of a proxy."""
        return S3Settings(
            bucket,
            "vaults/one",
            endpoint=f"http://127.0.0.1:{port or self.port}",
            region="us-east-1",
            access_key_id="lifeboat",
            secret_access_key="nobody-checks-it",
            retries=1,
        )


@contextmanager
def running_s3(folder: Path) -> Iterator[S3Server]:
    """Starts the server, all in memory, its log in `folder`; ends it by its own pid."""
    (port,) = free_ports(1)
    child = Child("s3", [sys.executable, str(_SERVER), str(port)], folder / "s3.log", {})
    child.start()
    try:
        child.wait_ready(lambda: _listens(port), _START_SECONDS)
        yield S3Server(port)
    finally:
        stop_all([child], grace=5.0)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """The emulator, shared: tests keep apart by bucket."""
    with running_s3(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def s3_settings(s3_server: S3Server) -> S3Settings:
    """Settings of a new, empty bucket without versions or locks."""
    settings = s3_server.settings(f"test-{secrets.token_hex(8)}")
    create_s3(settings)
    return settings


@pytest.fixture
def s3_locking(s3_settings: S3Settings) -> S3Settings:
    """Settings of a new, empty bucket with Object Lock, and with that, versions."""
    settings = replace(s3_settings, bucket=f"{s3_settings.bucket}-lock")
    s3_client(settings).create_bucket(Bucket=settings.bucket, ObjectLockEnabledForBucket=True)
    return settings
