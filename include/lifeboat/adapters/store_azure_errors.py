"""What the errors of Azure Blob Storage mean for a vault.

Must not let Azure's own words out: they hold request URLs, and with them SAS signatures.
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
)

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError, HttpResponseError

_NO_CONTAINER = {"ContainerNotFound", "ContainerBeingDeleted", "ContainerDisabled"}
_BAD_CREDENTIAL = {
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
    "NoAuthenticationInformation",
}


def error_code(error: HttpResponseError) -> str:
    """Azure's own error code (`BlobNotFound`), "" when the answer carried none."""
    code = getattr(error, "error_code", None)
    response: Any = error.response
    if code is None and response is not None:  # not every call of the SDK reads it
        code = response.headers.get("x-ms-error-code")
    return str(getattr(code, "value", code) or "")


def retry_after(headers: Any) -> float | None:
    """Seconds of a Retry-After header, else None; Azure Storage never sends the date form."""
    value = headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None


def translate(error: AzureError, message: str) -> LifeboatError:
    """The error to raise instead, `from None`. `message` says what could not be done, and where."""
    from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

    response: Any = getattr(error, "response", None)  # None when there was no answer
    if isinstance(error, HttpResponseError) and response is not None:
        wait = retry_after(response.headers)
        return _of_status(response.status_code, error_code(error), message, wait)
    # The URL's query may be a SAS: cut every query off.
    reason = re.sub(r"\?\S*", "", error.message).partition("\n")[0][:300]
    if isinstance(error, ClientAuthenticationError):
        return Unauthorized(
            f"{message}: no usable Azure credential: {reason}",
            hint="Check the connection's credential fields or the identity of this machine or pod.",
        )
    return StoreUnavailable(f"{message}: {reason}")


def _of_status(status: int, code: str, message: str, wait: float | None) -> LifeboatError:
    reason = f"{message}: Azure says {status} {code}".rstrip()
    if code in _NO_CONTAINER:
        return NotAVault(reason, hint="Check the name; `lifeboat vault init` makes a new vault.")
    if status == 401 or code in _BAD_CREDENTIAL:
        return Unauthorized(reason, hint="The key, SAS or token is wrong or has expired.")
    match status:
        case 403:
            return Forbidden(
                reason,
                hint="It needs Storage Blob Data Contributor (or a SAS with read, create, list; "
                "delete to prune), the right key, and a network rule that lets this address in.",
            )
        case 404:
            return BlobMissing(reason)
        case 409 | 412:
            return _conflict(code, reason)
        case 501:
            return Unsupported(reason)
        case 507:
            return StoreFull(reason, hint="Raise the quota; nothing was damaged.")
        case 408 | 429:
            return StoreUnavailable(reason, retry_after=wait)
        case _ if status >= 500:
            return StoreUnavailable(reason, retry_after=wait)
        case _:
            return Invalid(reason)


def _conflict(code: str, reason: str) -> Conflict:
    if code == "BlobImmutableDueToPolicy":
        return Conflict(reason, hint="Not yet: it may be deleted when its lock has run out.")
    return Conflict(reason)
