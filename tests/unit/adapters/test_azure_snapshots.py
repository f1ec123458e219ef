"""When a snapshot of Azure's counts: by each of the things that Azure may or may not say."""

from __future__ import annotations

import pytest
from azure.mgmt.compute.models import Snapshot

from lifeboat.adapters.azure_snapshots import complete, lasting_error, percent


def shown(**properties: object) -> Snapshot:
    return Snapshot({"name": "s", "properties": {"provisioningState": "Succeeded", **properties}})


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, True),
        ({"completionPercent": 100.0}, True),
        ({"completionPercent": 99.9}, False),
        ({"completionPercent": 0.0}, False),
        ({"snapshotAccessState": "Available"}, True),
        ({"snapshotAccessState": "AvailableWithInstantAccess"}, True),
        ({"snapshotAccessState": "Unknown"}, True),
        ({"snapshotAccessState": "Pending"}, False),
        ({"snapshotAccessState": "InstantAccess"}, False),
        ({"snapshotAccessState": "Pending", "completionPercent": 100.0}, False),
        ({"provisioningState": "Creating"}, False),
        ({"provisioningState": "Deleting"}, False),
        ({"provisioningState": "Failed"}, False),
    ],
    ids=str,
)
def test_what_is_complete(properties: dict[str, object], expected: bool) -> None:
    assert complete(shown(**properties)) == expected


def test_what_will_never_be() -> None:
    failed = {"errorCode": "CopySourceNotFound", "errorMessage": "it is gone"}
    assert "CopySourceNotFound: it is gone" in lasting_error(shown(copyCompletionError=failed))
    assert "Failed" in lasting_error(shown(provisioningState="Failed"))
    assert lasting_error(shown(provisioningState="Creating")) == ""
    assert (percent(shown()), percent(shown(completionPercent=12.7))) == (None, 12)
