"""From clusters.yaml and a policy to the adapters that speak to Azure; no request is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifeboat.adapters.azure_arm import ArmClients, ArmSettings
from lifeboat.adapters.definition_aks import DefinitionAks
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.disks_routed import DisksRouted
from lifeboat.adapters.registry_oci import RegistriesOci
from lifeboat.errors import UsageError
from lifeboat.policy.instance import Instance
from lifeboat.policy.load import load_clusters, load_policy
from lifeboat.policy.model import ClusterEntry
from lifeboat.ports.copies import CopyRegion
from lifeboat.wiring import NoConnections, azure_place, copies_of, disks_of
from lifeboat.wiring.clusters import definitions_of, registries_of
from tests.support.fake_cluster import FakeCluster

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"
CLUSTERS = f"""\
clusters:
  - {{name: plain, inCluster: true}}
  - name: aks
    inCluster: true
    azure: &azure
      subscription: {SUBSCRIPTION}
      location: westeurope
      nodeResourceGroup: MC_shop
      snapshotResourceGroup: snapshots
      diskResourceGroup: disks
      zones: ["1", "2"]
      tags: {{team: shop}}
      identity: workload-identity
      clientId: abc
  - name: north
    inCluster: true
    azure:
      subscription: {OTHER}
      location: northeurope
      nodeResourceGroup: MC_north
      snapshotResourceGroup: snapshots-north
      connection: azure_disks
vaults: [{{name: main, url: 'file:///v', encryption: none}}]
"""
POLICY = """\
clusters: [aks]
schedule: {cron: "0 2 * * *"}
retention: {keep: {last: 7}}
volumes:
  mode: azure
  azure:
    instantAccessMinutes: 60
    copies:
      - {region: northeurope, resourceGroup: north, sku: Standard_LRS, keep: {last: 3}}
"""


def instance_of(tmp_path: Path, policy: str = POLICY) -> Instance:
    (tmp_path / "clusters.yaml").write_text(CLUSTERS.replace("&azure", ""))
    (tmp_path / "shop.yaml").write_text(policy)
    (found,) = load_policy(tmp_path / "shop.yaml", load_clusters(tmp_path))
    return found


class Kept(NoConnections):
    """Connections that know one of Azure's."""

    def arm(self, connection: str) -> ArmSettings:
        assert connection == "azure_disks"
        return ArmSettings("", "id", "tenant", "secret")


def test_a_place_in_azure(tmp_path: Path) -> None:
    instance = instance_of(tmp_path)
    assert instance.cluster.azure
    place = azure_place(instance, instance.cluster.azure)
    assert (place.group, place.node_group, place.disk_group) == ("snapshots", "MC_shop", "disks")
    assert (place.zones, place.tags, place.instant_minutes) == (("1", "2"), {"team": "shop"}, 60)
    north = CopyRegion("northeurope", SUBSCRIPTION, "north", "Standard_LRS")
    assert place.places == (north,)
    target = load_clusters(tmp_path).cluster("north")
    assert target
    assert target.azure
    elsewhere = azure_place(instance, target.azure)
    assert (elsewhere.subscription, elsewhere.region) == (OTHER, "northeurope")
    assert elsewhere.places == (north,)  # where the copies were put, not where they are restored


def test_who_snapshots(tmp_path: Path) -> None:
    instance, cluster = instance_of(tmp_path), FakeCluster()
    clusters = load_clusters(tmp_path)
    for name, kind in (("plain", DisksCsi), ("aks", DisksRouted), ("north", DisksRouted)):
        entry = clusters.cluster(name)
        assert entry
        assert isinstance(disks_of(instance, entry, cluster, Kept()), kind)
        assert (copies_of(instance, entry, Kept()) is None) == (name == "plain")
    north = clusters.cluster("north")
    assert north
    with pytest.raises(UsageError, match="connection azure_disks is kept by Airflow"):
        disks_of(instance, north, cluster, NoConnections())


def test_which_cloud_is_asked_and_with_which_scope() -> None:
    for endpoint, scope in (
        ("", "https://management.azure.com/.default"),
        ("https://management.usgovcloudapi.net", "https://management.core.usgovcloudapi.net/.default"),
        ("https://arm.example.org", "https://arm.example.org/.default"),
    ):  # fmt: skip
        settings = ArmSettings("", "id", "tenant", "secret", endpoint)
        client = ArmClients(settings).compute(SUBSCRIPTION)
        assert client._config.credential_scopes == [scope]
        assert (endpoint or "https://management.azure.com") in client._config.base_url


def test_the_secret_is_not_shown() -> None:
    assert "s3cret" not in repr(ArmSettings("", "id", "tenant", "s3cret"))


AKS = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/shop"
    "/providers/Microsoft.ContainerService/managedClusters/shop-aks"
)


def test_a_definition_is_asked_for_of_clusters_that_azure_runs() -> None:
    plain = ClusterEntry(name="plain", in_cluster=True)
    assert definitions_of(plain, NoConnections()) is None
    aks = ClusterEntry.model_validate({"name": "aks", "aks": {"id": AKS}})
    assert isinstance(definitions_of(aks, NoConnections()), DefinitionAks)


def test_registries_are_asked_where_a_policy_wants_it(tmp_path: Path) -> None:
    assert registries_of(instance_of(tmp_path), NoConnections()) is None
    wanted = f"{POLICY}imageCheck: {{registries: [{{host: docker.io, connection: hub}}]}}\n"
    asked = registries_of(instance_of(tmp_path, wanted), NoConnections())  # reads no login yet
    assert isinstance(asked, RegistriesOci)
    assert set(asked._logins) == {"registry-1.docker.io"}
