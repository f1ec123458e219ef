"""Locks in Azure Blob Storage when the place, the credential or somebody else is in the way."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta

import pytest
from azure.storage.blob import (
    BlobImmutabilityPolicyMode,
    ContainerClient,
    ImmutabilityPolicy,
)

from lifeboat.adapters import store_azure
from lifeboat.adapters.store_azure import AzureStore, connect_azure
from lifeboat.adapters.store_azure_settings import AzureSettings
from lifeboat.errors import BlobExists, BlobMissing, Conflict, StoreUnavailable, Unsupported
from tests.support.scripted_server import Answer, scripted_server
from tests.support.turned_clock import TurnedClock
from tests.support.worm_azurite import WormAccount

HOUR = timedelta(hours=1)


def scripted(url: str) -> AzureStore:
    key = "c29tZWJvZHk="  # of nobody: no signature is checked
    return connect_azure(
        AzureSettings("vault", account_url=f"{url}/somebody", account_key=key, retries=0)
    )


def container(worm: WormAccount, settings: AzureSettings) -> ContainerClient:
    return ContainerClient(worm.account_url(), settings.container, worm.azurite.account_key)


def policy(until: datetime, mode: BlobImmutabilityPolicyMode) -> ImmutabilityPolicy:
    return ImmutabilityPolicy(expiry_time=until, policy_mode=mode)


def test_a_refused_delete_does_not_hide_the_blob(
    worm_settings: AzureSettings, now: datetime
) -> None:
    """Azure itself would: a delete without a version id takes even a locked blob out of sight."""
    store = connect_azure(worm_settings)
    store.put_new("points/a", b"data", immutable_until=now + HOUR)
    with pytest.raises(Conflict, match="locked until"):
        store.delete("points/a")
    assert [found.key for found in store.list("points/")] == ["points/a"]
    with pytest.raises(BlobExists):
        store.put_new("points/a", b"other", immutable_until=now + HOUR)
    assert store.get("points/a") == b"data"


def test_the_policy_is_locked_so_that_nobody_shortens_it(
    worm: WormAccount, worm_settings: AzureSettings, now: datetime
) -> None:
    connect_azure(worm_settings).put_new("a", b"", immutable_until=now + HOUR)
    blob = container(worm, worm_settings).get_blob_client("vaults/one/a")
    found = blob.get_blob_properties().immutability_policy
    assert (found.policy_mode, found.expiry_time) == ("locked", now + HOUR)


def test_extending_never_shortens_and_locks_what_was_left_unlocked(
    worm: WormAccount, worm_settings: AzureSettings, now: datetime
) -> None:
    store = connect_azure(worm_settings)
    blob = container(worm, worm_settings).get_blob_client("vaults/one/a")
    unlocked = policy(now + 2 * HOUR, BlobImmutabilityPolicyMode.UNLOCKED)
    blob.upload_blob(b"", immutability_policy=unlocked)
    for until, expected in (
        (now + HOUR, now + 2 * HOUR),
        (now + HOUR, now + 2 * HOUR),
        (now + 3 * HOUR, now + 3 * HOUR),
    ):
        store.extend_immutability("a", until)
        found = blob.get_blob_properties().immutability_policy
        assert (found.policy_mode, found.expiry_time) == ("locked", expected)


def test_a_deleted_blob_takes_its_version_with_it(
    worm: WormAccount, worm_settings: AzureSettings
) -> None:
    turned = TurnedClock()
    worm.clock = turned
    store = connect_azure(worm_settings, clock=turned)
    store.put_new("a", b"data", immutable_until=turned() + HOUR)
    blob = container(worm, worm_settings).get_blob_client("vaults/one/a")
    version = blob.get_blob_properties().version_id
    turned.ahead = 2 * HOUR
    store.delete("a")
    old = container(worm, worm_settings).get_blob_client("vaults/one/a", version_id=version)
    assert not old.exists()


def test_a_delete_whose_version_may_not_be_deleted_is_a_delete() -> None:
    """The right to delete versions is one of its own; a lifecycle rule does it instead."""
    answers = [
        Answer(200, headers={"x-ms-version-id": "v1"}),
        Answer(202),
        Answer(403, headers={"x-ms-error-code": "AuthorizationPermissionMismatch"}),
    ]
    with scripted_server(*answers) as script:
        scripted(script.url).delete("packs/a")
        assert [asked.method for asked in script.requests] == ["HEAD", "DELETE", "DELETE"]
        assert "versionid=v1" in script.requests[-1].path
        assert "versionid" not in script.requests[1].path


def test_a_legal_hold_is_not_yet() -> None:
    held = Answer(200, headers={"x-ms-version-id": "v1", "x-ms-legal-hold": "true"})
    with (
        scripted_server(held) as script,
        pytest.raises(Conflict, match="legal hold"),
    ):
        scripted(script.url).delete("packs/a")


def test_a_container_without_version_level_worm_is_said_to_have_none(
    worm: WormAccount, worm_settings: AzureSettings, now: datetime
) -> None:
    worm.locks = False
    store = connect_azure(worm_settings)
    assert store.traits().immutability is False
    assert "version-level" in store.traits().notes[0]
    with pytest.raises(Unsupported, match="version-level"):
        store.put_new("a", b"", immutable_until=now + HOUR)
    assert store.stat("a") is None


def test_a_hierarchical_namespace_is_named_as_the_reason(
    worm: WormAccount, worm_settings: AzureSettings
) -> None:
    worm.locks, worm.hierarchical = False, True
    traits = connect_azure(worm_settings).traits()
    assert traits.immutability is False
    assert "hierarchical namespace" in traits.notes[0]


def test_a_lock_that_the_store_leaves_out_is_found_out(
    worm: WormAccount, worm_settings: AzureSettings, now: datetime
) -> None:
    worm.ignores_locks = True
    with pytest.raises(Unsupported, match="cannot lock"):
        connect_azure(worm_settings).put_new("a", b"", immutable_until=now + HOUR)


def test_what_may_not_be_asked_is_unknown_and_not_denied() -> None:
    denied = Answer(403, headers={"x-ms-error-code": "AuthorizationPermissionMismatch"})
    with scripted_server(denied) as script:
        traits = scripted(script.url).traits()
    assert (traits.immutability, traits.keeps_deleted) == (None, None)
    assert "may not read" in traits.notes[0]


# --- stores that lie or say nothing


def test_a_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_azure, "_READ_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = scripted(f"http://127.0.0.1:{silent.getsockname()[1]}")
        for call in (lambda: store.get("a"), lambda: store.put_new("a", b"data")):
            with pytest.raises(StoreUnavailable, match="timed out"):
                call()


def test_a_write_that_the_store_lost_is_missing_and_never_empty() -> None:
    """Nothing can be promised of a store that lies; `lifeboat vault check` finds it out."""
    missing = Answer(404, headers={"x-ms-error-code": "BlobNotFound"})
    with scripted_server(Answer(201, headers={"ETag": '"1"'}), missing) as script:
        store = scripted(script.url)
        store.put_new("a/b", b"data")
        with pytest.raises(BlobMissing):
            store.get("a/b")
        assert store.stat("a/b") is None


def test_a_listing_that_is_late_takes_nothing_from_reads() -> None:
    listing = b"<?xml version='1.0'?><EnumerationResults><Blobs/><NextMarker/></EnumerationResults>"
    found = {"ETag": '"1"', "Content-Range": "bytes 0-3/4", "x-ms-blob-type": "BlockBlob"}
    with scripted_server(Answer(206, b"data", found)) as script:
        script.by_path["/somebody/vault"] = [
            Answer(200, listing, {"Content-Type": "application/xml"})
        ]
        store = scripted(script.url)
        assert list(store.list("")) == []
        assert store.get("a/b") == b"data"
