"""A vault in a container of Azure Blob Storage (flat namespace), or of its emulator.

Must keep: `If-None-Match: *` decides who created a blob; a 409 is ours when the blob carries the
token of this very call, since a PUT whose answer got lost is sent again by the SDK's retry. Must
not: need an account key, need more rights than read, create, list (and delete for prune; more for
locks: docs/stores.md), or let anything of Azure's own exceptions out, since they hold request URLs
and with them SAS signatures.

Locks are version-level WORM policies, in the state Locked: nobody shortens them. Versions come with
it, and then a delete without a version id merely hides a blob, even a locked one. So `delete` looks
at the lock first, and removes the hidden version itself where the credential may.

The SDK is imported inside functions: it costs more than a second, and most commands need none.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lifeboat.adapters.azure_identity import quiet_clients
from lifeboat.adapters.store_azure_errors import error_code, retry_after, translate
from lifeboat.adapters.store_azure_settings import AzureSettings, credential
from lifeboat.clock import Clock, utc_now
from lifeboat.errors import (
    BlobExists,
    BlobMissing,
    Conflict,
    Forbidden,
    Invalid,
    StoreUnavailable,
    Unsupported,
    UsageError,
)
from lifeboat.ports.store import (
    BlobStat,
    Traits,
    check_key,
    check_prefix,
    check_range,
    is_key,
    lock_end,
    locked,
)

if TYPE_CHECKING:
    from azure.storage.blob import (
        BlobProperties,
        ContainerClient,
        ExponentialRetry,
        ImmutabilityPolicy,
    )

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


def connect_azure(settings: AzureSettings, *, clock: Clock = utc_now) -> AzureStore:
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
                settings.account_url, settings.container, credential(settings), **options
            )
    except ValueError:
        raise UsageError(
            "Azure store: the account URL, connection string or credential is malformed",
            hint="Copy it again from the storage account's page.",
        ) from None
    return AzureStore(container, settings.prefix, clock=clock)


def create_azure(settings: AzureSettings) -> AzureStore:
    """The store, its container made if it is missing, for `lifeboat vault init`."""
    store = connect_azure(settings)
    store.make_container()
    return store


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
        self,
        container: ContainerClient,
        prefix: str = "",
        *,
        page: int | None = None,
        clock: Clock = utc_now,
    ) -> None:
        stripped = prefix.strip("/")
        try:
            self._prefix = check_prefix(f"{stripped}/" if stripped else "")
        except ValueError as error:
            raise UsageError(f"Azure store: prefix {prefix!r} is not a path of names") from error
        self._container = container
        self._page = page
        self._clock = clock
        self._locks_proven = False

    in_flight = 10  # connections that the client's pool keeps open

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

    def traits(self) -> Traits:
        """Asks the container whether it has version-level WORM, the account how it is made."""
        worm = self._has_worm()
        flat = self._is_flat()
        notes = []
        if flat is False:
            notes.append(
                "the account has a hierarchical namespace, which rules version-level immutability "
                "out; a vault with locks needs an account without it"
            )
        elif worm is False:
            notes.append("the container was made without version-level immutability")
        if worm:
            notes.append(
                "deleted blobs stay as previous versions, unless the credential may delete "
                "versions; a lifecycle rule removes the rest"
            )
        if worm is None:
            notes.append("the credential may not read the container's properties")
        return Traits(immutability=worm, keeps_deleted=worm or None, notes=tuple(notes))

    def _has_worm(self) -> bool | None:
        try:
            with self._errors("look at the container"):
                found = self._container.get_container_properties()
        except Forbidden:
            return None
        return bool(found.immutable_storage_with_versioning_enabled)

    def _is_flat(self) -> bool | None:
        try:
            with self._errors("look at the account"):
                found = self._container.get_account_information()
        except (Forbidden, Invalid, Unsupported, BlobMissing):
            return None
        hierarchical = found.get("is_hns_enabled")  # None from services older than 2019
        return None if hierarchical is None else not hierarchical

    def put_new(self, key: str, data: bytes, *, immutable_until: datetime | None = None) -> None:
        """Create the blob with If-None-Match: *. Raises BlobExists when somebody else has.

        Raises Unsupported when it should be locked and the container has no version-level WORM.
        """
        name = self._prefix + check_key(key)
        options: dict[str, Any] = {}
        if immutable_until is not None:
            options["immutability_policy"] = _policy(immutable_until)
            if not self._locks_proven and self._has_worm() is False:
                raise self._no_locks(key)
        self._create(key, name, data, options)
        if immutable_until is not None and not self._locks_proven:
            # An emulator, or a proxy that drops headers, takes the request and leaves the lock out.
            found = self._properties(key, name)
            if found is None or found.immutability_policy.expiry_time is None:
                raise self._no_locks(key)
            self._locks_proven = True

    def _create(self, key: str, name: str, data: bytes, options: dict[str, Any]) -> None:
        from azure.core.exceptions import HttpResponseError

        token = secrets.token_hex(16)
        with self._errors(f"write {key}"):
            try:
                self._container.upload_blob(
                    name, data, overwrite=False, metadata={_TOKEN: token}, **options
                )
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

    def extend_immutability(self, key: str, until: datetime) -> None:
        """Lock until `until`, unless it is locked for longer. Raises BlobMissing, Unsupported."""
        name = self._prefix + check_key(key)
        end = lock_end(until)
        if self._has_worm() is False:
            raise self._no_locks(key)
        with self._errors(f"lock {key}"):
            blob = self._container.get_blob_client(name)
            now = blob.get_blob_properties().immutability_policy
            mode = str(now.policy_mode or "").lower()
            if mode == "locked" and now.expiry_time is not None and now.expiry_time >= end:
                return
            # A policy that somebody left unlocked is locked here, never for shorter than it was.
            blob.set_immutability_policy(_policy(max(end, now.expiry_time or end)))

    def _no_locks(self, key: str) -> Unsupported:
        return Unsupported(
            f"cannot lock {key}: {self.describe()} has no version-level immutability",
            hint="docs/stores.md says how to make a container that has it.",
        )

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
        found = self._properties(key, self._prefix + check_key(key))
        return None if found is None else BlobStat(key, found.size, found.creation_time)

    def _properties(self, key: str, name: str) -> BlobProperties | None:
        try:
            with self._errors(f"look at {key}"):
                return self._container.get_blob_client(name).get_blob_properties()
        except BlobMissing:
            return None

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
        found = self._properties(key, name)
        if found is None:
            return
        until = found.immutability_policy.expiry_time
        if until is not None and until > self._clock():
            raise locked(key, until)
        if found.has_legal_hold:
            raise Conflict(f"{key} has a legal hold", hint="Not yet: somebody must clear it first.")
        with suppress(BlobMissing), self._errors(f"delete {key}"):
            self._container.delete_blob(name)
        if found.version_id:
            # Where the credential may not delete versions, a lifecycle rule does (`traits`).
            with suppress(BlobMissing, Forbidden), self._errors(f"delete the version of {key}"):
                blob = self._container.get_blob_client(name, version_id=found.version_id)
                blob.delete_blob()

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        from azure.core.exceptions import AzureError

        try:
            yield
        except AzureError as error:
            # `from None`: a traceback with Azure's exception would print the signed URL.
            raise translate(error, f"cannot {doing} in {self.describe()}") from None


def _policy(until: datetime) -> ImmutabilityPolicy:
    from azure.storage.blob import BlobImmutabilityPolicyMode, ImmutabilityPolicy

    return ImmutabilityPolicy(
        expiry_time=lock_end(until), policy_mode=BlobImmutabilityPolicyMode.LOCKED
    )
