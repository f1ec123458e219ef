"""The Azure store when answers get lost, credentials are short and the service refuses.

Lost answers and credentials run against a real Azurite; statuses that it never gives (throttling,
quota, immutability, a disabled container) come from a scripted server.
"""

from __future__ import annotations

import logging
import secrets
import socket
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from azure.storage.blob import ContainerClient, generate_container_sas

from lifeboat.adapters.store_azure import AzureStore, connect_azure, create_azure
from lifeboat.adapters.store_azure_settings import AzureSettings
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
)
from lifeboat.report.store_check import Verdict, check_store
from tests.support.azurite import Azurite
from tests.support.http_faults import LosingProxy, losing_proxy, scripted_server

# The name and key of nobody: the scripted server checks no signature.
SOMEBODY = {"container": "vault", "account_key": "c29tZWJvZHk=", "retries": 0}


def scripted(port: int, **changes: object) -> AzureStore:
    url = f"http://127.0.0.1:{port}/somebody"
    return connect_azure(AzureSettings(account_url=url, **{**SOMEBODY, **changes}))  # type: ignore[arg-type]


def with_sas(azurite: Azurite, settings: AzureSettings, permission: str) -> AzureSettings:
    sas = generate_container_sas(
        "lifeboat",
        settings.container,
        azurite.account_key,
        permission=permission,
        expiry=utc_now() + timedelta(hours=1),
    )
    return replace(settings, account_key="", sas_token=f"?{sas}")


# --- answers that never arrive


@pytest.fixture
def proxy(azurite: Azurite) -> Iterator[LosingProxy]:
    with losing_proxy(azurite.port) as running:
        yield running


@pytest.fixture
def lossy(azurite: Azurite, azure_settings: AzureSettings, proxy: LosingProxy) -> AzureStore:
    return connect_azure(replace(azure_settings, account_url=azurite.account_url(proxy.port)))


@pytest.mark.parametrize(
    ("size", "path"),
    [(0, ""), (10, ""), (70 << 20, "comp=blocklist")],  # above 64 MiB the SDK sends blocks
    ids=["empty", "small", "in blocks"],
)
def test_our_own_write_whose_answer_was_lost_is_ours(
    lossy: AzureStore, proxy: LosingProxy, azure_settings: AzureSettings, size: int, path: str
) -> None:
    """The SDK sends the PUT again and gets 409: the blob in the way is the one we wrote."""
    data = secrets.token_bytes(size)
    proxy.lose_answers("PUT", 1, path=path)
    lossy.put_new("points/a/manifest", data)
    assert proxy.lost == 1
    assert connect_azure(azure_settings).get("points/a/manifest") == data


def test_somebody_elses_equal_bytes_are_not_ours(
    lossy: AzureStore, proxy: LosingProxy, azure_settings: AzureSettings
) -> None:
    connect_azure(azure_settings).put_new("points/a/manifest", b"same")
    proxy.lose_answers("PUT", 1)
    with pytest.raises(BlobExists):
        lossy.put_new("points/a/manifest", b"same")
    assert proxy.lost == 1


def test_a_write_whose_answers_are_all_lost_may_be_asked_again(
    lossy: AzureStore, proxy: LosingProxy
) -> None:
    proxy.lose_answers("PUT", 2)  # the first and the one retry
    with pytest.raises(StoreUnavailable):
        lossy.put_new("points/a/manifest", b"data")
    with pytest.raises(BlobExists):  # so the caller looks at what is there
        lossy.put_new("points/a/manifest", b"data")
    assert lossy.get("points/a/manifest") == b"data"


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_reads_and_deletes_survive_a_lost_answer(
    lossy: AzureStore, proxy: LosingProxy, method: str
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
    with pytest.raises(StoreUnavailable, match="cannot read a/b in http"):
        scripted(port).get("a/b")


# --- what the service says


@pytest.mark.parametrize(
    ("status", "code", "expected", "words"),
    [
        (401, "NoAuthenticationInformation", Unauthorized, "expired"),
        (403, "AuthenticationFailed", Unauthorized, "expired"),
        (403, "AuthorizationPermissionMismatch", Forbidden, "Storage Blob Data Contributor"),
        (403, "AuthorizationFailure", Forbidden, "network rule"),
        (404, "ContainerNotFound", NotAVault, "lifeboat vault init"),
        (404, "BlobNotFound", BlobMissing, "404"),
        (409, "ContainerBeingDeleted", NotAVault, "lifeboat vault init"),
        (409, "LeaseIdMissing", Conflict, "LeaseIdMissing"),
        (400, "InvalidHeaderValue", Invalid, "InvalidHeaderValue"),
        (500, "InternalError", StoreUnavailable, "500 InternalError"),
        (503, "ServerBusy", StoreUnavailable, "503 ServerBusy"),
        (429, "", StoreUnavailable, "429"),
        (408, "", StoreUnavailable, "408"),
        (501, "", Unsupported, "501"),
        (507, "InsufficientStorage", StoreFull, "quota"),
    ],
)
def test_statuses(status: int, code: str, expected: type[LifeboatError], words: str) -> None:
    headers = {"x-ms-error-code": code} if code else {}
    with scripted_server((status, headers)) as server:
        store = scripted(server.port)
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


@pytest.mark.parametrize("status", [409, 412])
def test_an_immutable_blob_is_not_yet_deleted(status: int) -> None:
    answer = (status, {"x-ms-error-code": "BlobImmutableDueToPolicy"})
    with scripted_server(answer) as server, pytest.raises(Conflict, match="Not yet"):
        scripted(server.port).delete("packs/a")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (409, "BlobAlreadyExists"),
        (409, "BlobImmutableDueToPolicy"),
        (403, "UnauthorizedBlobOverwrite"),
    ],
)
def test_each_way_of_losing_a_create(status: int, code: str) -> None:
    found = {"x-ms-meta-lifeboat_write": "somebody else", "ETag": '"1"'}
    refusal = (status, {"x-ms-error-code": code})
    with scripted_server(refusal, (200, found)) as server, pytest.raises(BlobExists):
        scripted(server.port).put_new("packs/a", b"data")


def test_a_blob_deleted_while_we_ask_whose_it_is() -> None:
    answers: list[tuple[int, Mapping[str, str]]] = [
        (409, {"x-ms-error-code": "BlobAlreadyExists"}),
        (404, {"x-ms-error-code": "BlobNotFound"}),
    ]
    with scripted_server(*answers) as server, pytest.raises(StoreUnavailable, match="deleted"):
        scripted(server.port).put_new("packs/a", b"data")


def test_retry_after_is_heard_within_a_call_and_handed_on() -> None:
    """The SDK's own backoff would come back within two seconds and ignores the header."""
    busy = (503, {"x-ms-error-code": "ServerBusy", "Retry-After": "4"})
    with scripted_server(busy, (201, {"ETag": '"1"'})) as server:
        started = monotonic()
        scripted(server.port, retries=1).put_new("a", b"data")
        assert monotonic() - started >= 4
        assert len(server.requests) == 2
    with scripted_server(busy) as server, pytest.raises(StoreUnavailable) as caught:
        scripted(server.port).get("a")
    assert caught.value.retry_after == 4.0


def test_a_missing_container_is_not_a_vault(azure_settings: AzureSettings) -> None:
    store = connect_azure(replace(azure_settings, container="nobody-made-this"))
    for call in (
        lambda: store.get("a"),
        lambda: store.stat("a"),
        lambda: store.put_new("a", b""),
        lambda: store.delete("a"),
        lambda: list(store.list("")),
    ):
        with pytest.raises(NotAVault, match="lifeboat vault init"):
            call()
    create_azure(replace(azure_settings, container="nobody-made-this"))
    create_azure(replace(azure_settings, container="nobody-made-this"))
    assert list(store.list("")) == []


# --- pages, prefixes and what is not ours


def test_listing_crosses_pages_in_order(azure_settings: AzureSettings, azurite: Azurite) -> None:
    client = ContainerClient(
        azure_settings.account_url, azure_settings.container, azurite.account_key
    )
    store = AzureStore(client, "vaults/one", page=7)
    expected = sorted(f"points/{n % 4}/{n:04d}" for n in range(50))
    for key in expected:
        store.put_new(key, b"")
    client.upload_blob("vaults/one/.foreign", b"")
    client.upload_blob("vaults/one/name with spaces", b"")
    client.upload_blob("vaults/one2/points/x", b"")
    client.upload_blob("outside", b"")
    assert [found.key for found in store.list("points/")] == expected
    assert [found.key for found in store.list("")] == expected
    assert [found.key for found in AzureStore(client).list("vaults/one/points/0/")] == [
        f"vaults/one/{key}" for key in expected if key.startswith("points/0/")
    ]


# --- credentials


def test_a_connection_string(azurite: Azurite, azure_settings: AzureSettings) -> None:
    settings = AzureSettings(
        container=azure_settings.container, connection_string=azurite.connection_string
    )
    connect_azure(settings).put_new("a", b"x")
    assert azurite.account_key not in repr(settings)


def test_a_writer_needs_no_right_to_delete_or_overwrite(
    azurite: Azurite, azure_settings: AzureSettings
) -> None:
    store = connect_azure(with_sas(azurite, azure_settings, "rcl"))
    store.put_new("a/b", b"data")
    assert store.get("a/b") == b"data"
    assert [found.key for found in store.list("a/")] == ["a/b"]
    with pytest.raises(BlobExists):
        store.put_new("a/b", b"other")
    assert store.get("a/b") == b"data"
    with pytest.raises(Forbidden):
        store.delete("a/b")
    with pytest.raises(Forbidden):
        connect_azure(with_sas(azurite, azure_settings, "rl")).put_new("a/new", b"data")
    connect_azure(with_sas(azurite, azure_settings, "rld")).delete("a/b")
    assert store.stat("a/b") is None


def test_the_check_of_a_writer_finds_nothing_broken_and_names_what_it_leaves(
    azurite: Azurite, azure_settings: AzureSettings
) -> None:
    settings = with_sas(azurite, azure_settings, "rcl")
    found = list(check_store(lambda: connect_azure(settings)))
    assert [finding for finding in found if finding.verdict is Verdict.BROKEN] == []
    assert "left below check/" in found[-1].detail


def test_no_signature_reaches_messages_tracebacks_or_logs(
    azurite: Azurite,
    azure_settings: AzureSettings,
    proxy: LosingProxy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = with_sas(azurite, azure_settings, "rl")
    signature = settings.sas_token.partition("sig=")[2].partition("&")[0]
    assert signature
    store = connect_azure(settings)
    lossy = connect_azure(replace(settings, account_url=azurite.account_url(proxy.port)))
    with socket.create_server(("127.0.0.1", 0)) as held:
        nobody = azurite.account_url(held.getsockname()[1])
    shown = [repr(settings), store.describe()]
    proxy.lose_answers("GET", 2)
    for call in (
        lambda: store.put_new("a", b""),
        lambda: store.get("a"),
        lambda: lossy.get("a"),
        lambda: connect_azure(replace(settings, account_url=nobody)).get("a"),
    ):
        with pytest.raises(LifeboatError) as caught:
            call()
        # Some of the SDK's errors hold the URL: none may ride along.
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
        shown.append("".join(traceback.format_exception(caught.value)))
    shown.append(caplog.text)
    assert [text for text in shown if signature in text or "sig=" in text] == []


def test_a_wrong_key_is_refused(azure_settings: AzureSettings) -> None:
    """Azurite says AuthorizationFailure; Azure itself AuthenticationFailed (test_statuses)."""
    with pytest.raises(Forbidden, match="key"):
        connect_azure(replace(azure_settings, account_key="d3Jvbmc=")).get("a")
    with pytest.raises(Unauthorized) as caught:
        connect_azure(replace(azure_settings, account_key="hushh")).get("a")
    assert "hushh" not in str(caught.value)
