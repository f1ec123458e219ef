"""Where a bucket is, each way of signing for it, and the client that does.

Must not: ask for credentials, or look for a role, before the first request.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lifeboat.adapters.store_s3_errors import retry_after
from lifeboat.errors import UsageError

_LONGEST_PAUSE = 60.0  # seconds; a longer Retry-After is left to the caller
_CONNECT_SECONDS = 10
_READ_SECONDS = 60


@dataclass(frozen=True)
class S3Settings:
    """Where the bucket is and how to sign for it.

    With neither keys nor `profile`, boto3's own chain decides: environment, shared files, web
    identity (EKS), the machine's role. `endpoint`: the URL of another server than AWS. `region`: of
    the bucket; default what boto3 finds, else us-east-1. `retries`: how often one request is
    repeated before StoreUnavailable. UsageError for keys by halves or together with a profile.
    """

    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    profile: str = ""
    retries: int = 5

    def __post_init__(self) -> None:
        if not self.bucket:
            raise UsageError("S3 store: bucket is empty; name the vault's bucket")
        if bool(self.access_key_id) != bool(self.secret_access_key):
            raise UsageError("S3 store: give access key id and secret access key, or neither")
        if self.session_token and not self.access_key_id:
            raise UsageError("S3 store: a session token goes with an access key")
        if self.profile and self.access_key_id:
            raise UsageError("S3 store: found a profile and keys; give one of them")
        if "?" in self.endpoint or "@" in self.endpoint:
            raise UsageError("S3 store: the endpoint is a plain URL, without query or credentials")


def s3_client(settings: S3Settings) -> Any:
    """boto3's client; nothing is sent yet. Raises UsageError for bad settings or without boto3."""
    try:
        import boto3.session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise UsageError(
            "S3 store: the library boto3 is not installed here",
            hint="Install it with: pip install 'lifeboat[s3]'",
        ) from None

    # At DEBUG they log headers with signatures, and bodies.
    for name in ("boto3", "botocore", "s3transfer", "urllib3.connectionpool"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
    try:
        session = boto3.session.Session(
            aws_access_key_id=settings.access_key_id or None,
            aws_secret_access_key=settings.secret_access_key or None,
            aws_session_token=settings.session_token or None,
            profile_name=settings.profile or None,
        )
        client = session.client(
            "s3",
            endpoint_url=settings.endpoint or None,
            region_name=settings.region or session.region_name or "us-east-1",
            config=Config(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                retries={"total_max_attempts": settings.retries + 1, "mode": "standard"},
                # Servers other than AWS rarely have a name per bucket.
                s3={"addressing_style": "path" if settings.endpoint else "auto"},
            ),
        )
    except (BotoCoreError, ValueError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise UsageError(f"S3 store: {reason}", hint="Check endpoint, region, profile.") from None
    client.meta.events.register_first("needs-retry.s3", _patience(settings.retries))
    return client


def _patience(retries: int) -> Callable[..., float | None]:
    """Never comes back earlier than the service asked for, which the client's own retry ignores."""

    def wait(response: Any, attempts: int, **_: Any) -> float | None:
        if response is None or attempts > retries or response[0].status_code < 429:
            return None
        wished = retry_after(response[0].headers)
        return None if wished is None else min(wished, _LONGEST_PAUSE)

    return wait
