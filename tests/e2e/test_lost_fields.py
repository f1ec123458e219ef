"""Fields that a real API server drops without a word, since its definition is an older one."""

from __future__ import annotations

from typing import Any

from lifeboat.ports.cluster import Json
from lifeboat.restore.model import RestoreRequest
from lifeboat.restore.run import restore
from local.api import wait_until
from tests.support.app import App
from tests.support.kinds import CRD, kind

GROUP = "fields.example.com"
LEDGER = kind(f"{GROUP}/v1", "ledgers", "Ledger")


def definition(*fields: str) -> dict[str, Any]:
    """Of a kind whose spec has these fields, all of them numbers."""
    spec = {"type": "object", "properties": {name: {"type": "integer"} for name in fields}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    return {
        "apiVersion": CRD.api_version,
        "kind": CRD.kind,
        "metadata": {"name": f"ledgers.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": "ledgers", "singular": "ledger", "kind": "Ledger"},
            "versions": [version],
        },
    }


def test_a_field_that_the_target_does_not_know_is_named(app: App) -> None:
    api, cluster = app.cluster.api, app.context().cluster
    api.apply(definition("old", "new"))
    wait_until("ledgers are served", lambda: api.list(LEDGER.api_version, "Ledger") == [], 30)
    metadata = {"name": "books", "namespace": app.name}
    body: Json = {"apiVersion": LEDGER.api_version, "kind": "Ledger", "metadata": metadata}
    body["spec"] = {"old": 1, "new": 2}
    api.apply(body)
    point = app.backup()
    older = {"spec": definition("old")["spec"]}
    cluster.patch(CRD, None, f"ledgers.{GROUP}", older)
    trial = {**body, "metadata": {"name": "trial"}}

    def forgotten() -> bool:
        return "new" not in cluster.create(LEDGER, app.name, trial, dry_run=True)["spec"]

    wait_until("the older definition is in force", forgotten, 30)
    request = RestoreRequest(
        instance=point.instance,
        point=point.point,
        mapping={app.name: f"{app.name}-copy"},
        kinds=("ledgers",),
    )
    account = restore(app.context(), request, "fields-1", lambda _: None)
    title = f"Ledger.{GROUP} {app.name}-copy/books"
    assert f"{title}: not taken by the target: spec.new" in account.changes
    assert cluster.get(LEDGER, f"{app.name}-copy", "books")["spec"] == {"old": 1}
    api.delete(CRD.api_version, CRD.kind, "", f"ledgers.{GROUP}")
