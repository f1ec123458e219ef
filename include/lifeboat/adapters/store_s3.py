"""A vault in a bucket of S3, or of a server that speaks its protocol.

Must keep: `If-None-Match: *` decides who created a blob; a 412 is ours when the blob carries the
token of this very call, since a PUT whose answer got lost is sent again by the client's retry; a
409 means that two writers met and neither was decided, so it is asked again. `delete` names the
version that it saw, so the service itself refuses a locked one, and a versioned bucket does not
merely hide it. Must not: need more rights than docs/stores.md lists, or let anything of the
client's own exceptions out.

Locks are Object Lock retentions in COMPLIANCE mode: nobody shortens them, the account's owner
included. boto3 is an optional dependency, imported when a store is connected and not before.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any

from lifeboat.adapters.store_s3_errors import code_of, status_of, translate
from lifeboat.adapters.store_s3_settings import S3Settings, s3_client
from lifeboat.clock import Clock, pause, utc_now
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

_TOKEN = "lifeboat-write"  # noqa: S105 - the name of the metadata field, not a secret
_UNDECIDED = 5  # how often a 409 is asked again


def connect_s3(settings: S3Settings) -> S3Store:
    """The store; nothing is sent yet. Raises UsageError for malformed settings or without boto3."""
    return S3Store(s3_client(settings), settings.bucket, settings.prefix)


def create_s3(settings: S3Settings) -> S3Store:
    """The store, its bucket made if it is missing, for `lifeboat vault init`. Without locks: those
    need a bucket made with Object Lock, on purpose (docs/stores.md)."""
    store = connect_s3(settings)
    store.make_bucket()
    return store


class S3Store:
    """The store port on one bucket, below a prefix. `page` is the blobs per listing request."""

    def __init__(
        self,
        client: Any,
        bucket: str,
        prefix: str = "",
        *,
        page: int | None = None,
        clock: Clock = utc_now,
    ) -> None:
        stripped = prefix.strip("/")
        try:
            self._prefix = check_prefix(f"{stripped}/" if stripped else "")
        except ValueError as error:
            raise UsageError(f"S3 store: prefix {prefix!r} is not a path of names") from error
        self._client = client
        self._bucket = bucket
        self._page = page
        self._clock = clock
        self._locks_proven = False

    in_flight = 10  # connections that the client's pool keeps open

    def describe(self) -> str:
        """The bucket and prefix as a vault url, with the server when it is not AWS."""
        endpoint = str(self._client.meta.endpoint_url)
        place = f"s3://{self._bucket}/{self._prefix}".rstrip("/")
        return place if endpoint.endswith(".amazonaws.com") else f"{place} at {endpoint}"

    def make_bucket(self) -> None:
        """Create the bucket if it is missing; private, as the default is."""
        region = self._client.meta.region_name
        options: dict[str, Any] = {}
        if region != "us-east-1":  # which is the one that must not be named
            options["CreateBucketConfiguration"] = {"LocationConstraint": region}
        try:
            with self._errors("create the bucket", taken={"BucketAlreadyOwnedByYou"}):
                self._client.create_bucket(Bucket=self._bucket, **options)
        except BlobExists:
            return

    def traits(self) -> Traits:
        """Asks the bucket for its Object Lock and versioning configuration."""
        locks = self._has_object_lock()
        versions = self._has_versions()
        notes = []
        if locks is False:
            notes.append("the bucket was made without Object Lock")
        if locks is None:
            notes.append("the credential may not read the bucket's Object Lock configuration")
        if versions is False or versions is None:
            return Traits(locks, versions, tuple(notes))
        notes.append(
            "the bucket keeps versions; prune removes its own for good and needs "
            "s3:DeleteObjectVersion for it"
        )
        return Traits(locks, False, tuple(notes))

    def _has_object_lock(self) -> bool | None:
        try:
            with self._errors("look at the bucket's locks"):
                found = self._client.get_object_lock_configuration(Bucket=self._bucket)
        except (BlobMissing, Unsupported, Invalid):  # 404 ObjectLockConfigurationNotFoundError
            return False
        except Forbidden:
            return None
        return bool(found["ObjectLockConfiguration"].get("ObjectLockEnabled") == "Enabled")

    def _has_versions(self) -> bool | None:
        try:
            with self._errors("look at the bucket's versions"):
                found = self._client.get_bucket_versioning(Bucket=self._bucket)
        except (Unsupported, Invalid):
            return False
        except Forbidden:
            return None
        return found.get("Status") in ("Enabled", "Suspended")

    def put_new(self, key: str, data: bytes, *, immutable_until: datetime | None = None) -> None:
        """Create the blob with If-None-Match: *. Raises BlobExists when somebody else has.

        Raises Unsupported when it should be locked and the bucket has no Object Lock.
        """
        name = self._prefix + check_key(key)
        options: dict[str, Any] = {}
        if immutable_until is not None:
            options = {
                "ObjectLockMode": "COMPLIANCE",
                "ObjectLockRetainUntilDate": lock_end(immutable_until),
            }
            if not self._locks_proven and self._has_object_lock() is False:
                raise self._no_locks(key)
        self._create(key, name, data, options)
        if immutable_until is not None and not self._locks_proven:
            # A compatible server may take the request and leave the lock out.
            found = self._head(key, name)
            if found is None or _retained(found) is None:
                raise self._no_locks(key)
            self._locks_proven = True

    def _create(self, key: str, name: str, data: bytes, options: dict[str, Any]) -> None:
        token = secrets.token_hex(16)
        for turn in range(_UNDECIDED):
            try:
                with self._errors(f"write {key}", taken={"PreconditionFailed"}):
                    self._client.put_object(
                        Bucket=self._bucket,
                        Key=name,
                        Body=data,
                        IfNoneMatch="*",
                        Metadata={_TOKEN: token},
                        **options,
                    )
                return
            except BlobExists:
                self._ours(key, name, token)
                return
            except Conflict:  # ConditionalRequestConflict: undecided, ask again
                pause(0.1 * 2**turn)
        raise StoreUnavailable(f"{key} in {self.describe()}: other writers are always in the way")

    def _ours(self, key: str, name: str, token: str) -> None:
        """Raises unless the blob in the way was written by this very call, its answer lost.

        The token is set by the same request as the bytes, so an equal token means equal bytes.
        """
        found = self._head(key, name)
        if found is None:
            raise StoreUnavailable(f"{key} was deleted while it was being written")
        if found["Metadata"].get(_TOKEN) != token:
            raise BlobExists(f"{key} is already in {self.describe()}")

    def extend_immutability(self, key: str, until: datetime) -> None:
        """Lock until `until`, unless it is locked for longer. Raises BlobMissing, Unsupported."""
        name = self._prefix + check_key(key)
        end = lock_end(until)
        if self._has_object_lock() is False:
            raise self._no_locks(key)
        with self._errors(f"lock {key}"):
            found = self._client.head_object(Bucket=self._bucket, Key=name)
            held = _retained(found)
            if found.get("ObjectLockMode") == "COMPLIANCE" and held is not None and held >= end:
                return
            self._client.put_object_retention(
                Bucket=self._bucket,
                Key=name,
                VersionId=found["VersionId"],
                Retention={"Mode": "COMPLIANCE", "RetainUntilDate": max(end, held or end)},
            )

    def _no_locks(self, key: str) -> Unsupported:
        return Unsupported(
            f"cannot lock {key}: {self.describe()} has no Object Lock",
            hint="docs/stores.md says how to make a bucket that has it.",
        )

    def get(self, key: str) -> bytes:
        """The whole blob. Raises BlobMissing."""
        return self._read(key)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, fewer only at the blob's end. Raises BlobMissing."""
        check_range(offset, length)
        if length == 0:  # HTTP has no empty range; only whether the blob is there matters
            with self._errors(f"read {key}"):
                name = self._prefix + check_key(key)
                self._client.head_object(Bucket=self._bucket, Key=name)
            return b""
        try:
            return self._read(key, Range=f"bytes={offset}-{offset + length - 1}")
        except _BeyondEnd:
            return b""

    def _read(self, key: str, **options: str) -> bytes:
        name = self._prefix + check_key(key)
        with self._errors(f"read {key}"):
            found = self._client.get_object(Bucket=self._bucket, Key=name, **options)
            # Not `with body`: that would hand out the bare stream, with errors of its own.
            with closing(found["Body"]) as body:
                data: bytes = body.read()
            return data

    def stat(self, key: str) -> BlobStat | None:
        """None when there is no such blob."""
        found = self._head(key, self._prefix + check_key(key))
        if found is None:
            return None
        # What is never overwritten was last modified when it was created.
        return BlobStat(key, found["ContentLength"], found["LastModified"])

    def _head(self, key: str, name: str) -> dict[str, Any] | None:
        try:
            with self._errors(f"look at {key}"):
                found: dict[str, Any] = self._client.head_object(Bucket=self._bucket, Key=name)
        except BlobMissing:
            return None
        return found

    def list(self, prefix: str) -> Iterator[BlobStat]:
        """All blobs below `prefix` in ascending order of key, page by page (1,000 by default)."""
        return self._list(check_prefix(prefix))

    def _list(self, prefix: str) -> Iterator[BlobStat]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket,
            Prefix=self._prefix + prefix,
            PaginationConfig={"PageSize": self._page} if self._page else {},
        )
        with self._errors(f"list {prefix or 'blobs'}"):
            for page in pages:
                for found in page.get("Contents", ()):
                    key = found["Key"].removeprefix(self._prefix)
                    if is_key(key):  # else somebody's own object in the bucket
                        yield BlobStat(key, found["Size"], found["LastModified"])

    def delete(self, key: str) -> None:
        """Remove the blob, version and all, if it is there. Raises Conflict while it is locked."""
        name = self._prefix + check_key(key)
        found = self._head(key, name)
        if found is None:
            return
        version = {"VersionId": found["VersionId"]} if found.get("VersionId") else {}
        try:
            with self._errors(f"delete {key}"):
                self._client.delete_object(Bucket=self._bucket, Key=name, **version)
        except BlobMissing:
            return
        except Forbidden:
            # S3 says AccessDenied to a locked version too.
            until = _retained(found)
            if until is not None and until > self._clock():
                raise locked(key, until) from None
            if found.get("ObjectLockLegalHoldStatus") == "ON":
                hint = "Not yet: somebody must clear it first."
                raise Conflict(f"{key} has a legal hold", hint=hint) from None
            raise

    @contextmanager
    def _errors(self, doing: str, taken: set[str] | None = None) -> Iterator[None]:
        """Codes of `taken` become BlobExists."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            if code_of(error) in (taken or ()):
                raise BlobExists(f"cannot {doing} in {self.describe()}: it is there") from None
            if status_of(error) == 416:
                raise _BeyondEnd from None
            # `from None`: a traceback with the client's exception would print the request.
            raise translate(error, f"cannot {doing} in {self.describe()}") from None
        except BotoCoreError as error:
            raise translate(error, f"cannot {doing} in {self.describe()}") from None


class _BeyondEnd(Exception):  # noqa: N818 - an answer, not a failure
    """A range that starts at or beyond the end."""


def _retained(found: dict[str, Any]) -> datetime | None:
    until: datetime | None = found.get("ObjectLockRetainUntilDate")
    return until
