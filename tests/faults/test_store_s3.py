"""The S3 store when answers get lost, credentials are short and the service refuses.

Lost answers, pages and locks run against a real S3 protocol (moto); statuses that it never gives
come from a scripted server.
"""

from __future__ import annotations

import logging
import secrets
import socket
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lifeboat.adapters import store_s3_settings
from lifeboat.adapters.store_s3 import S3Store, connect_s3, create_s3
from lifeboat.adapters.store_s3_settings import S3Settings, s3_client
from lifeboat.clock import monotonic, utc_now
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
from tests.support.http_faults import LosingProxy, losing_proxy
from tests.support.s3 import S3Server
from tests.support.scripted_server import Answer, Script, scripted_server

HOUR = timedelta(hours=1)


def scripted(script: Script, **changes: Any) -> S3Store:
    settings = S3Settings("vault", endpoint=script.url, region="us-east-1", retries=0)
    keys = {"access_key_id": "somebody", "secret_access_key": "hush"}
    return connect_s3(replace(settings, **{**keys, **changes}))


def said(status: int, code: str = "", **headers: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>" if code else ""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, body.encode(), named)


# --- answers that never arrive


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[LosingProxy]:
    with losing_proxy(s3_server.port) as running:
        yield running


@pytest.fixture
def lossy(s3_settings: S3Settings, proxy: LosingProxy) -> S3Store:
    return connect_s3(replace(s3_settings, endpoint=f"http://127.0.0.1:{proxy.port}"))


@pytest.mark.parametrize("size", [0, 10, 8 << 20])
def test_our_own_write_whose_answer_was_lost_is_ours(
    lossy: S3Store, proxy: LosingProxy, s3_settings: S3Settings, size: int
) -> None:
    """The client sends the PUT again and gets 412: the blob in the way is the one we wrote."""
    data = secrets.token_bytes(size)
    proxy.lose_answers("PUT", 1)
    lossy.put_new("points/a/manifest", data)
    assert proxy.lost == 1
    assert connect_s3(s3_settings).get("points/a/manifest") == data


def test_somebody_elses_equal_bytes_are_not_ours(
    lossy: S3Store, proxy: LosingProxy, s3_settings: S3Settings
) -> None:
    connect_s3(s3_settings).put_new("points/a/manifest", b"same")
    proxy.lose_answers("PUT", 1)
    with pytest.raises(BlobExists):
        lossy.put_new("points/a/manifest", b"same")
    assert proxy.lost == 1


def test_a_write_whose_answers_are_all_lost_may_be_asked_again(
    lossy: S3Store, proxy: LosingProxy
) -> None:
    proxy.lose_answers("PUT", 2)  # the first and the one retry
    with pytest.raises(StoreUnavailable):
        lossy.put_new("points/a/manifest", b"data")
    with pytest.raises(BlobExists):  # so the caller looks at what is there
        lossy.put_new("points/a/manifest", b"data")
    assert lossy.get("points/a/manifest") == b"data"


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_reads_and_deletes_survive_a_lost_answer(
    lossy: S3Store, proxy: LosingProxy, method: str
) -> None:
    lossy.put_new("a/b", b"data")
    proxy.lose_answers(method, 1)
    if method == "DELETE":
        lossy.delete("a/b")
        assert lossy.stat("a/b") is None
    else:
        assert lossy.get("a/b") == b"data"
        assert lossy.stat("a/b") is not None
    assert proxy.lost == 1


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    with pytest.raises(StoreUnavailable, match="cannot read a/b in s3://vault"):
        scripted(Script(url=f"http://127.0.0.1:{port}")).get("a/b")


def test_a_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_s3_settings, "_READ_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = scripted(Script(url=f"http://127.0.0.1:{silent.getsockname()[1]}"))
        for call in (lambda: store.get("a"), lambda: store.put_new("a", b"data")):
            with pytest.raises(StoreUnavailable, match="timeout"):
                call()


def test_a_body_that_breaks_off_is_not_a_short_blob() -> None:
    with (
        scripted_server(Answer(body=b"whole blob", cut=4)) as script,
        pytest.raises(StoreUnavailable),
    ):
        scripted(script).get("a/b")


def test_a_write_that_the_store_lost_is_missing_and_never_empty() -> None:
    """Nothing can be promised of a store that lies; `lifeboat vault check` finds it out."""
    with scripted_server(said(200, ETag='"1"'), said(404, "NoSuchKey")) as script:
        store = scripted(script)
        store.put_new("a/b", b"data")
        with pytest.raises(BlobMissing):
            store.get("a/b")
        assert store.stat("a/b") is None


def test_a_listing_that_is_late_takes_nothing_from_reads() -> None:
    empty = Answer(body=b"<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>")
    with scripted_server(Answer(body=b"data")) as script:
        script.by_path["/vault"] = [empty]
        store = scripted(script)
        assert list(store.list("")) == []
        assert store.get("a/b") == b"data"


# --- what the service says


@pytest.mark.parametrize(
    ("status", "code", "expected", "words"),
    [
        (401, "", Unauthorized, "401"),
        (403, "InvalidAccessKeyId", Unauthorized, "expired"),
        (403, "SignatureDoesNotMatch", Unauthorized, "expired"),
        (403, "RequestTimeTooSkewed", Unauthorized, "clock"),
        (400, "ExpiredToken", Unauthorized, "expired"),
        (403, "AccessDenied", Forbidden, "docs/stores.md"),
        (404, "NoSuchBucket", NotAVault, "lifeboat vault init"),
        (404, "NoSuchKey", BlobMissing, "404"),
        (400, "InvalidArgument", Invalid, "InvalidArgument"),
        (500, "InternalError", StoreUnavailable, "500 InternalError"),
        (503, "SlowDown", StoreUnavailable, "503 SlowDown"),
        (429, "TooManyRequests", StoreUnavailable, "429"),
        (400, "RequestTimeout", StoreUnavailable, "RequestTimeout"),
        (501, "NotImplemented", Unsupported, "501"),
        (507, "XMinioStorageFull", StoreFull, "quota"),
        (403, "QuotaExceeded", StoreFull, "quota"),
    ],
)
def test_statuses(status: int, code: str, expected: type[LifeboatError], words: str) -> None:
    with scripted_server(said(status, code)) as script:
        store = scripted(script)
        for call in (
            lambda: store.get("a/b"),
            lambda: store.get_range("a/b", 1, 2),
            lambda: store.put_new("a/b", b"data"),
            lambda: list(store.list("")),
        ):
            with pytest.raises(expected, match=words) as caught:
                call()
            assert type(caught.value) is expected
            assert caught.value.retryable == (expected is StoreUnavailable)
            assert "hush" not in str(caught.value)


def test_two_writers_that_meet_are_asked_again() -> None:
    met = said(409, "ConditionalRequestConflict")
    with scripted_server(met, met, said(200)) as script:
        scripted(script).put_new("a", b"data")
        assert [asked.method for asked in script.requests] == ["PUT"] * 3
    with scripted_server(met) as script, pytest.raises(StoreUnavailable, match="other writers"):
        scripted(script).put_new("a", b"data")


def test_a_blob_deleted_while_we_ask_whose_it_is() -> None:
    with (
        scripted_server(said(412, "PreconditionFailed"), said(404)) as script,
        pytest.raises(StoreUnavailable, match="deleted"),
    ):
        scripted(script).put_new("packs/a", b"data")


def test_retry_after_is_heard_within_a_call_and_handed_on() -> None:
    """The client's own backoff would come back within a second and ignores the header."""
    busy = said(503, "SlowDown", Retry_After="3")
    with scripted_server(busy, said(200)) as script:
        started = monotonic()
        scripted(script, retries=1).put_new("a", b"data")
        assert monotonic() - started >= 3
        assert len(script.requests) == 2
    with scripted_server(busy) as script, pytest.raises(StoreUnavailable) as caught:
        scripted(script).get("a")
    assert caught.value.retry_after == 3.0


def test_a_missing_bucket_is_not_a_vault(s3_settings: S3Settings) -> None:
    missing = replace(s3_settings, bucket="nobody-made-this")
    store = connect_s3(missing)
    for call in (
        lambda: store.get("a"),
        lambda: store.put_new("a", b""),
        lambda: list(store.list("")),
    ):
        with pytest.raises(NotAVault, match="lifeboat vault init"):
            call()
    create_s3(missing)
    create_s3(missing)
    assert list(store.list("")) == []


def test_listing_crosses_pages_in_order(s3_settings: S3Settings) -> None:
    client = s3_client(s3_settings)
    store = S3Store(client, s3_settings.bucket, "vaults/one", page=7)
    expected = sorted(f"points/{n % 4}/{n:04d}" for n in range(50))
    for key in expected:
        store.put_new(key, b"")
    for foreign in ("vaults/one/.foreign", "vaults/one/with spaces", "vaults/one2/x", "outside"):
        client.put_object(Bucket=s3_settings.bucket, Key=foreign, Body=b"")
    assert [found.key for found in store.list("points/")] == expected
    assert [found.key for found in store.list("")] == expected


# --- locks


def test_a_locked_version_stays_for_everybody_and_nothing_hides_it(s3_locking: S3Settings) -> None:
    store = connect_s3(s3_locking)
    until = utc_now() + HOUR
    store.put_new("packs/a", b"data", immutable_until=until)
    with pytest.raises(Conflict, match="locked until"):
        store.delete("packs/a")
    assert store.get("packs/a") == b"data"
    client = s3_client(s3_locking)
    found = client.head_object(Bucket=s3_locking.bucket, Key="vaults/one/packs/a")
    assert found["ObjectLockMode"] == "COMPLIANCE"
    assert found["ObjectLockRetainUntilDate"] >= until


def test_a_lock_is_extended_and_a_weaker_one_made_strict(s3_locking: S3Settings) -> None:
    store, client = connect_s3(s3_locking), s3_client(s3_locking)
    now = utc_now().replace(microsecond=0)
    name = {"Bucket": s3_locking.bucket, "Key": "vaults/one/packs/a"}
    client.put_object(
        **name, Body=b"", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=now + 2 * HOUR
    )
    store.extend_immutability("packs/a", now + HOUR)  # strict now, and not shorter than it was
    for until, expected in ((now + HOUR, 2 * HOUR), (now + 3 * HOUR, 3 * HOUR)):
        store.extend_immutability("packs/a", until)
        found = client.head_object(**name)
        assert found["ObjectLockMode"] == "COMPLIANCE"
        assert found["ObjectLockRetainUntilDate"] == now + expected


def test_a_deleted_version_is_gone_for_good(s3_locking: S3Settings) -> None:
    store = connect_s3(s3_locking)
    store.put_new("packs/a", b"data")
    store.delete("packs/a")
    left = s3_client(s3_locking).list_object_versions(Bucket=s3_locking.bucket)
    assert "Versions" not in left
    assert "DeleteMarkers" not in left


def test_no_right_to_delete_is_not_a_lock() -> None:
    denied = said(403, "AccessDenied")
    with scripted_server(said(200, x_amz_version_id="1"), denied) as script:
        with pytest.raises(Forbidden):
            scripted(script).delete("packs/a")
        assert "versionId=1" in script.requests[-1].path


def test_a_legal_hold_is_not_yet() -> None:
    held = said(200, x_amz_version_id="1", x_amz_object_lock_legal_hold="ON")
    with (
        scripted_server(held, said(403, "AccessDenied")) as script,
        pytest.raises(Conflict, match="legal hold"),
    ):
        scripted(script).delete("packs/a")


def test_a_server_that_leaves_the_lock_out_is_found_out() -> None:
    config = Answer(
        body=b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>"
        b"</ObjectLockConfiguration>"
    )
    with scripted_server(said(200)) as script:
        script.by_path["/vault"] = [config]
        with pytest.raises(Unsupported, match="Object Lock"):
            scripted(script).put_new("packs/a", b"data", immutable_until=utc_now() + HOUR)


def test_what_may_not_be_asked_is_unknown_and_not_denied() -> None:
    with scripted_server(said(403, "AccessDenied")) as script:
        traits = scripted(script).traits()
    assert (traits.immutability, traits.keeps_deleted) == (None, None)
    assert "may not read" in traits.notes[0]


# --- credentials


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"bucket": ""}, "bucket is empty"),
        ({"secret_access_key": ""}, "or neither"),
        ({"profile": "p"}, "one of them"),
        ({"access_key_id": "", "secret_access_key": "", "session_token": "t"}, "access key"),
        ({"endpoint": "https://u:hush@h"}, "plain URL"),
        ({"endpoint": "no url"}, "endpoint"),
    ],
)
def test_contradictions_are_refused(fields: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught, scripted_server() as script:
        scripted(script, **fields)
    assert "hush" not in str(caught.value)


def test_a_profile_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match="nobody"):
        connect_s3(S3Settings("vault", profile="nobody", region="us-east-1"))


def test_no_key_reaches_messages_tracebacks_or_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown = []
    with scripted_server(said(403, "AccessDenied")) as script:
        store = scripted(script)
        for call in (lambda: store.put_new("a", b""), lambda: store.get("a")):
            with pytest.raises(LifeboatError) as caught:
                call()
            assert caught.value.__cause__ is None
            assert caught.value.__suppress_context__
            shown.append("".join(traceback.format_exception(caught.value)))
        shown += [
            store.describe(),
            repr(S3Settings("v", access_key_id="a", secret_access_key="hush")),
        ]
    shown.append(caplog.text)
    assert [text for text in shown if "hush" in text or "Signature=" in text] == []
