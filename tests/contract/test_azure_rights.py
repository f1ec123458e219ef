"""Restores of managed disks under the shipped roles, on a real API server and the stand-in for
Azure: no request is refused, and no right of lifeboat-writer-azure lies idle."""

from __future__ import annotations

import pytest

from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.disks_azure import DisksAzure
from lifeboat.adapters.kubeconfig import Endpoint
from lifeboat.errors import Forbidden
from lifeboat.ports.disks import RestoreTicket, StoredSnapshot
from local.cluster import LocalCluster
from tests.support.access import Bind
from tests.support.arm import ArmWorld
from tests.support.azure_disks import PLACE, world_of
from tests.support.disks import take
from tests.support.kinds import VOLUME
from tests.support.manifests import claim
from tests.support.poll import until
from tests.support.rights import assert_all_used

ROLE = "lifeboat-writer-azure"
CONTENT = {"orders": b"one, two"}


class Restores:
    """Restores of one snapshot into a namespace of a real cluster, with what `endpoint` may."""

    def __init__(self, azure: ArmWorld, endpoint: Endpoint, namespace: str) -> None:
        captured = world_of(azure)
        volume = captured.make_volume("shop", "data", dict(CONTENT))
        self.snapshot: StoredSnapshot = take(captured.disks, volume, "shop.local")
        self.cluster, self.namespace = ClusterApi(endpoint), namespace
        self.disks = DisksAzure(self.cluster, captured.clients(), PLACE)

    def start(self, name: str) -> RestoreTicket:
        return self.disks.start_restore(
            self.snapshot,
            namespace=self.namespace,
            claim=name,
            restore_id="r-1",
            claim_body=claim(name),
        )

    def bind(self, ticket: RestoreTicket) -> None:
        until("the claim is bound", lambda: self.disks.poll_restore(ticket).bound)


def test_a_restore_uses_these_rights_and_no_others(
    cluster: LocalCluster, azure: ArmWorld, namespace: str, bind: Bind
) -> None:
    endpoint = bind("lifeboat-writer", ROLE)
    restores = Restores(azure, endpoint, namespace)
    ticket = restores.start("data")
    restores.bind(ticket)
    restores.disks.finish_restore(ticket)
    state = restores.disks.poll_restore(ticket)
    assert azure.arm.disk(state.handle).content == CONTENT
    bound = restores.cluster.get(VOLUME, None, state.pv)
    assert bound["spec"]["csi"]["volumeHandle"] == state.handle

    given_up = restores.start("other")
    restores.bind(given_up)
    cluster.api.delete("v1", "PersistentVolumeClaim", namespace, "other")
    until(
        "the claim is gone",
        lambda: cluster.api.gone("v1", "PersistentVolumeClaim", namespace, "other"),
    )
    restores.disks.finish_restore(given_up)
    volume = given_up.content_name
    until("its volume is gone", lambda: cluster.api.gone("v1", "PersistentVolume", "", volume))
    assert_all_used([ROLE], endpoint, cluster.audit_log)


def test_without_them_the_volume_is_refused(azure: ArmWorld, namespace: str, bind: Bind) -> None:
    restores = Restores(azure, bind("lifeboat-writer"), namespace)
    ticket = restores.start("data")
    with pytest.raises(Forbidden, match="persistentvolumes"):
        restores.bind(ticket)
