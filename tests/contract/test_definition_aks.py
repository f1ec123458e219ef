"""How an AKS cluster was ordered: the official client, the stand-in, and the role that ships."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lifeboat.adapters.azure_arm import ArmClients, ArmSettings
from lifeboat.adapters.definition_aks import DefinitionAks
from lifeboat.errors import Forbidden, NotFound
from local.arm import TOKEN, Principal
from local.arm.aks import AksCluster
from tests.support.arm import NODES, SUBSCRIPTION, ArmWorld
from tests.support.static_credential import StaticCredential

ROLE = Path(__file__).parents[2] / "docs" / "azure" / "lifeboat-context.json"
PROPERTIES = {
    "kubernetesVersion": "1.33.2",
    "currentKubernetesVersion": "1.33.2",
    "dnsPrefix": "shop",
    "powerState": {"code": "Running"},
    "servicePrincipalProfile": {"clientId": "an-application", "secret": "s3cret"},
    "windowsProfile": {"adminUsername": "azureuser", "adminPassword": "s3cret"},
    "httpProxyConfig": {"httpsProxy": "http://me:s3cret@proxy.example.com:3128/"},
    "addonProfiles": {"azurepolicy": {"enabled": True}},
}
POOLS = {
    "system": {"count": 3, "vmSize": "Standard_D4s_v5", "mode": "System", "eTag": "1"},
    "work": {
        "count": 7,
        "enableAutoScaling": True,
        "minCount": 2,
        "maxCount": 9,
        "vmSize": "Standard_D8s_v5",
        "orchestratorVersion": "1.33",
    },
}


def reader(azure: ArmWorld, token: str = TOKEN, name: str = "shop-aks") -> DefinitionAks:
    cluster = AksCluster("https://example.com", b"", properties=PROPERTIES, pools=POOLS)
    azure.arm.clusters["shop-aks"] = cluster
    settings = ArmSettings(endpoint=azure.url, certificates=str(azure.ca))
    clients = ArmClients(settings, StaticCredential(token))
    return DefinitionAks(clients, SUBSCRIPTION, NODES, name)


def test_cluster_and_pools_as_ordered_without_secrets_and_movement(azure: ArmWorld) -> None:
    found = reader(azure).read()
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", found.api_version)
    ordered = found.cluster["properties"]
    assert found.cluster["location"] == "westeurope"
    assert ordered["kubernetesVersion"] == "1.33.2"
    assert ordered["addonProfiles"] == {"azurepolicy": {"enabled": True}}
    assert ordered["servicePrincipalProfile"] == {"clientId": "an-application"}
    assert ordered["httpProxyConfig"] == {"httpsProxy": "http://proxy.example.com:3128/"}
    assert [pool["name"] for pool in found.node_pools] == ["system", "work"]
    system, work = (pool["properties"] for pool in found.node_pools)
    assert (system["count"], system["vmSize"]) == (3, "Standard_D4s_v5")
    assert (work["minCount"], work["maxCount"], work["orchestratorVersion"]) == (2, 9, "1.33")
    assert "count" not in work
    text = json.dumps(found)
    for moving in ("s3cret", "provisioningState", "eTag", "powerState", "agentPoolProfiles"):
        assert moving not in text


def test_a_secret_that_azure_should_not_send_is_dropped(
    azure: ArmWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.arm.aks._WRITE_ONLY", ())
    text = json.dumps(reader(azure).read())
    assert "s3cret" not in text
    assert "azureuser" in text


def test_the_role_is_enough_and_used_whole(azure: ArmWorld) -> None:
    actions = tuple(json.loads(ROLE.read_text())["Actions"])
    azure.arm.access.tokens["context"] = Principal("context", actions)
    reader(azure, "context").read()
    assert azure.arm.access.asked["context"] == set(actions)
    azure.arm.access.tokens["weak"] = Principal("weak", ("Microsoft.Compute/disks/read",))
    with pytest.raises(Forbidden, match="managedClusters/read"):
        reader(azure, "weak").read()


def test_a_cluster_that_is_gone_is_named(azure: ArmWorld) -> None:
    with pytest.raises(NotFound, match=f"AKS cluster {NODES}/gone"):
        reader(azure, name="gone").read()
