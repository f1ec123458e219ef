"""The DAG `discover` in a real Airflow: clusters that Azure (a stand-in) and Airflow's connections
know of are protected at the next parse, one of them with a real backup."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lifeboat.clock import utc_now
from lifeboat.point import catalog
from lifeboat.policy.discover import read_discovered
from lifeboat.vault.keys import generate_key
from lifeboat.wiring import NoConnections, make_vault, unlock
from local.airflow_stack import temporary_airflow
from local.api import wait_until
from local.arm import TOKEN
from local.arm.errors import ArmError
from local.cluster import LocalCluster
from local.errors import ApiError
from tests.support.airflow import QUIET, Lifeboat, vault_of
from tests.support.arm import SUBSCRIPTION, ArmWorld, standing

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1200)]

_CLUSTERS = f"""\
clusters: [{{name: local, kubeconfig: "env:KUBECONFIG"}}]
vaults: [{{name: main, url: "env:LIFEBOAT_VAULT_URL", key: "env:LIFEBOAT_VAULT_KEY"}}]
discover:
  azure:
    subscriptions: [{SUBSCRIPTION}]
    identity: managed-identity
    endpoint: env:ARM_URL
    tags: {{backup: lifeboat}}
  airflow: itself
"""
_POLICY = """\
clusterLabels: {tier: gold}
objectives: {rpo: 24h}
select: {namespaces: {include: [quiet]}}
retention: {keep: {last: 3}}
"""
AZURE, LINKED = "backup.gold.aks-shop", "backup.gold.prod"


@dataclass
class Estate:
    """Airflow, and the Azure that its tasks ask."""

    lifeboat: Lifeboat
    azure: ArmWorld

    @property
    def include(self) -> Path:
        return Path(self.lifeboat.env["LIFEBOAT_INCLUDE"])

    def known(self) -> dict[str, bool]:
        """The clusters that were found, and whether each is lost."""
        return {one.name: bool(one.lost) for one in read_discovered(self.include).clusters}


@pytest.fixture(scope="module")
def estate(
    cluster: LocalCluster,
    arm_tls: tuple[ssl.SSLContext, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Estate]:
    root = tmp_path_factory.mktemp("estate")
    (root / "include" / "policies").mkdir(parents=True)
    (root / "include" / "clusters.yaml").write_text(_CLUSTERS)
    (root / "include" / "policies" / "gold.yaml").write_text(_POLICY)
    metadata = {"name": QUIET}
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    with ExitStack() as stack:
        azure = stack.enter_context(standing(arm_tls))
        env = {
            "LIFEBOAT_INCLUDE": str(root / "include"),
            "LIFEBOAT_VAULT_URL": (root / "vault").as_uri(),
            "LIFEBOAT_VAULT_KEY": generate_key(),
            "KUBECONFIG": str(cluster.kubeconfig),
            "ARM_URL": azure.url,
            "REQUESTS_CA_BUNDLE": str(azure.ca),
            "IDENTITY_ENDPOINT": stack.enter_context(_identity()),
            "IDENTITY_HEADER": "told-by-the-host",
        }
        make_vault(vault_of(env), NoConnections())
        airflow = stack.enter_context(temporary_airflow(env))
        client = airflow.client()
        stack.callback(client.close)
        login = {"login": client._user, "password": client._password}
        itself = {"connection_id": "itself", "conn_type": "http", "host": client.url, **login}
        client.request("POST", "/api/v2/connections", itself)
        yield Estate(Lifeboat(airflow, client, cluster, env), azure)


@contextmanager
def _identity() -> Iterator[str]:
    """Where the host of a managed identity hands out tokens, as an Azure App Service does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            expires = int((utc_now() + timedelta(days=1)).timestamp())
            told = {"access_token": TOKEN, "expires_on": str(expires), "token_type": "Bearer"}
            asked = self.headers["X-IDENTITY-HEADER"] == "told-by-the-host"
            self.send_response(200 if asked else 401)
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/token"
    server.shutdown()
    server.server_close()
    thread.join()


def aks(name: str, **tags: str) -> dict[str, object]:
    """What Resource Graph says of a cluster."""
    ident = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/shop/providers"
    ident += f"/Microsoft.ContainerService/managedClusters/{name}"
    return {"id": ident, "name": name, "location": "westeurope", "tags": tags}


def test_clusters_that_appear_are_protected_at_the_next_parse(estate: Estate) -> None:
    """In order: found, backed up, lost, not asked."""
    lifeboat, arm = estate.lifeboat, estate.azure.arm
    client = lifeboat.client
    client.wait_for_dag("discover")
    for dag in (AZURE, LINKED):
        with pytest.raises(ApiError) as unknown:
            client.request("GET", f"/api/v2/dags/{dag}")
        assert unknown.value.status == 404

    arm.known = [aks("aks-shop", backup="lifeboat", tier="gold"), aks("private", tier="gold")]
    mark = {"lifeboat": {"name": "prod", "labels": {"tier": "gold"}}}
    way_in = {"kube_config_path": str(lifeboat.cluster.kubeconfig)}
    client.request(
        "POST",
        "/api/v2/connections",
        {"connection_id": "k", "conn_type": "kubernetes", "extra": json.dumps({**mark, **way_in})},
    )
    run = lifeboat.run("discover")
    told = client.xcom("discover", run.run_id, "discover")
    assert told == {"new": ["aks-shop", "prod"], "lost": [], "back": []}
    for dag in (AZURE, LINKED, "upkeep.gold.aks-shop"):
        client.wait_for_dag(dag)
    backup = lifeboat.run(LINKED)
    point = client.xcom(LINKED, backup.run_id, "commit")["point"]
    vault = unlock(vault_of(lifeboat.env), NoConnections())
    assert catalog.point_ids(vault, "gold.prod") == [point]

    arm.known = []
    run = lifeboat.run("discover")
    assert client.xcom("discover", run.run_id, "discover")["lost"] == ["aks-shop"]
    assert "LOST since" in lifeboat.log(run, "discover")
    wait_until("it is told", lambda: "aks-shop" in str(client.import_errors()), 120)
    client.wait_for_dag(AZURE)
    assert estate.known() == {"aks-shop": True, "prod": False}

    arm.known = [aks("aks-shop", backup="lifeboat", tier="gold")]
    arm.order("refuse", "POST", error=ArmError(403, "AuthorizationFailed", "no right any more"))
    run = lifeboat.finish("discover", lifeboat.start("discover"))
    assert run.state == "failed"
    assert "not asked: Azure Resource Graph" in lifeboat.log(run, "discover")
    assert estate.known() == {"aks-shop": True, "prod": False}, "nothing is forgotten"
    run = lifeboat.run("discover")
    assert client.xcom("discover", run.run_id, "discover")["back"] == ["aks-shop"]
