"""Fixtures: the stand-in for Azure Resource Manager over TLS, and the official client to it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from azure.mgmt.compute import ComputeManagementClient

from local.arm import TOKEN, Arm, Settings, VirtualTime, serve
from tests.support.static_credential import StaticCredential

SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
OTHER_SUBSCRIPTION = "22222222-2222-2222-2222-222222222222"
NODES = "MC_shop_aks_westeurope"
SNAPSHOTS = "backup-snapshots"
NORTH = "backup-north"
REGION = "westeurope"


@dataclass
class ArmWorld:
    """A stand-in that answers at `url`, with its clock and the certificate to trust."""

    arm: Arm
    time: VirtualTime
    url: str
    ca: Path

    def options(self) -> dict[str, Any]:
        """What a client needs to find it and to trust it."""
        return {
            "base_url": self.url,
            "credential_scopes": ["https://management.azure.com/.default"],
            "connection_verify": str(self.ca),
        }

    def client(
        self, subscription: str = SUBSCRIPTION, token: str = TOKEN
    ) -> ComputeManagementClient:
        """The official client with its own polling and retries, which wait for nothing here."""
        return ComputeManagementClient(
            StaticCredential(token), subscription, polling_interval=0, **self.options()
        )


def disk_id(name: str, group: str = NODES, subscription: str = SUBSCRIPTION) -> str:
    return _id("disks", name, group, subscription)


def snapshot_id(name: str, group: str = SNAPSHOTS, subscription: str = SUBSCRIPTION) -> str:
    return _id("snapshots", name, group, subscription)


def _id(kind: str, name: str, group: str, subscription: str) -> str:
    return (
        f"/subscriptions/{subscription}/resourceGroups/{group}"
        f"/providers/Microsoft.Compute/{kind}/{name}"
    )


@contextmanager
def standing(
    tls: tuple[ssl.SSLContext, Path], settings: Settings | None = None
) -> Iterator[ArmWorld]:
    """A stand-in with two subscriptions, a node resource group and groups for snapshots."""
    moment = VirtualTime()
    arm = Arm(moment, settings)
    arm.add_group(SUBSCRIPTION, NODES, REGION, managed_by="the cluster")
    arm.add_group(SUBSCRIPTION, SNAPSHOTS, REGION)
    arm.add_group(SUBSCRIPTION, NORTH, "northeurope")
    arm.add_group(OTHER_SUBSCRIPTION, SNAPSHOTS, REGION)
    with serve(arm, tls[0]) as stand:
        yield ArmWorld(arm, moment, stand.url, tls[1])


@pytest.fixture(scope="session")
def arm_tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A certificate for 127.0.0.1 and the authority that gave it."""
    authority = trustme.CA()
    path = tmp_path_factory.mktemp("arm") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context, path


@pytest.fixture
def azure(arm_tls: tuple[ssl.SSLContext, Path]) -> Iterator[ArmWorld]:
    """A fresh stand-in with Azure's own limits."""
    with standing(arm_tls) as world:
        yield world
