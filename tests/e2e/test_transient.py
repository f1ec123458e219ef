"""Kinds that points hold only where a policy asks for them, on a real API server: to be read, never
to be restored."""

from __future__ import annotations

from lifeboat.point.manifest import Manifest, open_contents
from lifeboat.restore.model import RestoreRequest
from lifeboat.restore.parts import items_of
from lifeboat.restore.plan import plan_restore
from local.api import wait_until
from tests.support.app import App

ALSO = (
    "Event.events.k8s.io",
    "Lease.coordination.k8s.io",
    "Endpoints",
    "EndpointSlice.discovery.k8s.io",
)


def held(app: App, point: Manifest) -> set[str]:
    """Which of these kinds a point holds."""
    entries = open_contents(app.context().vault, point)
    return {f"{e.kind}.{e.group}".rstrip(".") for e in entries} & set(ALSO)


def test_they_are_captured_when_asked_for_and_left_by_a_restore(app: App) -> None:
    api = app.cluster.api
    wait_until("the service has endpoints", lambda: api.list("v1", "Endpoints", app.name), 60)
    wait_until("something has happened", lambda: api.list("v1", "Event", app.name), 60)
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    api.apply({**lease, "metadata": {"name": "leader", "namespace": app.name}, "spec": {}})
    assert held(app, app.backup()) == set()
    app.policy["select"]["kinds"] = {"also": ["events", "leases", "endpoints", "endpointslices"]}
    point = app.backup()
    assert held(app, point) == set(ALSO)
    request = RestoreRequest(
        instance=point.instance, point=point.point, mapping={app.name: f"{app.name}-copy"}
    )
    plan = plan_restore(app.context(), request, "restore-1")
    done = {
        (item.kind.group_kind, item.action, bool(item.reason))
        for item in items_of(app.context().vault, plan)
        if item.kind.group_kind in ALSO
    }
    assert done == {(kind, "leave", True) for kind in ALSO}
