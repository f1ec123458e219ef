"""A vault in a container of Azure Blob Storage (flat namespace), or of its emulator.

Must keep: `If-None-Match: *` decides who created a blob; a 409 is ours when the blob carries the
token of this very call, since a PUT whose answer got lost is sent again by the SDK's retry. Must
not: need an account key, need more rights than read, create, list (and delete for prune), or let
anything of Azure's own exceptions out, since they hold request URLs and with them SAS signatures.

The SDK is imported inside functions: it costs more than a second, and most commands need none.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lifeboat.adapters.azure_identity import Identity, quiet_clients, token_credential
from lifeboat.adapters.store_azure_errors import error_code, retry_after, translate
from lifeboat.errors import (
    BlobExists,
    BlobMissing,
    StoreUnavailable,
    UsageError,
)
from lifeboat.ports.store import BlobStat, check_key, check_prefix, check_range, is_key

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient, ExponentialRetry

_TOKEN = "lifeboat_write"  # noqa: S105 - the name of the metadata field, not a secret
_LONGEST_PAUSE = 60.0  # seconds; a longer Retry-After is left to the caller
_CONNECT_SECONDS = 10
_READ_SECONDS = 60
# What Azure calls a create-if-absent that lost: plainly, in a locked container, and (the last two)
# to a SAS that may create but not overwrite; those may also mean that it may not even create.
_TAKEN = {
    "BlobAlreadyExists",
    "BlobImmutableDueToPolicy",
    "UnauthorizedBlobOverwrite",
    "AuthorizationPermissionMismatch",
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

    quiet_clients()
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
    return token_credential(
        settings.identity,
        client_id=settings.client_id,
        tenant_id=settings.tenant_id,
        client_secret=settings.client_secret,
    )


def _retry_policy(retries: int) -> ExponentialRetry:
    from azure.storage.blob import ExponentialRetry

    class PatientRetry(ExponentialRetry):
        """The SDK's backoff, but never earlier than the service asked for (the SDK ignores it)."""

        def get_backoff_time(self, settings: dict[str, Any]) -> float:
            response = settings["history"][-1].http_response
            wished = retry_after(response.headers) if response is not None else None
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
                if error_code(error) != "ContainerAlreadyExists":
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
                if error_code(error) not in _TAKEN:
                    raise
                writer = self._writer(name)
                if writer is None and error.status_code == 403:
                    raise
            else:
                return
        # A PUT whose answer got lost was sent again, and the blob in its way is its own. The token
        # is set by the same request as the bytes, so an equal token means equal bytes.
        if writer is None:
            raise StoreUnavailable(f"{key} was deleted while it was being written")
        if writer != token:
            raise BlobExists(f"{key} is already in {self.describe()}")

    def _writer(self, name: str) -> str | None:
        """The token of the call that wrote a blob ("" for a foreign one); None without a blob."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            found = self._container.get_blob_client(name).get_blob_properties()
        except ResourceNotFoundError:
            return None
        return str(found.metadata.get(_TOKEN, ""))

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
                if error_code(error) == "InvalidRange":  # starts at or beyond the end
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
            raise translate(error, f"cannot {doing} in {self.describe()}") from None
