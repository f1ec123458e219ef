"""What the errors of S3 and of its client mean for a vault.

Must not let the client's own exceptions out: they hold request URLs, and those of presigned or
misconfigured clients hold signatures. The service's code is kept, its words are not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lifeboat.errors import (
    BlobMissing,
    Conflict,
    Forbidden,
    Invalid,
    LifeboatError,
    NotAVault,
    StoreFull,
    StoreUnavailable,
    Unauthorized,
    Unsupported,
    UsageError,
)

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

_BAD_CREDENTIAL = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
}
# What compatible servers call a full disk or a used-up quota; S3 itself has neither.
_FULL = {"InsufficientStorage", "QuotaExceeded", "StorageFull", "XMinioStorageFull"}
_BUSY = {"RequestTimeout", "SlowDown", "ServiceUnavailable", "Throttling", "RequestLimitExceeded"}
_NO_CREDENTIAL = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "MetadataRetrievalError",
    "TokenRetrievalError",
    "SSOError",
)
_SETTINGS = ("ConfigNotFound", "ProfileNotFound", "NoRegionError", "ParamValidationError")


def status_of(error: ClientError) -> int:
    """The HTTP status, 0 when the client knows none."""
    metadata = error.response.get("ResponseMetadata", {})
    return int(metadata.get("HTTPStatusCode", 0))


def code_of(error: ClientError) -> str:
    """S3's own code (`NoSuchKey`); of a HEAD, which has no body, only the status as text."""
    return str(error.response.get("Error", {}).get("Code", ""))


def retry_after(headers: Any) -> float | None:
    """Seconds of a Retry-After header, else None; the date form is not used by S3 servers."""
    value = str(headers.get("retry-after", ""))
    return float(value) if value.isdecimal() else None


def translate(error: ClientError | BotoCoreError, message: str) -> LifeboatError:
    """The error to raise instead, `from None`. `message` says what could not be done, and where."""
    from botocore.exceptions import ClientError

    if isinstance(error, ClientError):
        headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return _of_status(status_of(error), code_of(error), message, retry_after(headers))
    kinds = {kind.__name__ for kind in type(error).__mro__}
    reason = re.sub(r"\?\S*", "", str(error)).partition("\n")[0][:300]
    if kinds & set(_NO_CREDENTIAL):
        return Unauthorized(
            f"{message}: no usable AWS credential: {reason}",
            hint="Set AWS_PROFILE or the keys, or check the role of this machine or pod.",
        )
    if kinds & set(_SETTINGS):
        return UsageError(f"{message}: {reason}")
    return StoreUnavailable(f"{message}: {reason}")


def _of_status(status: int, code: str, message: str, wait: float | None) -> LifeboatError:
    reason = f"{message}: S3 says {status} {code}".rstrip().removesuffix(f" {status}")
    if code == "NoSuchBucket":
        return NotAVault(reason, hint="Check the name; `lifeboat vault init` makes a new vault.")
    if status == 401 or code in _BAD_CREDENTIAL:
        return Unauthorized(
            reason,
            hint="The key or token is wrong or has expired, or this machine's clock is off.",
        )
    if code in _FULL or status == 507:
        return StoreFull(reason, hint="Raise the quota; nothing was damaged.")
    if code in _BUSY or status in (408, 429) or (status >= 500 and status != 501):
        return StoreUnavailable(reason, retry_after=wait)
    return _refused(status, reason)


def _refused(status: int, reason: str) -> LifeboatError:
    match status:
        case 403:
            return Forbidden(
                reason,
                hint="docs/stores.md lists the rights that a writer, a pruner and a reader need.",
            )
        case 404:
            return BlobMissing(reason)
        case 409 | 412:
            return Conflict(reason)
        case 501:
            return Unsupported(reason)
        case _:
            return Invalid(reason)
