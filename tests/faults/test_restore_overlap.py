"""Two tries of one restore at the same time: the first one's worker was lost, was taken for dead
and goes on beside the second. What the second restored is never taken away again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lifeboat.errors import RestoreIncomplete
from lifeboat.point.manifest import Run
from lifeboat.ports.cluster import Json, Kind
from lifeboat.ports.marks import RESTORE
from lifeboat.restore.model import RestorePlan
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.request import Written
from lifeboat.restore.run import apply_plan
from lifeboat.steps.backup import backup
from lifeboat.steps.context import Context
from tests.support.kinds import CLAIM, CONFIG_MAP, DEPLOYMENT, SECRET
from tests.support.manifests import manifest
from tests.support.world import DRIVER, World

INSTANCE = "shop.local"
WRITES = ("create", "make", "replace", "patch", "delete")
WISHES: dict[str, Json] = {
    "recreate": {"mode": "recreate", "claims": ["data"], "prune": True},
    "replace": {"mode": "replace", "prune": True, "scale_down": True},
    "swap": {"part": "data", "claims": ["data"]},
}


AS_IN_THE_POINT = {
    "settings": {"colour": "blue"}, "web": (2, None), "secrets": ["login"], "claims": ["data"],
}  # fmt: skip
TOLD = {
    "recreate": AS_IN_THE_POINT,
    "replace": AS_IN_THE_POINT,
    "swap": {"settings": {"colour": "red"}, "web": (2, True), "secrets": ["login", "stray"],
             "claims": ["data"]},
}  # fmt: skip


def quiet(_: str) -> None: ...


class Overtaken:
    """A cluster of the first try: `second` runs from end to end just before its write `number`."""

    def __init__(self, cluster: Any, number: int, second: Callable[[], object]) -> None:
        self._cluster, self._left, self._second = cluster, number, second
        self.overtook = False

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._cluster, name)

        def called(*arguments: Any, **named: Any) -> Any:
            self._left -= name in WRITES and not named.get("dry_run")
            if self._left < 0 and not self.overtook:
                self.overtook = True
                self._second()
            return real(*arguments, **named)

        return called


def lived_in() -> tuple[World, str]:
    """A world whose application changed since its point: edited, with strays, data and all."""
    world = World()
    bind(world)
    volume = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
    pod = {"containers": [{"name": "m", "image": "registry.example/m:1"}], "volumes": volume}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    world.cluster.create(DEPLOYMENT, "shop", manifest(DEPLOYMENT, "web", spec=spec))
    captured = backup(world.context(), Run("run-1", "manual"), quiet)
    assert captured is not None
    world.cluster.patch(CONFIG_MAP, "shop", "settings", {"data": {"colour": "red"}})
    world.cluster.patch(DEPLOYMENT, "shop", "web", {"spec": {"paused": True}})
    world.cluster.create(SECRET, "shop", manifest(SECRET, "stray"))
    return world, captured.point


def bind(world: World) -> None:
    def bound(body: Json) -> None:
        name = f"pv-{body['metadata']['uid']}"
        body["spec"]["volumeName"] = name
        body["status"] = {"phase": "Bound"}
        csi = {"driver": DRIVER, "volumeHandle": f"disk-{name}"}
        kind = Kind("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)
        world.cluster.put(kind, manifest(kind, name, spec={"csi": csi}))

    def seen(body: Json) -> None:
        counts = {"replicas": 0, "readyReplicas": 9, "updatedReplicas": 9, "availableReplicas": 9}
        body["status"] = {"observedGeneration": 99, **counts}

    world.cluster.reactions["PersistentVolumeClaim"] = bound
    world.cluster.reactions["Deployment.apps"] = seen


def restored(world: World) -> dict[tuple[str, str], str]:
    """The uids of what carries the mark of a restore."""
    return {
        (kind.resource, name): body["metadata"]["uid"]
        for kind in (CLAIM, CONFIG_MAP, DEPLOYMENT, SECRET)
        for name, body in world.cluster.objects(kind, "shop").items()
        if (body["metadata"].get("annotations") or {}).get(RESTORE)
    }


def told(world: World) -> Json:
    cluster = world.cluster
    web = cluster.objects(DEPLOYMENT, "shop")["web"]["spec"]
    return {
        "settings": cluster.objects(CONFIG_MAP, "shop")["settings"].get("data"),
        "web": (web["replicas"], web.get("paused")),
        "secrets": sorted(cluster.objects(SECRET, "shop")),
        "claims": sorted(cluster.objects(CLAIM, "shop")),
    }


def attempt(context: Context, plan: RestorePlan) -> None:
    apply_plan(context, plan, quiet, plan.created)


@pytest.mark.parametrize("what", WISHES)
def test_what_the_second_try_restored_stays(what: str) -> None:
    number, overtook = 0, True
    while overtook:
        world, point = lived_in()
        request = Written(**WISHES[what]).request(INSTANCE, point)
        plan = plan_restore(world.context(), request, "r-1")
        made: dict[tuple[str, str], str] = {}

        def second(world: World = world, plan: RestorePlan = plan) -> None:
            attempt(world.context(), plan)
            made.update(restored(world))  # noqa: B023 - called within this round

        first = Overtaken(world.cluster, number, second)
        attempt(replace(world.context(), cluster=first), plan)  # type: ignore[arg-type]
        overtook = first.overtook
        if overtook:
            assert made, "the second try restored nothing"
            assert restored(world) == made, f"the first try went on at write {number}"
        assert told(world) == TOLD[what], f"the first try went on at write {number}"
        number += 1
    assert number > 3


def test_a_stranger_of_the_same_name_is_not_pruned() -> None:
    """Between the look and the deletion somebody made another one: it is named and stays."""
    world, point = lived_in()
    request = Written(mode="skip", prune=True, kinds=["secrets"]).request(INSTANCE, point)
    plan = plan_restore(world.context(), request, "r-1")

    def another() -> None:
        world.cluster.delete(SECRET, "shop", "stray")
        world.cluster.create(SECRET, "shop", manifest(SECRET, "stray", data={"a": "Yg=="}))

    first = Overtaken(world.cluster, 0, another)
    with pytest.raises(RestoreIncomplete, match="Secret shop/stray: changed since"):
        attempt(replace(world.context(), cluster=first), plan)  # type: ignore[arg-type]
    assert world.cluster.objects(SECRET, "shop")["stray"]["data"] == {"a": "Yg=="}


def test_two_restores_into_the_same_namespaces_leave_what_is_in_the_point() -> None:
    """Another restore runs from end to end just before one write of the first: nothing is lost, and
    what the first one could not do is named."""
    number, overtook = 0, True
    while overtook:
        world, point = lived_in()
        wanted = [
            (f"r-{n}", Written(mode=mode, prune=True).request(INSTANCE, point))
            for n, mode in enumerate(("recreate", "replace"))
        ]
        plans = [plan_restore(world.context(), request, run) for run, request in wanted]

        def second(world: World = world, plan: RestorePlan = plans[1]) -> None:
            attempt(world.context(), plan)

        first = Overtaken(world.cluster, number, second)
        try:
            attempt(replace(world.context(), cluster=first), plans[0])  # type: ignore[arg-type]
        except RestoreIncomplete as error:
            named = error.message.splitlines()[1:]
            assert all("plan again" in line for line in named), named
        overtook = first.overtook
        assert told(world) == AS_IN_THE_POINT, f"the first one went on at write {number}"
        number += 1
    assert number > 3
