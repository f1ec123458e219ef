"""Who may start what, with Airflow's FAB auth manager, that of docker-compose and the chart: the
roles of docs/operations.md, "Who may restore and delete", word for word."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest

from lifeboat.adapters.store_local import LocalStore
from lifeboat.clock import utc_now
from lifeboat.vault.keys import generate_key
from lifeboat.vault.vault import create_vault
from local.airflow_client import AirflowClient
from local.airflow_settings import REPOSITORY
from local.airflow_stack import AirflowStack, temporary_airflow
from local.errors import ApiError

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(1800)]

_CLUSTERS = """\
clusters: [{name: local, inCluster: true}, {name: other, inCluster: true}]
vaults: [{name: main, url: "env:LIFEBOAT_VAULT_URL", key: "env:LIFEBOAT_VAULT_KEY"}]
"""
_POLICY = """\
clusters: [local]
objectives: {rpo: 24h}
select: {namespaces: {include: [shop]}}
retention: {keep: {last: 3}}
testRestore: {}
standby: {cluster: other}
"""
BACKUP, UPKEEP = "backup.shop.local", "upkeep.shop.local"
GUARDED = ("restore", "test_restore.shop.local", "failover", "failback", UPKEEP)
"""What puts something back, takes over or deletes."""

PASSWORD = "a-long-enough-password"


@pytest.fixture(scope="module")
def fab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowStack]:
    """An Airflow with an administrator, and with FAB's names for what each DAG is."""
    root = tmp_path_factory.mktemp("fab")
    (root / "include" / "policies").mkdir(parents=True)
    (root / "include" / "clusters.yaml").write_text(_CLUSTERS)
    (root / "include" / "policies" / "shop.yaml").write_text(_POLICY)
    key = generate_key()
    create_vault(LocalStore.create(root / "vault"), key, utc_now)
    env = {
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager"
        ".FabAuthManager",
        "LIFEBOAT_INCLUDE": str(root / "include"),
        "LIFEBOAT_VAULT_URL": (root / "vault").as_uri(),
        "LIFEBOAT_VAULT_KEY": key,
    }
    with temporary_airflow(env) as airflow:
        person = ("--firstname", "A", "--lastname", "B", "--email", "admin@example.com")
        login = ("--username", "admin", "--password", airflow.passwords["admin"])
        airflow.command("users", "create", *login, "--role", "Admin", *person)
        with closing(airflow.client()) as admin:
            for dag in (BACKUP, *GUARDED):
                admin.wait_for_dag(dag)
                admin.request("PATCH", f"/api/v2/dags/{dag}", {"is_paused": True})
        airflow.command("sync-perm", "--include-dags")
        yield airflow


@pytest.fixture(scope="module")
def roles() -> dict[str, list[tuple[str, str]]]:
    """The roles of the table in docs/operations.md: action and resource of each right."""
    text = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| `(lifeboat-[a-z]+)` \|.*?\| (.+?) \|$", text)
    right = re.compile(r"`(can_[a-z]+)` on `([^`]+)`")
    return {
        name: [
            (action, resource.replace("<policy>.<cluster>", "shop.local"))
            for action, resource in right.findall(rights)
        ]
        for name, rights in rows
    }


@pytest.fixture(scope="module")
def users(
    fab: AirflowStack, roles: dict[str, list[tuple[str, str]]]
) -> Iterator[dict[str, AirflowClient]]:
    """A person of each role, who is also a Viewer; and one who is nothing but that."""
    clients = {}
    with closing(fab.client()) as admin:
        for role, rights in roles.items():
            told = [{"action": {"name": a}, "resource": {"name": r}} for a, r in rights]
            admin.request("POST", "/auth/fab/v1/roles", {"name": role, "actions": told})
        for name in (*roles, "Viewer"):
            clients[name] = _person(fab, admin, name)
    yield clients
    for client in clients.values():
        client.close()


def _person(fab: AirflowStack, admin: AirflowClient, role: str) -> AirflowClient:
    body: dict[str, Any] = {
        "username": role.lower(),
        "password": PASSWORD,
        "email": f"{role.lower()}@example.com",
        "first_name": role,
        "last_name": "Person",
        "roles": [{"name": one} for one in sorted({"Viewer", role})],
    }
    admin.request("POST", "/auth/fab/v1/users", body)
    return AirflowClient(fab.url, role.lower(), PASSWORD)


def starts(client: AirflowClient) -> set[str]:
    """Of our DAGs those that somebody may start, by asking Airflow to."""
    return {dag for dag in (BACKUP, *GUARDED) if refused(partial(client.trigger, dag)) is None}


def refused(call: Callable[[], Any]) -> int | None:
    """The status of a refusal for want of rights; None where the call went through or failed for
    another reason (a form that was not filled in)."""
    try:
        call()
    except ApiError as error:
        return error.status if error.status in (401, 403) else None
    return None


MAY = {
    "lifeboat-backup": {BACKUP},
    "lifeboat-restore": {"restore", "test_restore.shop.local"},
    "lifeboat-takeover": {"failover", "failback"},
    "lifeboat-delete": {UPKEEP},
    "Viewer": set[str](),
}


def test_the_table_has_a_role_for_each_deed(roles: dict[str, list[tuple[str, str]]]) -> None:
    assert roles.keys() == MAY.keys() - {"Viewer"}


@pytest.mark.parametrize("role", MAY)
def test_each_role_starts_what_it_is_for_and_nothing_else(
    users: dict[str, AirflowClient], role: str
) -> None:
    assert starts(users[role]) == MAY[role]


@pytest.mark.parametrize("role", MAY)
def test_the_recovery_page_offers_what_the_role_may_start(
    users: dict[str, AirflowClient], role: str
) -> None:
    client = users[role]
    found = client.request("GET", "/lifeboat/api/instances")
    assert [row["instance"] for row in found["instances"]] == ["shop.local"], "a Viewer reads"
    assert bool(found["clusters"]) == ("restore" in MAY[role]), "what nobody protects is for those"
    assert (f'data-backup="{BACKUP}"' in page(client, "fleet")) == (BACKUP in MAY[role])
    form = page(client, "restore?instance=shop.local")
    assert ('<form id="restore"' in form) == ("restore" in MAY[role])
    assert ("may not start the DAG" in form) == ("restore" not in MAY[role])


def page(client: AirflowClient, path: str) -> str:
    """A part of the Recovery page, as a browser gets it."""
    headers = {"Authorization": f"Bearer {client._log_in()}", "Accept": "text/html"}
    return client._send("GET", f"/lifeboat/{path}", None, {}, headers).decode()


@pytest.mark.parametrize("dag", [BACKUP, *GUARDED])
def test_who_may_back_up_may_clear_that_and_gets_at_nothing_else_in_any_other_way(
    users: dict[str, AirflowClient], dag: str
) -> None:
    client, own = users["lifeboat-backup"], dag == BACKUP
    window = {"from_date": "2026-01-01T00:00:00Z", "to_date": "2026-01-02T00:00:00Z"}
    asked: dict[str, tuple[str, str, dict[str, Any] | None]] = {
        "clear": ("POST", f"/api/v2/dags/{dag}/clearTaskInstances", {"dry_run": False}),
        "pause": ("PATCH", f"/api/v2/dags/{dag}", {"is_paused": True}),
        "backfill": ("POST", "/api/v2/backfills", {"dag_id": dag, **window}),
        "delete": ("DELETE", f"/api/v2/dags/{dag}", None),
    }
    through = {
        deed for deed, call in asked.items() if refused(partial(client.request, *call)) is None
    }
    assert through == ({"clear", "pause", "backfill"} if own else set())


def test_nobody_without_a_login_sees_the_page(fab: AirflowStack) -> None:
    nobody = AirflowClient(fab.url, "nobody", "nothing")
    with pytest.raises(ApiError) as caught:
        nobody._send("GET", "/lifeboat/api/instances", None, {}, {})
    assert caught.value.status == 401
    nobody.close()
