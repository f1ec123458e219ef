"""The stand-in for Azure Resource Manager keeps Azure's documented rules (local/arm/README.md), as
the official client sees them. Time is the stand-in's own, so nothing here waits."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceResponseError,
)
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient

from local.arm import TOKEN, Delays, Limits, Principal, Settings
from tests.support.arm import (
    NODES,
    NORTH,
    OTHER_SUBSCRIPTION,
    REGION,
    SNAPSHOTS,
    SUBSCRIPTION,
    ArmWorld,
    disk_id,
    snapshot_id,
    standing,
)
from tests.support.static_credential import StaticCredential

Tls = tuple[ssl.SSLContext, Path]
FAST = "PremiumV2_LRS"


def cut(disk: str, **creation: Any) -> dict[str, Any]:
    """The body of an incremental snapshot of a disk."""
    data = {"createOption": "Copy", "sourceResourceId": disk_id(disk), **creation}
    return {"location": REGION, "properties": {"creationData": data, "incremental": True}}


def away(snapshot: str, region: str = "northeurope", group: str = SNAPSHOTS) -> dict[str, Any]:
    """The body of a copy into another region."""
    data = {"createOption": "CopyStart", "sourceResourceId": snapshot_id(snapshot, group)}
    return {"location": region, "properties": {"creationData": data, "incremental": True}}


def full_disk(snapshot: str, sku: str, **more: Any) -> dict[str, Any]:
    """The body of a disk made from a snapshot."""
    data = {"createOption": "Copy", "sourceResourceId": snapshot_id(snapshot)}
    return {"location": REGION, "sku": {"name": sku}, "properties": {"creationData": data}, **more}


def take(
    client: ComputeManagementClient,
    name: str,
    body: dict[str, Any],
    group: str = SNAPSHOTS,
    **options: Any,
) -> Any:
    """Makes a snapshot and waits for the operation as the client does by itself."""
    return client.snapshots.begin_create_or_update(group, name, body, **options).result()


@contextmanager
def refused(code: str, status: int) -> Iterator[None]:
    """The block fails with this code of Azure's and this status."""
    with pytest.raises(HttpResponseError) as caught:
        yield
    assert (caught.value.error.code, caught.value.status_code) == (code, status)  # type: ignore[union-attr]


@pytest.fixture
def client(azure: ArmWorld) -> ComputeManagementClient:
    return azure.client()


@pytest.fixture
def small(arm_tls: Tls) -> Iterator[ArmWorld]:
    """With limits that a test can reach."""
    limits = Limits(
        snapshots_of_a_disk=3, background_copies=4, copies_into_a_region=2, disks_at_once=1,
        disks_at_once_instant=2,
    )  # fmt: skip
    with standing(arm_tls, Settings(limits, page=2)) as world:
        yield world


def test_a_snapshot_holds_the_bytes_of_its_moment(
    azure: ArmWorld, client: ComputeManagementClient
) -> None:
    disk = azure.arm.add_disk(disk_id("a"), REGION, "Premium_LRS", 4, content={"f": b"one"})
    found = take(client, "s1", cut("a"))
    disk.content["f"] = b"two"
    assert azure.arm.snapshot(snapshot_id("s1")).content == {"f": b"one"}
    assert found.creation_data.source_unique_id == disk.unique_id
    assert (found.completion_percent, found.snapshot_access_state) == (None, None)
    assert found.sku.name == "Standard_ZRS"
    client.disks.begin_create_or_update(NODES, "b", full_disk("s1", "StandardSSD_LRS")).result()
    assert azure.arm.disk(disk_id("b")).content == {"f": b"one"}


def test_a_chain_stores_what_changed_and_any_link_may_go(
    azure: ArmWorld, client: ComputeManagementClient
) -> None:
    disk = azure.arm.add_disk(
        disk_id("a"), REGION, "Premium_LRS", 4, content={"big": b"x" * 9000, "f": b"1"}
    )
    for number in (1, 2, 3):
        take(client, f"s{number}", cut("a"))
        disk.content["f"] = str(number).encode() * 10
    deltas = [azure.arm.snapshot(snapshot_id(f"s{n}")).delta for n in (1, 2, 3)]
    assert deltas == [9001, 10, 10]
    client.snapshots.begin_delete(SNAPSHOTS, "s1").result()
    assert azure.arm.snapshot(snapshot_id("s2")).content["big"] == b"x" * 9000
    azure.arm.estate.disks.clear()
    again = azure.arm.add_disk(disk_id("a"), REGION, "Premium_LRS", 4)
    assert again.unique_id != disk.unique_id


def test_no_delta_across_a_resize_over_four_tib(
    azure: ArmWorld, client: ComputeManagementClient
) -> None:
    azure.arm.add_disk(disk_id("a"), REGION, "Premium_LRS", 4096, content={"f": b"12345"})
    take(client, "s1", cut("a"))
    update = {"properties": {"diskSizeGB": 5000}}
    client.disks.begin_update(NODES, "a", update).result()
    take(client, "s2", cut("a"))
    assert azure.arm.snapshot(snapshot_id("s2")).delta == 5


def test_an_operation_takes_its_time(arm_tls: Tls) -> None:
    with standing(arm_tls, Settings(delays=Delays(operation=30, retry_after=0))) as world:
        client = world.client()
        world.arm.add_disk(disk_id("a"), REGION, "Premium_LRS", 4)
        poller = client.snapshots.begin_create_or_update(
            SNAPSHOTS, "s1", cut("a"), polling_interval=0
        )
        assert client.snapshots.get(SNAPSHOTS, "s1").provisioning_state == "Creating"
        with refused("AnotherOperationInProgress", 409):
            client.snapshots.begin_delete(SNAPSHOTS, "s1", polling=False)
        world.time.advance(31)
        assert poller.result().provisioning_state == "Succeeded"
        client.snapshots.begin_delete(SNAPSHOTS, "s1", polling=False)
        assert client.snapshots.get(SNAPSHOTS, "s1").provisioning_state == "Deleting"
        world.time.advance(31)
        with pytest.raises(ResourceNotFoundError):
            client.snapshots.get(SNAPSHOTS, "s1")
        assert any("DiskOperations" in asked for asked in world.arm.requests)


def test_an_operation_that_fails(azure: ArmWorld, client: ComputeManagementClient) -> None:
    azure.arm.add_disk(disk_id("a"), REGION, "Premium_LRS", 4)
    azure.arm.order("fail", "PUT", "/snapshots/")
    with pytest.raises(HttpResponseError) as caught:
        take(client, "s1", cut("a"))
    assert "ordered" in str(caught.value)
    assert client.snapshots.get(SNAPSHOTS, "s1").provisioning_state == "Failed"


def test_putting_twice_is_one_snapshot(azure: ArmWorld, client: ComputeManagementClient) -> None:
    for name in ("a", "b"):
        azure.arm.add_disk(disk_id(name), REGION, "Premium_LRS", 4)
    first = take(client, "s1", cut("a"))
    again = take(client, "S1", {**cut("a"), "tags": {"k": "v"}})
    assert (again.unique_id, again.tags) == (first.unique_id, {"k": "v"})
    with refused("PropertyChangeNotAllowed", 409):
        take(client, "s1", cut("b"))


def test_seven_in_five_minutes(azure: ArmWorld) -> None:
    client = ComputeManagementClient(
        StaticCredential(TOKEN), SUBSCRIPTION, retry_total=0, **azure.options()
    )
    azure.arm.add_disk(disk_id("a"), REGION, "Premium_LRS", 4)
    for number in range(7):
        take(client, f"s{number}", cut("a"))
        azure.time.advance(10)
    with pytest.raises(HttpResponseError) as caught:
        take(client, "s8", cut("a"))
    assert caught.value.status_code == 429
    assert caught.value.response is not None
    assert caught.value.response.headers["Retry-After"] == "230"
    azure.time.advance(231)
    take(client, "s8", cut("a"))


def test_so_many_of_a_disk(small: ArmWorld) -> None:
    client = small.client()
    for name in ("a", "b"):
        small.arm.add_disk(disk_id(name), REGION, "Premium_LRS", 4)
    for number in range(3):
        take(client, f"s{number}", cut("a"))
    with refused("OperationNotAllowed", 409):
        take(client, "s4", cut("a"))
    take(client, "of-another", cut("b"))
    client.snapshots.begin_delete(SNAPSHOTS, "s0").result()
    take(client, "s4", cut("a"))
    assert Limits().snapshots_of_a_disk == 500


def test_a_fast_disk_s_snapshots_are_pending(
    azure: ArmWorld, client: ComputeManagementClient
) -> None:
    azure.arm.add_disk(disk_id("a"), REGION, FAST, 4, zones=["1"])
    found = take(client, "s1", cut("a"))
    assert (found.completion_percent, found.snapshot_access_state) == (0, "Pending")
    azure.time.advance(150)
    assert client.snapshots.get(SNAPSHOTS, "s1").completion_percent == 25
    with refused("OperationNotAllowed", 409):
        client.disks.begin_create_or_update(NODES, "b", full_disk("s1", FAST, zones=["1"]))
    with refused("OperationNotAllowed", 409):
        take(client, "far", away("s1"), NORTH)
    for number in (2, 3):
        take(client, f"s{number}", cut("a"))
    with refused("PendingSnapshotLimitReached", 409):
        take(client, "s4", cut("a"))
    azure.time.advance(450)
    done = client.snapshots.get(SNAPSHOTS, "s1")
    assert (done.completion_percent, done.snapshot_access_state) == (100, "Available")
    take(client, "s4", cut("a"))


def test_resizing_a_fast_disk_fails_what_is_pending(
    azure: ArmWorld, client: ComputeManagementClient
) -> None:
    azure.arm.add_disk(disk_id("a"), REGION, FAST, 4)
    take(client, "s1", cut("a"))
    client.disks.begin_update(NODES, "a", {"properties": {"diskSizeGB": 8}}).result()
    azure.time.advance(900)
    found = client.snapshots.get(SNAPSHOTS, "s1")
    assert (found.provisioning_state, found.completion_percent) == ("Failed", 99)


def test_so_many_background_copies(small: ArmWorld) -> None:
    client = small.client()
    for number in range(5):
        small.arm.add_disk(disk_id(f"d{number}"), REGION, "UltraSSD_LRS", 4)
    for number in range(4):
        take(client, f"s{number}", cut(f"d{number}"))
    with refused("BackgroundCopyLimitReached", 409):
        take(client, "s4", cut("d4"))


def test_instant_access(small: ArmWorld) -> None:
    client = small.client()
    small.arm.add_disk(disk_id("a"), REGION, FAST, 4)
    small.arm.add_disk(disk_id("slow"), REGION, "Premium_LRS", 4)
    with refused("InvalidParameter", 400):
        take(client, "s0", cut("slow", instantAccessDurationMinutes=60))
    for minutes in (59, 301):
        with refused("InvalidParameter", 400):
            take(client, "s0", cut("a", instantAccessDurationMinutes=minutes))
    with refused("InvalidParameter", 400):
        take(client, "s0", cut("a", instantAccessDurationMinutes=60), api_version="2024-03-02")
    assert take(client, "s1", cut("a", instantAccessDurationMinutes=60)).snapshot_access_state == (
        "InstantAccess"
    )
    with refused("OperationNotAllowed", 409):
        take(client, "far", away("s1"), NORTH)
    for name in ("b", "c"):
        client.disks.begin_create_or_update(NODES, name, full_disk("s1", FAST)).result()
    with refused("OperationNotAllowed", 409):
        client.disks.begin_create_or_update(NODES, "d", full_disk("s1", FAST)).result()
    states = []
    for seconds in (600, 3000):
        small.time.advance(seconds)
        states.append(client.snapshots.get(SNAPSHOTS, "s1").snapshot_access_state)
    assert states == ["AvailableWithInstantAccess", "Available"]
    client.disks.begin_create_or_update(NODES, "d", full_disk("s1", FAST)).result()
    with refused("OperationNotAllowed", 409):
        client.disks.begin_create_or_update(NODES, "e", full_disk("s1", FAST)).result()


def test_copying_into_another_region(azure: ArmWorld, client: ComputeManagementClient) -> None:
    disk = azure.arm.add_disk(
        disk_id("a"), REGION, "Premium_LRS", 4, content={"big": b"x" * 900, "f": b"1"}
    )
    for number in (1, 2, 3):
        take(client, f"s{number}", cut("a"))
        disk.content["f"] = b"22"
    found = take(client, "far1", away("s1"), NORTH)
    assert (found.completion_percent, found.snapshot_access_state) == (0, "Pending")
    with refused("CopyInProgress", 409):
        take(client, "far2", away("s2"), NORTH)
    azure.time.advance(900)
    assert client.snapshots.get(NORTH, "far1").completion_percent == 100
    take(client, "far3", away("s3"), NORTH)
    azure.time.advance(900)
    with refused("CopyOutOfOrder", 400):
        take(client, "far2", away("s2"), NORTH)
    far = [azure.arm.snapshot(snapshot_id(name, NORTH)) for name in ("far1", "far3")]
    assert [one.delta for one in far] == [901, 2]
    assert far[1].content == {"big": b"x" * 900, "f": b"22"}


def test_a_chain_without_a_common_snapshot_moves_everything(
    azure: ArmWorld, client: ComputeManagementClient
) -> None:
    azure.arm.add_disk(disk_id("a"), REGION, "Premium_LRS", 4, content={"big": b"x" * 900})
    for number in (1, 2, 3):
        take(client, f"s{number}", cut("a"))
    for number in (1, 2):
        take(client, f"far{number}", away(f"s{number}"), NORTH)
        azure.time.advance(900)
    client.snapshots.begin_delete(SNAPSHOTS, "s1").result()
    client.snapshots.begin_delete(NORTH, "far2").result()
    take(client, "far3", away("s3"), NORTH)
    assert azure.arm.snapshot(snapshot_id("far3", NORTH)).delta == 900


def test_a_copy_whose_source_goes_fails(azure: ArmWorld, client: ComputeManagementClient) -> None:
    azure.arm.add_disk(disk_id("a"), REGION, "Premium_LRS", 4)
    take(client, "s1", cut("a"))
    take(client, "far1", away("s1"), NORTH)
    client.snapshots.begin_delete(SNAPSHOTS, "s1").result()
    azure.time.advance(1000)
    found = client.snapshots.get(NORTH, "far1")
    assert found.completion_percent < 100
    assert found.copy_completion_error.error_code == "CopySourceNotFound"


def test_the_rules_of_copies(azure: ArmWorld, client: ComputeManagementClient) -> None:
    azure.arm.add_disk(disk_id("a"), REGION, "Premium_LRS", 4)
    whole = cut("a")
    whole["properties"]["incremental"] = False
    take(client, "full", whole)
    take(client, "s1", cut("a"))
    with refused("InvalidParameter", 400):
        take(client, "far", away("full"), NORTH)
    with refused("InvalidParameter", 400):
        take(client, "here", away("s1", REGION))
    with refused("InvalidParameter", 400):
        take(client, "far", away("s1"), NORTH, api_version="2020-06-30")
    zonal = {**away("s1", "westus"), "sku": {"name": "Standard_ZRS"}}
    with refused("InvalidParameter", 400):
        take(client, "far", zonal, NORTH)
    assert take(client, "far", away("s1", "westus"), NORTH).sku.name == "Standard_LRS"


def test_so_many_copies_into_a_region(small: ArmWorld) -> None:
    client = ComputeManagementClient(
        StaticCredential(TOKEN), SUBSCRIPTION, retry_total=0, **small.options()
    )
    for number in range(3):
        small.arm.add_disk(disk_id(f"d{number}"), REGION, "Premium_LRS", 4)
        take(client, f"s{number}", cut(f"d{number}"))
    for number in range(2):
        take(client, f"far{number}", away(f"s{number}"), NORTH)
    with refused("TooManyRequests", 429):
        take(client, "far2", away("s2"), NORTH)
    take(client, "sweden2", away("s2", "swedencentral"), NORTH)
    small.time.advance(900)
    take(client, "far2", away("s2"), NORTH)


def test_across_subscriptions(azure: ArmWorld) -> None:
    azure.arm.add_disk(disk_id("a"), REGION, "Premium_LRS", 4, content={"f": b"1"})
    other = azure.client(OTHER_SUBSCRIPTION)
    with refused("InvalidParameter", 400):
        take(other, "s1", cut("a"))
    take(azure.client(), "s1", cut("a"))
    copy = away("s1", REGION)
    copy["properties"]["creationData"]["createOption"] = "Copy"
    assert take(other, "s1", copy).completion_percent is None
    assert azure.arm.snapshot(snapshot_id("s1", subscription=OTHER_SUBSCRIPTION)).content


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (full_disk("s1", "Premium_ZRS", zones=["1"]), "InvalidParameter"),
        (full_disk("s1", "Premium_LRS", zones=["9"]), "InvalidAvailabilityZone"),
        (full_disk("s1", "Nothing_LRS"), "InvalidParameter"),
        ({**full_disk("s1", "Premium_LRS"), "location": "northeurope"}, "InvalidParameter"),
    ],
    ids=["zrs-with-zone", "no-such-zone", "no-such-sku", "other-region"],
)
def test_disks_that_are_refused(azure: ArmWorld, body: dict[str, Any], code: str) -> None:
    client = azure.client()
    azure.arm.add_disk(disk_id("a"), REGION, "Premium_LRS", 4)
    take(client, "s1", cut("a"))
    with refused(code, 400):
        client.disks.begin_create_or_update(NODES, "b", body)


def test_sectors_of_4096_fit_fast_disks_only(
    azure: ArmWorld, client: ComputeManagementClient
) -> None:
    azure.arm.add_disk(disk_id("a"), REGION, FAST, 4)
    take(client, "s1", cut("a"))
    azure.time.advance(600)
    with refused("InvalidParameter", 400):
        client.disks.begin_create_or_update(NODES, "b", full_disk("s1", "Premium_LRS"))
    client.disks.begin_create_or_update(NODES, "b", full_disk("s1", "UltraSSD_LRS")).result()
    take(client, "s2", cut("a"))
    assert azure.arm.snapshot(snapshot_id("s2")).delta == 6 * 2**20


@pytest.mark.parametrize("lock", ["CanNotDelete", "ReadOnly"])
def test_locks_of_a_resource_group(azure: ArmWorld, lock: str) -> None:
    client = azure.client()
    azure.arm.add_disk(disk_id("a"), REGION, "Premium_LRS", 4)
    take(client, "s1", cut("a"))
    azure.arm.estate.group(SUBSCRIPTION, SNAPSHOTS).lock = lock
    with refused("ScopeLocked", 409):
        client.snapshots.begin_delete(SNAPSHOTS, "s1")
    if lock == "ReadOnly":
        with refused("ScopeLocked", 409):
            take(client, "s2", cut("a"))
    else:
        take(client, "s2", cut("a"))


@pytest.mark.parametrize(
    "tags",
    [{f"t{n}": "v" for n in range(51)}, {"n" * 513: "v"}, {"n": "v" * 257}, {"a/b": "v"}],
    ids=["51", "long-name", "long-value", "slash"],
)
def test_tags_that_are_refused(azure: ArmWorld, tags: dict[str, str]) -> None:
    azure.arm.add_disk(disk_id("a"), REGION, "Premium_LRS", 4)
    with pytest.raises(HttpResponseError) as caught:
        take(azure.client(), "s1", {**cut("a"), "tags": tags})
    assert caught.value.status_code == 400


@pytest.mark.parametrize("name", ["a" * 81, "-a", "a-", "a b"])
def test_names_that_are_refused(azure: ArmWorld, name: str) -> None:
    azure.arm.add_disk(disk_id("a"), REGION, "Premium_LRS", 4)
    with refused("InvalidParameter", 400):
        take(azure.client(), name, cut("a"))


def test_lists_come_in_pages(small: ArmWorld) -> None:
    client = small.client()
    for number in range(5):
        small.arm.add_disk(disk_id(f"d{number}"), REGION, "Premium_LRS", 4)
        take(client, f"s{number}", cut(f"d{number}"), SNAPSHOTS if number else NORTH)
    assert len(list(client.disks.list())) == 5
    assert len(list(client.disks.list_by_resource_group(NODES))) == 5
    assert len(list(client.snapshots.list())) == 5
    names = [one.name for one in client.snapshots.list_by_resource_group(SNAPSHOTS.upper())]
    assert names == ["s1", "s2", "s3", "s4"]


def test_who_comes_without_the_right_token(azure: ArmWorld) -> None:
    with pytest.raises(ClientAuthenticationError):
        azure.client(token="stolen").snapshots.get(SNAPSHOTS, "s1")
    azure.arm.access.tokens["reader"] = Principal("reader", ("Microsoft.Compute/*/read",))
    azure.arm.add_disk(disk_id("a"), REGION, "Premium_LRS", 4)
    with refused("AuthorizationFailed", 403):
        take(azure.client(token="reader"), "s1", cut("a"))
    azure.arm.access.tokens["writer"] = Principal(
        "writer", ("Microsoft.Compute/snapshots/*",), (f"/subscriptions/{SUBSCRIPTION}/",)
    )
    with refused("AuthorizationFailed", 403):  # the disk may not be read
        take(azure.client(token="writer"), "s1", cut("a"))


def test_what_is_not_there(azure: ArmWorld, client: ComputeManagementClient) -> None:
    for group, code in ((SNAPSHOTS, "ResourceNotFound"), ("nowhere", "ResourceGroupNotFound")):
        with refused(code, 404):
            client.snapshots.get(group, "s1")
    with refused("SubscriptionNotFound", 404):
        azure.client("33333333-3333-3333-3333-333333333333").snapshots.get(SNAPSHOTS, "s1")
    client.snapshots.begin_delete(SNAPSHOTS, "s1").result()


def test_faults_on_order(azure: ArmWorld) -> None:
    client = ComputeManagementClient(
        StaticCredential(TOKEN), SUBSCRIPTION, retry_total=0, **azure.options()
    )
    azure.arm.add_disk(disk_id("a"), REGION, "Premium_LRS", 4)
    azure.arm.order("lose", "PUT")
    with pytest.raises(ServiceResponseError):
        take(client, "s1", cut("a"))
    assert client.snapshots.get(SNAPSHOTS, "s1").name == "s1"


def test_resource_groups_by_their_own_client(azure: ArmWorld) -> None:
    resources = ResourceManagementClient(StaticCredential(TOKEN), SUBSCRIPTION, **azure.options())
    assert resources.resource_groups.get(NODES).managed_by == "the cluster"
    resources.resource_groups.create_or_update("new", {"location": "northeurope"})
    assert len(list(resources.resource_groups.list())) == 4
    azure.arm.add_disk(disk_id("a"), REGION, "Premium_LRS", 4)
    take(azure.client(), "s1", cut("a"), NODES)
    resources.resource_groups.begin_delete(NODES).result()
    with refused("ResourceGroupNotFound", 404):
        azure.client().snapshots.get(NODES, "s1")
