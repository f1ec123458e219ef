"""The stand-in before Azurite, asked by the official client: does it do what Azure's pages say?"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import (
    BlobClient,
    BlobImmutabilityPolicyMode,
    ContainerClient,
    ImmutabilityPolicy,
)

from lifeboat.adapters.store_azure_errors import error_code
from tests.support.worm_azurite import WormAccount

HOUR = timedelta(hours=1)


def policy(until: datetime, mode: str = "Locked") -> ImmutabilityPolicy:
    return ImmutabilityPolicy(expiry_time=until, policy_mode=BlobImmutabilityPolicyMode(mode))


@pytest.fixture
def container(worm: WormAccount) -> ContainerClient:
    name = f"worm-{secrets.token_hex(6)}"
    client = ContainerClient(worm.account_url(), name, worm.azurite.account_key)
    client.create_container()
    return client


@pytest.fixture
def blob(container: ContainerClient) -> BlobClient:
    return container.get_blob_client("packs/a")


def refused(call: Callable[[], object]) -> tuple[int | None, str]:
    with pytest.raises(HttpResponseError) as caught:
        call()
    return caught.value.status_code, error_code(caught.value)


def test_an_upload_sets_a_policy_that_properties_show(blob: BlobClient, now: datetime) -> None:
    blob.upload_blob(b"x", immutability_policy=policy(now + HOUR))
    found = blob.get_blob_properties()
    assert found.immutability_policy.expiry_time == now + HOUR
    assert found.immutability_policy.policy_mode == "locked"
    assert found.version_id


def test_a_delete_without_version_id_hides_even_what_is_locked(
    container: ContainerClient, blob: BlobClient, now: datetime
) -> None:
    blob.upload_blob(b"x", immutability_policy=policy(now + HOUR))
    version = blob.get_blob_properties().version_id
    old = container.get_blob_client("packs/a", version_id=version)
    assert refused(old.delete_blob)[0] == 403  # the current version is no business of its id
    blob.delete_blob()
    with pytest.raises(ResourceNotFoundError):
        blob.get_blob_properties()
    assert list(container.list_blobs()) == []
    assert refused(old.delete_blob) == (409, "BlobImmutableDueToPolicy")
    assert old.download_blob().readall() == b"x"


def test_a_version_goes_for_good_when_its_policy_has_run_out(
    worm: WormAccount, container: ContainerClient, blob: BlobClient, now: datetime
) -> None:
    blob.upload_blob(b"x", immutability_policy=policy(now + HOUR))
    old = container.get_blob_client("packs/a", version_id=blob.get_blob_properties().version_id)
    blob.delete_blob()
    worm.clock = lambda: datetime.now(UTC) + 2 * HOUR
    old.delete_blob()
    with pytest.raises(ResourceNotFoundError):
        old.download_blob()


def test_unlocked_may_be_shortened_and_locked_only_extended(
    blob: BlobClient, now: datetime
) -> None:
    blob.upload_blob(b"x", immutability_policy=policy(now + 3 * HOUR, "Unlocked"))
    blob.set_immutability_policy(policy(now + 2 * HOUR, "Unlocked"))
    blob.set_immutability_policy(policy(now + 2 * HOUR))
    for worse in (policy(now + HOUR), policy(now + 3 * HOUR, "Unlocked")):
        assert refused(lambda asked=worse: blob.set_immutability_policy(asked))[0] == 409  # type: ignore[misc]
    assert refused(blob.delete_immutability_policy)[0] == 409
    blob.set_immutability_policy(policy(now + 3 * HOUR))
    assert blob.get_blob_properties().immutability_policy.expiry_time == now + 3 * HOUR


def test_what_the_account_and_the_container_say(
    worm: WormAccount, container: ContainerClient, now: datetime
) -> None:
    assert container.get_container_properties().immutable_storage_with_versioning_enabled is True
    assert container.get_account_information()["is_hns_enabled"] is False
    worm.hierarchical, worm.locks = True, False
    assert container.get_container_properties().immutable_storage_with_versioning_enabled is False
    assert container.get_account_information()["is_hns_enabled"] is True
    late = policy(now + HOUR)
    blob = container.get_blob_client("b")
    assert refused(lambda: blob.upload_blob(b"x", immutability_policy=late))[0] == 409


def test_soft_delete_gives_a_blob_back(worm: WormAccount, blob: BlobClient) -> None:
    worm.locks, worm.soft_delete = False, True
    blob.upload_blob(b"x")
    blob.delete_blob()
    assert not blob.exists()
    blob.undelete_blob()
    assert blob.download_blob().readall() == b"x"


def test_of_two_deletes_of_a_version_soft_delete_keeps_the_last(
    worm: WormAccount, container: ContainerClient, blob: BlobClient
) -> None:
    worm.soft_delete = True
    blob.upload_blob(b"x")
    old = container.get_blob_client("packs/a", version_id=blob.get_blob_properties().version_id)
    blob.delete_blob()
    old.delete_blob()
    with pytest.raises(ResourceNotFoundError):
        old.download_blob()
    blob.undelete_blob()
    assert old.download_blob().readall() == b"x"
