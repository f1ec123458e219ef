"""The means of hooks one by one: workloads, Jobs, requests."""

from __future__ import annotations

import pytest

from lifeboat.errors import AlreadyExists, HookFailed, NotReady
from lifeboat.point import layout
from lifeboat.ports.cluster import Json
from lifeboat.steps.freeze import freeze, thaw
from lifeboat.steps.hook_record import ScaleAction, attempts
from lifeboat.steps.hook_scale import REPLICAS_ANNOTATION, start, stop
from tests.support.frozen_world import FrozenWorld
from tests.support.kinds import DEPLOYMENT

SCALE = "hooks: [{scale: {namespace: web, workload: deployment/front, timeout: 1s}}]\n"
WORK = """
hooks:
  - job:
      namespace: shop
      serviceAccount: orders
      secrets: [orders-login]
      pre: {image: "tools:1", command: [/bin/orders, hold], args: ["--all"], timeout: 90s}
      post: {image: "tools:1", args: [go], onError: Continue}
"""
CALL = """
hooks:
  - http:
      headers: {Authorization: "env:TOKEN", Content-Type: "env:TYPE"}
      pre: {method: PUT, url: "https://shop.example.com/hold?id=7", body: "{}", expect: [201]}
"""
ACTION = ScaleAction("web", "deployment", "front", 3, 1.0)
ME, OTHER = "shop.local/point-1", "lunch.local/point-9"


def mark(world: FrozenWorld) -> str | None:
    live = world.cluster.get(DEPLOYMENT, "web", "front")
    found: str | None = (live["metadata"].get("annotations") or {}).get(REPLICAS_ANNOTATION)
    return found


def test_the_number_before_lies_in_the_record_and_on_the_workload() -> None:
    world = FrozenWorld(SCALE)
    scope = world.scope()
    freeze(world.context(), scope)
    ((_, frozen),) = attempts(world.context().vault, "shop.local", scope.point)
    assert frozen.actions == (ACTION,)
    assert mark(world) == f"3 shop.local/{scope.point}"
    thaw(world.context(), scope)
    assert (world.replicas(), mark(world)) == (3, None)


def test_the_record_brings_it_back_when_somebody_took_the_mark_away() -> None:
    world = FrozenWorld(SCALE)
    scope = world.scope()
    freeze(world.context(), scope)
    world.cluster.patch(
        DEPLOYMENT, "web", "front", {"metadata": {"annotations": {REPLICAS_ANNOTATION: None}}}
    )
    thaw(world.context(), scope)
    assert world.replicas() == 3


def test_a_workload_at_zero_stays_there() -> None:
    world = FrozenWorld(SCALE)
    world.deployment("web", "front", 0)
    made = world.point()
    assert (world.replicas(), mark(world), made.warnings) == (0, None, ())


def test_two_runs_never_hold_one_workload_and_never_take_the_others_zero() -> None:
    world = FrozenWorld(SCALE)
    assert stop(world.cluster, ACTION, OTHER, 1) == ""
    with pytest.raises(NotReady, match=r"is held at zero by lunch\.local/point-9") as caught:
        stop(world.cluster, ACTION, ME, 1)
    assert "lifeboat thaw lunch.local" in str(caught.value)
    assert start(world.cluster, ACTION, ME) == ""
    assert world.replicas() == 0, "who holds it brings it back"
    with pytest.raises(HookFailed, match="is held at zero"):
        world.point()
    start(world.cluster, ACTION, OTHER)
    assert world.replicas() == 3


def test_somebody_who_scales_it_up_meanwhile_is_told_and_keeps_the_number() -> None:
    world = FrozenWorld(SCALE)
    snapshot = world.cluster.reactions["VolumeSnapshot.snapshot.storage.k8s.io"]

    def healed(body: Json) -> None:
        snapshot(body)
        world.cluster.patch(DEPLOYMENT, "web", "front", {"spec": {"replicas": 2}})

    world.cluster.reactions["VolumeSnapshot.snapshot.storage.k8s.io"] = healed
    made = world.point()
    assert (world.replicas(), mark(world)) == (2, None)
    (warning,) = made.warnings
    assert "web was scaled to 2 by somebody else while it had to stand still" in warning


def test_a_workload_that_is_held_already_keeps_the_number_before() -> None:
    world = FrozenWorld(SCALE)
    scope = world.scope()
    holder = f"shop.local/{scope.point}"
    for _ in range(2):
        assert stop(world.cluster, ACTION, holder, 1) == ""
    assert mark(world) == f"3 {holder}"
    freeze(world.context(), scope)
    ((_, frozen),) = attempts(world.context().vault, "shop.local", scope.point)
    assert frozen.actions == (ACTION,), "the record has the number of the mark, too"
    thaw(world.context(), scope)
    assert world.replicas() == 3


def test_a_second_thaw_is_no_alarm() -> None:
    world = FrozenWorld(SCALE)
    stop(world.cluster, ACTION, ME, 1)
    assert start(world.cluster, ACTION, ME) == start(world.cluster, ACTION, ME) == ""


def test_a_workload_that_was_deleted_meanwhile_needs_no_thaw() -> None:
    world = FrozenWorld(SCALE)
    scope = world.scope()
    freeze(world.context(), scope)
    world.cluster.delete(DEPLOYMENT, "web", "front")
    assert thaw(world.context(), scope) == ["deployment/front in web"]


def test_pods_that_outlive_the_time_out_end_the_freeze() -> None:
    world = FrozenWorld(SCALE)
    live = world.cluster.get(DEPLOYMENT, "web", "front")
    world.cluster.put(DEPLOYMENT, {**live, "status": {"replicas": 2}})
    assert stop(world.cluster, ACTION, ME, 0.1) == (
        "deployment/front in web still has 2 pods after 0.1 s"
    )


def test_a_job_is_what_the_policy_says_and_nothing_of_it_stays() -> None:
    world = FrozenWorld(WORK)
    made: list[Json] = []
    create = world.cluster.create

    def created(kind: object, namespace: object, body: Json, **more: object) -> Json:
        if body["kind"] == "Job":
            made.append(body)
        return create(kind, namespace, body, **more)  # type: ignore[arg-type]

    world.cluster.create = created  # type: ignore[method-assign, assignment]
    world.point()
    pre, post = made
    assert pre["metadata"]["name"] != post["metadata"]["name"]
    assert (pre["spec"]["backoffLimit"], pre["spec"]["activeDeadlineSeconds"]) == (0, 90)
    pod = pre["spec"]["template"]["spec"]
    assert (pod["serviceAccountName"], pod["restartPolicy"]) == ("orders", "Never")
    (container,) = pod["containers"]
    assert (container["image"], container["command"], container["args"]) == (
        "tools:1",
        ["/bin/orders", "hold"],
        ["--all"],
    )
    assert container["envFrom"] == [{"secretRef": {"name": "orders-login"}}]
    assert pre["spec"]["template"]["metadata"]["labels"] == {"lifeboat.dev/managed": "true"}
    assert "command" not in post["spec"]["template"]["spec"]["containers"][0]
    assert world.jobs() == []


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        ({"conditions": [{"type": "Failed", "status": "True", "reason": "Late"}]}, "failed: Late"),
        ({"active": 1, "conditions": [{"type": "Failed", "status": "False"}]}, "ran after 1 s"),
    ],
)
def test_a_job_that_fails_or_lasts_too_long_ends_the_freeze(status: Json, trouble: str) -> None:
    world = FrozenWorld(
        WORK.replace("timeout: 90s", "timeout: 1s").replace("onError", "timeout: 1s, onError")
    )
    world.job_status = status
    with pytest.raises(HookFailed, match=trouble):
        world.point()
    assert world.jobs() == []


def test_a_job_that_an_earlier_try_made_is_waited_for_and_not_made_again() -> None:
    world = FrozenWorld(WORK)
    create = world.cluster.create
    tries: list[str] = []

    def created(kind: object, namespace: object, body: Json, **more: object) -> Json:
        stored = create(kind, namespace, body, **more)  # type: ignore[arg-type]
        if body["kind"] == "Job":
            tries.append(body["metadata"]["name"])
            raise AlreadyExists("the answer to the first try was lost")
        return stored

    world.cluster.create = created  # type: ignore[method-assign, assignment]
    world.point()
    assert world.log == ["job tools:1", "snapshot data", "job tools:1"]


def test_a_request_carries_what_its_places_hold_and_the_vault_does_not() -> None:
    world = FrozenWorld(CALL)
    world.calls.answers["/hold"] = 201
    scope = world.scope()
    freeze(world.context(), scope)
    (heard,) = world.calls.heard
    assert (heard.method, heard.path, heard.body) == ("PUT", "/hold", "{}")
    assert heard.headers["Authorization"] == "value of env:TOKEN"
    vault = world.context().vault
    for stat in vault.store.list(layout.parts("shop.local", scope.point)):
        assert "value of" not in str(vault.get_document(stat.key, dict))


def test_another_status_ends_the_freeze_and_is_told_without_the_query() -> None:
    world = FrozenWorld(CALL)
    with pytest.raises(HookFailed) as caught:
        world.point()
    told = "pre of http https://shop.example.com/hold: answered 200, expected 201"
    assert str(caught.value) == f"hook: {told}"
