"""What a freeze stills thaws, whatever happens between; and the point says how it went."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from lifeboat.errors import BlobMissing, ClusterUnreachable, HookFailed, NotReady, StoreUnavailable
from lifeboat.point.manifest import Freeze, LeftOut, Manifest, Run, read_manifest
from lifeboat.ports.cluster import Json, Kind
from lifeboat.steps.freeze import (
    AT_LIMIT,
    freeze,
    how_ended,
    is_given_up,
    limited,
    still_frozen,
    thaw,
    thaw_all,
    thaw_late,
    thaw_overdue,
    to_still,
    wait_cut,
)
from lifeboat.steps.hook_facts import freeze_facts
from lifeboat.steps.snapshot import start_batch
from tests.support.crash import Fuse, Killed
from tests.support.fake_pods import Said
from tests.support.frozen_world import RUN, FrozenWorld
from tests.support.kinds import CONTENT, DEPLOYMENT, POD, SNAPSHOT

DATABASE = """
hooks:
  - exec: {namespace: shop, labels: app=db, pre: {command: [lock]}, post: {command: [unlock]}}
"""
ALL_KINDS = """
hooks:
  - http: {pre: {url: "https://shop.example.com/hold"}, post: {url: "https://shop.example.com/go"}}
  - scale: {namespace: web, workload: deployment/front}
  - job: {namespace: shop, pre: {image: "tools:hold"}, post: {image: "tools:go"}}
  - exec: {namespace: shop, labels: app=db, pre: {command: [lock]}, post: {command: [unlock]}}
"""
ORDER = [
    "POST https://shop.example.com/hold",
    "scale web/front to 0",
    "job tools:hold",
    "lock shop/db-0",
    "lock shop/db-1",
    "snapshot data",
    "unlock shop/db-1",
    "unlock shop/db-0",
    "job tools:go",
    "scale web/front to 3",
    "POST https://shop.example.com/go",
]


def told(manifest: Manifest) -> Freeze:
    assert isinstance(manifest.freeze, Freeze)
    return manifest.freeze


def unfinished(world: FrozenWorld) -> list[str]:
    """What was stilled and did not come back."""
    undo = {"lock": "unlock", "hold": "go"}
    still = []
    for event in world.log:
        for done, undone in undo.items():
            if done in event.replace(undone, ""):
                still.append(event)
            elif undone in event:
                begun = event.replace(undone, done)
                still = [one for one in still if one != begun]
    if world.replicas() != 3:
        still.append("front")
    return still


def test_freezes_in_order_across_namespaces_and_thaws_the_other_way() -> None:
    world = FrozenWorld(ALL_KINDS)
    manifest = world.point()
    assert world.log == ORDER
    assert manifest.warnings == ()
    assert manifest.complete
    freeze = told(manifest)
    assert [(run.phase, run.trouble) for run in freeze.hooks] == [("pre", "")] * 5 + [
        ("post", "")
    ] * 5
    assert (freeze.attempts, freeze.early, freeze.uncut) == (1, "", ())
    assert read_manifest(world.context().vault, manifest.instance, manifest.point) == manifest


def test_several_means_in_one_hook_talk_first_and_stop_last() -> None:
    world = FrozenWorld(
        "hooks:\n  - scale: {namespace: web, workload: deployment/front}\n"
        "    exec: {namespace: shop, labels: app=db, pre: {command: [lock]}}\n"
    )
    world.point()
    assert world.log[:3] == ["lock shop/db-0", "lock shop/db-1", "scale web/front to 0"]


def test_a_point_without_hooks_says_nothing_of_a_freeze() -> None:
    world = FrozenWorld("")
    manifest = world.point()
    assert manifest.freeze is msgspec.UNSET
    assert "freeze" not in msgspec.to_builtins(manifest), "a 1.0 reader can check its digest"


@pytest.mark.parametrize("means", ["exec", "http", "job", "scale"])
def test_a_freeze_that_fails_half_way_thaws_what_it_froze_and_no_more(means: str) -> None:
    world = FrozenWorld(ALL_KINDS.replace("deployment/front}", "deployment/front, timeout: 1s}"))
    if means == "exec":
        world.pods.answers["lock"] = 3
    elif means == "http":
        world.calls.answers["/hold"] = 503
    elif means == "job":
        failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
        world.job_status = {"conditions": [failed]}
    else:
        stuck = world.cluster.get(DEPLOYMENT, "web", "front")
        world.cluster.put(DEPLOYMENT, {**stuck, "status": {"replicas": 3}})
    if means == "job":
        with pytest.raises(NotReady, match="BackoffLimitExceeded"):  # its thaw fails as well
            world.point()
        world.job_status = {"conditions": [{"type": "Complete", "status": "True"}]}
        thaw_all(world.context())
    else:
        with pytest.raises(HookFailed, match=FAILURES[means]):
            world.point()
    assert unfinished(world) == []
    assert not any("snapshot" in event for event in world.log)
    assert "lock shop/db-1" not in world.log
    assert "unlock shop/db-1" not in world.log, "its turn never came"


FAILURES = {
    "exec": r"pre of pod shop/db-0 \(main\): ended with exit code 3",
    "http": "https://shop.example.com/hold: answered 503, expected 200, 201, 202, 204",
    "scale": "deployment/front in web still has 3 pods after 1 s",
}


def test_on_error_continue_is_told_in_the_point() -> None:
    world = FrozenWorld(DATABASE.replace("[lock]", "[lock], onError: Continue"))
    world.pods.answers["lock"] = ClusterUnreachable("broke")
    manifest = world.point()
    assert manifest.complete
    assert manifest.warnings == tuple(
        f"hook: pre of pod shop/{pod} (main): broke" for pod in ("db-0", "db-1")
    )
    assert "unlock shop/db-0" in world.log, "nobody knows whether it was frozen"


def test_a_command_has_its_own_time_and_no_more_than_the_freeze() -> None:
    world = FrozenWorld(DATABASE.replace("[lock]", "[lock], timeout: 5s") + "maxFreeze: 4s\n")
    world.pods.answers["lock"] = Said(takes=4.5)
    with pytest.raises(HookFailed, match="still ran after 4 s"):
        world.point()
    world = FrozenWorld(DATABASE.replace("[lock]", "[lock], timeout: 3s"))
    world.pods.answers["lock"] = Said(takes=4.5)
    with pytest.raises(HookFailed, match="still ran after 3 s"):
        world.point()


def test_a_freeze_that_takes_too_long_ends_and_makes_no_point() -> None:
    world = FrozenWorld(ALL_KINDS + "maxFreeze: 1m\n")
    request = world.calls.seen

    def slow(call: object) -> None:
        request(call)  # type: ignore[arg-type]
        world.tick(seconds=61)

    world.calls.seen = slow
    with pytest.raises(HookFailed, match="maxFreeze"):
        world.point()
    assert world.log == [
        "POST https://shop.example.com/hold",
        "POST https://shop.example.com/go",
    ]


def test_a_thaw_that_fails_is_tried_again_and_only_that() -> None:
    world = FrozenWorld(DATABASE)
    scope = world.scope()
    freeze(world.context(), scope)
    world.pods.answers["unlock"] = 1
    with pytest.raises(NotReady, match=r"not thawed: post of .*exit code 1.*exit code 1"):
        thaw(world.context(), scope)
    assert len(still_frozen(world.context(), scope.point)) == 2
    world.pods.answers["unlock"] = lambda _: Said(int(world.log.count("unlock shop/db-1") < 6))
    world.log.clear()
    world.pods.answers.clear()
    thaw(world.context(), scope)
    assert world.log == ["unlock shop/db-1", "unlock shop/db-0"]
    assert thaw(world.context(), scope) == still_frozen(world.context(), scope.point) == []
    assert len(world.log) == 2


def test_one_lost_packet_does_not_prevent_a_thaw() -> None:
    world = FrozenWorld(DATABASE)
    scope = world.scope()
    freeze(world.context(), scope)
    world.pods.answers["unlock"] = lambda _: Said(int(world.log.count("unlock shop/db-1") < 3))
    thaw(world.context(), scope)
    assert world.log.count("unlock shop/db-1") == 3


def test_what_was_frozen_in_a_pod_goes_with_it() -> None:
    world = FrozenWorld(DATABASE)
    scope = world.scope()
    freeze(world.context(), scope)
    world.cluster.delete(POD, "shop", "db-1")
    world.pod("shop", "db-1", {"app": "db"})  # its successor
    thaw(world.context(), scope)
    assert "unlock shop/db-1" not in world.log
    assert still_frozen(world.context(), scope.point) == []


@pytest.mark.parametrize("after", [False, True])
def test_killed_anywhere_in_the_freeze_it_thaws_what_was_frozen(after: bool) -> None:
    """Between the record and the freeze, between two hooks, inside one: at every call of a port."""
    at = 0
    while True:
        world = FrozenWorld(ALL_KINDS)
        scope = world.scope()
        try:
            freeze(world.context(Fuse(at, after)), scope)
        except Killed:
            thaw(world.context(), scope)
            assert unfinished(world) == [], f"killed {'after' if after else 'before'} call {at}"
            assert world.jobs() == []
            at += 1
            continue
        break
    assert at > 20


@pytest.mark.parametrize("after", [False, True])
def test_killed_anywhere_in_the_thaw_a_second_one_ends_it(after: bool) -> None:
    at = 0
    while True:
        world = FrozenWorld(ALL_KINDS)
        scope = world.scope()
        freeze(world.context(), scope)
        try:
            thaw(world.context(Fuse(at, after)), scope)
        except Killed:
            thaw(world.context(), scope)
            assert unfinished(world) == [], f"killed {'after' if after else 'before'} call {at}"
            at += 1
            continue
        break
    assert at > 20


def test_a_retry_of_the_freeze_never_takes_its_own_zero_for_the_number_before() -> None:
    world = FrozenWorld("hooks: [{scale: {namespace: web, workload: deployment/front}}]\n")
    scope = world.scope()
    for _ in range(3):
        freeze(world.context(), scope)
        assert world.replicas() == 0
    thaw(world.context(), scope)
    assert world.replicas() == 3


def test_the_store_failing_between_two_hooks_thaws_what_was_frozen() -> None:
    world = FrozenWorld(DATABASE)
    scope = world.scope()
    context = world.context()
    context.vault.store = _Failing(context.vault.store, "pre-0")
    with pytest.raises(StoreUnavailable):
        freeze(context, scope)
    assert world.log == ["lock shop/db-0"]
    thaw(world.context(), scope)
    assert world.log == ["lock shop/db-0", "unlock shop/db-0"]


class _Failing:
    """A store that refuses one document."""

    def __init__(self, store: object, what: str) -> None:
        self._store, self._what = store, what

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def put_new(self, key: str, *args: object, **kwargs: object) -> object:
        if key.endswith(self._what):
            raise StoreUnavailable("down")
        return self._store.put_new(key, *args, **kwargs)  # type: ignore[attr-defined]


def test_a_run_that_died_is_thawed_by_the_next_one_when_its_time_is_over() -> None:
    world = FrozenWorld(DATABASE + "maxFreeze: 2m\n")
    freeze(world.context(), world.scope(Run("dead", "manual")))
    world.log.clear()
    with pytest.raises(NotReady, match=r"stills things for point .* until") as caught:
        world.point()
    assert "lifeboat thaw shop.local" in str(caught.value)
    assert world.log == [], "the other run may be alive"
    world.tick(minutes=3)
    world.point()
    assert world.log[:2] == ["unlock shop/db-1", "unlock shop/db-0"]
    assert world.log[2:] == [
        "lock shop/db-0",
        "lock shop/db-1",
        "snapshot data",
        "unlock shop/db-1",
        "unlock shop/db-0",
    ]


def test_a_person_ends_the_freeze_of_a_dead_run() -> None:
    world = FrozenWorld(DATABASE)
    freeze(world.context(), world.scope())
    assert len(thaw_all(world.context())) == 2
    assert thaw_all(world.context()) == []
    assert world.log[2:] == ["unlock shop/db-1", "unlock shop/db-0"]


def became(world: FrozenWorld, **status: Any) -> None:
    """The only snapshot and its content, as their controllers leave them; None is not there."""
    for kind in (SNAPSHOT, CONTENT):
        (live,) = world.cluster.objects(kind).values()
        merged = {**live["status"], **status}
        live["status"] = {name: value for name, value in merged.items() if value is not None}
        world.cluster.put(kind, live)


def test_waits_for_the_cut_not_for_readiness_and_no_longer_than_the_limit() -> None:
    world = FrozenWorld(DATABASE + "maxFreeze: 1s\n")
    scope = world.scope()
    freeze(world.context(), scope)
    (ticket,) = start_batch(world.context(), scope, ("shop/data",), 1).tickets
    became(world, readyToUse=False)
    assert wait_cut(world.context(), scope, [ticket]) == []
    became(world, readyToUse=False, creationTime=None)
    world.tick(seconds=2)
    assert wait_cut(world.context(), scope, [ticket]) == [ticket]
    thaw(world.context(), scope, [ticket])
    became(world, readyToUse=True, creationTime=int(world.now.timestamp() * 1e9))
    world.tick(seconds=5)
    manifest = world.point()
    assert told(manifest).uncut == ("shop/data",)
    assert any("shop/data was not cut" in warning for warning in manifest.warnings)


def test_a_volume_that_was_cut_in_a_later_attempt_is_no_doubt() -> None:
    world = FrozenWorld(DATABASE)
    scope = world.scope()
    freeze(world.context(), scope)
    (ticket,) = start_batch(world.context(), scope, ("shop/data",), 1).tickets
    thaw(world.context(), scope, [ticket])
    world.tick(minutes=1)
    freeze(world.context(), scope)
    (content,) = world.cluster.objects(CONTENT).values()
    content["status"]["creationTime"] = int((world.now + timedelta(seconds=1)).timestamp() * 1e9)
    world.cluster.put(CONTENT, content)
    world.tick(seconds=5)
    thaw(world.context(), scope)
    assert told(world.point()).uncut == ()


def test_without_a_freeze_nothing_is_waited_for() -> None:
    world = FrozenWorld("")
    scope = world.scope()
    (ticket,) = start_batch(world.context(), scope, ("shop/data",), 1).tickets
    (content,) = world.cluster.objects(CONTENT).values()
    content["status"] = {}
    world.cluster.put(CONTENT, content)
    assert wait_cut(world.context(), scope, [ticket]) == []


def test_the_limit_thaws_while_snapshots_are_still_asked_for_and_marks_the_point() -> None:
    world = FrozenWorld(DATABASE + "maxFreeze: 1s\n")
    create = world.cluster.create
    thawed = threading.Event()
    command = world.pods.seen

    def seen(target: object, words: tuple[str, ...]) -> None:
        command(target, words)  # type: ignore[arg-type]
        if world.log.count("unlock shop/db-0"):
            thawed.set()

    def slow(kind: Kind, namespace: str | None, body: Json, **more: Any) -> Json:
        if kind.kind == "VolumeSnapshot":
            assert thawed.wait(60), "the limit did not thaw"
            world.tick(minutes=1)
        return create(kind, namespace, body, **more)

    world.pods.seen = seen
    world.cluster.create = slow  # type: ignore[method-assign]
    manifest = world.point()
    freeze = told(manifest)
    assert world.log.index("unlock shop/db-0") < world.log.index("snapshot data")
    assert (freeze.early, freeze.uncut) == (AT_LIMIT, ("shop/data",))
    assert manifest.warnings == (
        f"volume shop/data was not cut when the freeze ended ({AT_LIMIT}): its data is as after a"
        " power cut",
    )


def test_the_watch_ends_with_the_block_it_watches() -> None:
    world = FrozenWorld(DATABASE)
    scope = world.scope()
    freeze(world.context(), scope)
    threads = threading.active_count()
    with limited(world.context(), scope.point):
        assert threading.active_count() == threads + 1
    assert threading.active_count() == threads
    assert still_frozen(world.context(), scope.point), "there was time left"


def test_whoever_watches_the_limit_thaws_a_little_after_it_and_no_sooner() -> None:
    """Until then it is for the run itself, which knows what was not cut."""
    world = FrozenWorld(DATABASE + "maxFreeze: 2m\n")
    scope = world.scope()
    assert thaw_overdue(world.context(), scope.point) == []
    freeze(world.context(), scope)
    world.tick(seconds=125)
    assert thaw_overdue(world.context(), scope.point) == []
    assert len(still_frozen(world.context(), scope.point)) == 2
    world.tick(seconds=5)
    assert len(thaw_overdue(world.context(), scope.point)) == 2
    assert still_frozen(world.context(), scope.point) == []
    assert AT_LIMIT in how_ended(world.context(), scope.point)


def test_what_would_be_stilled_is_told_before_anything_is() -> None:
    world = FrozenWorld(DATABASE)
    scope = world.scope()
    assert to_still(world.context(), scope) == [
        "pod shop/db-0 (main)",
        "pod shop/db-1 (main)",
    ]
    freeze(world.context(), scope)
    assert to_still(world.context(), scope)[-1] == f"point {scope.point}", "left by a dead run"
    assert to_still(FrozenWorld("").context(), scope) == []


def test_a_watch_gives_up_what_only_a_person_can_help() -> None:
    world = FrozenWorld(DATABASE + "maxFreeze: 2m\n")
    scope = world.scope()
    freeze(world.context(), scope)
    world.tick(minutes=16)
    assert not is_given_up(world.context(), scope.point)
    world.tick(minutes=1)
    assert is_given_up(world.context(), scope.point)
    thaw(world.context(), scope)
    assert not is_given_up(world.context(), scope.point)


def test_thawed_late_the_thaw_at_the_end_finds_nothing_more_to_do() -> None:
    world = FrozenWorld(DATABASE)
    scope = world.scope()
    freeze(world.context(), scope)
    assert len(thaw_late(world.context(), scope.point)) == 2
    assert thaw(world.context(), scope) == []


def test_a_workload_that_is_not_there_is_told_before_anything_is_touched() -> None:
    world = FrozenWorld(DATABASE + "  - scale: {namespace: web, workload: statefulset/none}\n")
    with pytest.raises(HookFailed, match="statefulset/none in web does not exist"):
        world.point()
    assert world.log == []


def test_no_record_is_left_where_nothing_is_stilled() -> None:
    world = FrozenWorld("")
    scope = world.scope()
    assert freeze(world.context(), scope) == []
    with pytest.raises(BlobMissing):
        world.store.get(f"instances/shop.local/parts/{scope.point}/hook.0.frozen")


def test_a_commit_before_the_thaw_says_so() -> None:
    world = FrozenWorld(DATABASE)
    freeze(world.context(), world.scope())
    facts = freeze_facts(world.context(), world.scope(), ())
    assert any("had not been brought back" in warning for warning in facts.warnings)
    assert facts.left_out == ()


def test_the_losses_are_those_of_pods_that_asked() -> None:
    world = FrozenWorld("")
    world.pod("shop", "cache", a_command="freeze")
    world.pods.answers["freeze"] = 1
    manifest = world.point(RUN)
    assert [entry for entry in manifest.left_out if entry.severity == "loss"] == [
        LeftOut("stillness of pod shop/cache (main)", told(manifest).hooks[0].trouble)
    ]
