"""A vault in a container of Azure Blob Storage (flat namespace), or of its emulator.

Must keep: `If-None-Match: *` decides who created a blob; a 409 is ours when the blob carries the
token of this very call, since a PUT whose answer got lost is sent again by the SDK's retry. Must
not: need an account key, need more rights than read, create, list (and delete for prune), or let
anything of Azure's own exceptions out, since they hold request URLs and with them SAS signatures.

The SDK is imported inside functions: it costs more than a second, and most commands need none.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lifeboat.errors import (
    BlobExists,
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
from lifeboat.ports.store import BlobStat, check_key, check_prefix, check_range, is_key

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.exceptions import AzureError, HttpResponseError
    from azure.storage.blob import ContainerClient, ExponentialRetry

Identity = Literal["", "workload-identity", "managed-identity", "default"]

_TOKEN = "lifeboat_write"  # noqa: S105 - the name of the metadata field, not a secret
_LONGEST_PAUSE = 60.0  # seconds; a longer Retry-After is left to the caller
_CONNECT_SECONDS = 10
_READ_SECONDS = 60
# What Azure calls a create-if-absent that lost: plainly, in a locked container, and to a SAS that
# may create but not overwrite.
_TAKEN = {"BlobAlreadyExists", "BlobImmutableDueToPolicy", "UnauthorizedBlobOverwrite"}
_NO_CONTAINER = {"ContainerNotFound", "ContainerBeingDeleted", "ContainerDisabled"}
_BAD_CREDENTIAL = {
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
    "NoAuthenticationInformation",
}


@dataclass(frozen=True)
class AzureSettings:
    """Where the container is and the one credential that opens it.

    Exactly one of connection_string, account_key, sas_token, client_secret, identity; UsageError
    otherwise. `account_url` (`https://NAME.blob.core.windows.net`) is needed with all but a
    connection string. `retries`: how often one request is repeated before StoreUnavailable.

    From an Airflow connection of type `wasb`, an allow-list (nothing else of extra is read), the
    first that is set decides:

    | field of the connection | field here |
    |---|---|
    | extra.connection_string | connection_string, alone |
    | host, or extra.account_host; or login alone, as account name | account_url |
    | extra.tenant_id + login + password | tenant_id, client_id, client_secret |
    | extra.shared_access_key, password, extra.account_key | account_key |
    | extra.sas_token | sas_token; of a whole URL, account_url before and sas_token after the `?` |
    | extra.workload_identity_tenant_id, …_client_id | tenant_id, client_id, "workload-identity" |
    | extra.managed_identity_client_id | client_id, identity="managed-identity" |
    | none of them | identity="default" |
    """

    container: str
    prefix: str = ""
    account_url: str = ""
    connection_string: str = field(default="", repr=False)
    account_key: str = field(default="", repr=False)
    sas_token: str = field(default="", repr=False)
    client_secret: str = field(default="", repr=False)
    identity: Identity = ""
    client_id: str = ""
    tenant_id: str = ""
    retries: int = 5

    def __post_init__(self) -> None:
        kinds = ("connection_string", "account_key", "sas_token", "client_secret", "identity")
        given = [kind for kind in kinds if getattr(self, kind)]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise UsageError(f"Azure store: found {found}; give exactly one of {', '.join(kinds)}")
        if not self.container:
            raise UsageError("Azure store: container is empty; name the vault's container")
        if bool(self.account_url) == bool(self.connection_string):
            raise UsageError("Azure store: give account_url, or a connection_string that holds it")
        if "?" in self.account_url:
            raise UsageError("Azure store: account_url has a query; a SAS belongs in sas_token")
        if self.client_secret and not (self.client_id and self.tenant_id):
            raise UsageError("Azure store: client_secret needs client_id and tenant_id")


def connect_azure(settings: AzureSettings) -> AzureStore:
    """The store; nothing is sent yet. Raises UsageError for malformed settings."""
    from azure.storage.blob import ContainerClient

    # azure logs every request at INFO. urllib3 logs whole URLs, signatures included, at DEBUG.
    for name in ("azure", "urllib3.connectionpool"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
    options: dict[str, Any] = {
        "retry_policy": _retry_policy(settings.retries),
        "connection_timeout": _CONNECT_SECONDS,
        "read_timeout": _READ_SECONDS,
    }
    try:
        if settings.connection_string:
            container = ContainerClient.from_connection_string(
                settings.connection_string, settings.container, **options
            )
        else:
            container = ContainerClient(
                settings.account_url, settings.container, _credential(settings), **options
            )
    except ValueError:
        raise UsageError(
            "Azure store: the account URL, connection string or credential is malformed",
            hint="Copy it again from the storage account's page.",
        ) from None
    return AzureStore(container, settings.prefix)


def create_azure(settings: AzureSettings) -> AzureStore:
    """The store, its container made if it is missing, for `lifeboat vault init`."""
    store = connect_azure(settings)
    store.make_container()
    return store


def _credential(settings: AzureSettings) -> Any:
    from azure.core.credentials import AzureSasCredential

    if settings.account_key:
        return settings.account_key
    if settings.sas_token:
        return AzureSasCredential(settings.sas_token.removeprefix("?"))
    return _token_credential(settings)


def _token_credential(settings: AzureSettings) -> TokenCredential:
    import azure.identity as entra

    named = {
        key: value
        for key, value in (("client_id", settings.client_id), ("tenant_id", settings.tenant_id))
        if value
    }
    if settings.client_secret:
        return entra.ClientSecretCredential(
            settings.tenant_id, settings.client_id, settings.client_secret
        )
    match settings.identity:
        case "workload-identity":
            try:
                return entra.WorkloadIdentityCredential(**named)
            except ValueError:
                raise UsageError(
                    "Azure store: no workload identity here: client id, tenant id or "
                    "AZURE_FEDERATED_TOKEN_FILE is missing",
                    hint="Label the pod azure.workload.identity/use=true and name its account.",
                ) from None
        case "managed-identity":
            return entra.ManagedIdentityCredential(client_id=settings.client_id or None)
        case _:
            return entra.DefaultAzureCredential()


def _retry_policy(retries: int) -> ExponentialRetry:
    from azure.storage.blob import ExponentialRetry

    class PatientRetry(ExponentialRetry):
        """The SDK's backoff, but never earlier than the service asked for (the SDK ignores it)."""

        def get_backoff_time(self, settings: dict[str, Any]) -> float:
            response = settings["history"][-1].http_response
            wished = _retry_after(response.headers) if response is not None else None
            return max(super().get_backoff_time(settings), min(wished or 0.0, _LONGEST_PAUSE))

    return PatientRetry(
        initial_backoff=1,
        increment_base=2,
        random_jitter_range=1,
        retry_total=retries,
        retry_connect=retries,
        retry_read=retries,
        retry_status=retries,
    )


class AzureStore:
    """The store port on one container, below a prefix. `page` is the blobs per listing request."""

    def __init__(
        self, container: ContainerClient, prefix: str = "", *, page: int | None = None
    ) -> None:
        stripped = prefix.strip("/")
        try:
            self._prefix = check_prefix(f"{stripped}/" if stripped else "")
        except ValueError as error:
            raise UsageError(f"Azure store: prefix {prefix!r} is not a path of names") from error
        self._container = container
        self._page = page

    def describe(self) -> str:
        """The container's URL and prefix, any signature cut off."""
        return f"{self._container.url.partition('?')[0]}/{self._prefix}".rstrip("/")

    def make_container(self) -> None:
        """Create the container if it is missing; private, as Azure's default is."""
        from azure.core.exceptions import ResourceExistsError

        with self._errors("create the container"):
            try:
                self._container.create_container()
            except ResourceExistsError as error:
                if _code(error) != "ContainerAlreadyExists":
                    raise

    def put_new(self, key: str, data: bytes) -> None:
        """Create the blob with If-None-Match: *. Raises BlobExists when somebody else has."""
        from azure.core.exceptions import HttpResponseError

        name = self._prefix + check_key(key)
        token = secrets.token_hex(16)
        with self._errors(f"write {key}"):
            try:
                self._container.upload_blob(name, data, overwrite=False, metadata={_TOKEN: token})
            except HttpResponseError as error:
                if _code(error) not in _TAKEN:
                    raise
                if not self._is_ours(name, token):
                    raise BlobExists(f"{key} is already in {self.describe()}") from None

    def _is_ours(self, name: str, token: str) -> bool:
        """Whether the blob in the way is this call's own, written by a PUT whose answer got lost.

        The token is set by the same request as the bytes, so an equal token means equal bytes.
        """
        from azure.core.exceptions import ResourceNotFoundError

        try:
            found = self._container.get_blob_client(name).get_blob_properties()
        except ResourceNotFoundError:
            raise StoreUnavailable(f"{name} was deleted while it was being written") from None
        return found.metadata.get(_TOKEN) == token

    def get(self, key: str) -> bytes:
        """The whole blob. Raises BlobMissing."""
        name = self._prefix + check_key(key)
        with self._errors(f"read {key}"):
            return self._container.download_blob(name).readall()

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, fewer only at the blob's end. Raises BlobMissing."""
        from azure.core.exceptions import HttpResponseError

        check_range(offset, length)
        name = self._prefix + check_key(key)
        with self._errors(f"read {key}"):
            if length == 0:  # HTTP has no empty range; only whether the blob is there matters
                self._container.get_blob_client(name).get_blob_properties()
                return b""
            try:
                return self._container.download_blob(name, offset=offset, length=length).readall()
            except HttpResponseError as error:
                if _code(error) == "InvalidRange":  # starts at or beyond the end
                    return b""
                raise

    def stat(self, key: str) -> BlobStat | None:
        """None when there is no such blob."""
        name = self._prefix + check_key(key)
        try:
            with self._errors(f"look at {key}"):
                found = self._container.get_blob_client(name).get_blob_properties()
        except BlobMissing:
            return None
        return BlobStat(key, found.size, found.creation_time)

    def list(self, prefix: str) -> Iterator[BlobStat]:
        """All blobs below `prefix` in ascending order of key, page by page (5,000 by default)."""
        return self._list(check_prefix(prefix))

    def _list(self, prefix: str) -> Iterator[BlobStat]:
        with self._errors(f"list {prefix or 'blobs'}"):
            for found in self._container.list_blobs(
                name_starts_with=self._prefix + prefix, results_per_page=self._page
            ):
                key = found.name.removeprefix(self._prefix)
                if is_key(key):  # else somebody's own file in the container
                    yield BlobStat(key, found.size, found.creation_time)

    def delete(self, key: str) -> None:
        """Remove the blob if it is there. Raises Conflict while it is immutable or leased."""
        name = self._prefix + check_key(key)
        try:
            with self._errors(f"delete {key}"):
                self._container.delete_blob(name)
        except BlobMissing:
            return

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        from azure.core.exceptions import AzureError

        try:
            yield
        except AzureError as error:
            # `from None`: a traceback with Azure's exception would print the signed URL.
            raise _translate(error, f"cannot {doing} in {self.describe()}") from None


def _code(error: HttpResponseError) -> str:
    """Azure's own error code (`BlobNotFound`), "" when the answer carried none."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


def _retry_after(headers: Any) -> float | None:
    """Seconds of a Retry-After header. Azure Storage never sends the date form."""
    value = headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None


def _translate(error: AzureError, message: str) -> LifeboatError:
    from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

    response: Any = getattr(error, "response", None)  # None when there was no answer
    if isinstance(error, HttpResponseError) and response is not None:
        wait = _retry_after(response.headers)
        return _of_status(response.status_code, _code(error), message, wait)
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
                "delete to prune), and a network rule that lets this address in.",
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
