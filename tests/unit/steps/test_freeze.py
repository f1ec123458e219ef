"""What a freeze stills thaws, whatever happens between."""

from __future__ import annotations

import pytest

from lifeboat.errors import ClusterUnreachable, HookFailed, NotReady
from lifeboat.point.manifest import Manifest, Run
from lifeboat.steps.backup import backup
from lifeboat.steps.enumerate import enumerate_scope
from lifeboat.steps.freeze import freeze, thaw, wait_cut
from lifeboat.steps.snapshot import start_snapshot
from tests.support.crash import Fuse, Killed
from tests.support.kinds import CONTENT, POD
from tests.support.manifests import manifest
from tests.support.world import POLICY, World

HOOKS = """
hooks:
  - exec: {namespace: shop, labels: app=db, pre: {command: [lock]}, post: {command: [unlock]}}
"""
RUN = Run("run-1", "manual")


def world(hooks: str = HOOKS) -> World:
    made = World(POLICY + hooks)
    for name, labels in (("db-0", {"app": "db"}), ("db-1", {"app": "db"}), ("web", {})):
        spec = {"containers": [{"name": "main"}, {"name": "side"}]}
        pod = manifest(POD, name, spec=spec)
        pod["metadata"].update(namespace="shop", labels=labels)
        made.cluster.put(POD, {**pod, "status": {"phase": "Running"}})
    return made


def point(made: World) -> Manifest:
    stored = backup(made.context(), RUN, lambda _: None)
    assert stored is not None
    return stored


def words(made: World) -> list[str]:
    return [f"{command[0]} {where}" for where, command in made.pods.ran]


ALL = ["lock db-0/main", "lock db-1/main", "unlock db-1/main", "unlock db-0/main"]


def test_freezes_in_order_and_thaws_the_other_way() -> None:
    made = world()
    assert point(made).warnings == ()
    assert words(made) == ALL


def test_a_pre_command_that_fails_makes_no_point_and_thaws() -> None:
    made = world()
    made.pods.answers["lock"] = 3
    with pytest.raises(HookFailed, match="exit code 3"):
        point(made)
    assert words(made) == ["lock db-0/main", "unlock db-0/main"]


def test_on_error_continue_is_told_in_the_point() -> None:
    made = world(HOOKS.replace("[lock]", "[lock], onError: Continue"))
    made.pods.answers["lock"] = ClusterUnreachable("broke")
    assert len(point(made).warnings) == 2


def test_a_thaw_that_fails_is_tried_again_and_only_that() -> None:
    made = world()
    scope = enumerate_scope(made.context(), RUN)
    freeze(made.context(), scope)
    made.pods.answers["unlock"] = 1
    with pytest.raises(NotReady, match="exit code 1"):
        thaw(made.context(), scope)
    made.pods.answers.clear()
    made.pods.ran.clear()
    thaw(made.context(), scope)
    assert words(made) == ALL[2:]
    assert thaw(made.context(), scope) == []
    assert words(made) == ALL[2:]


@pytest.mark.parametrize("after", [False, True])
def test_killed_anywhere_in_the_freeze_it_thaws_what_was_frozen(after: bool) -> None:
    at = 0
    while True:
        made = world()
        scope = enumerate_scope(made.context(), RUN)
        try:
            freeze(made.context(Fuse(at, after)), scope)
        except Killed:
            thaw(made.context(), scope)
            locked = {word.split()[1] for word in words(made) if word.startswith("lock")}
            unlocked = {word.split()[1] for word in words(made) if word.startswith("unlock")}
            assert locked <= unlocked
            at += 1
            continue
        break
    assert at > 4


def test_waits_for_the_cut_not_for_readiness_and_no_longer_than_the_limit() -> None:
    made = world(HOOKS + "maxFreeze: 1s\n")
    scope = enumerate_scope(made.context(), RUN)
    freeze(made.context(), scope)
    ticket = start_snapshot(made.context(), scope, "shop/data")
    (content,) = made.cluster.objects(CONTENT).values()
    content["status"]["readyToUse"] = False
    made.cluster.put(CONTENT, content)
    assert wait_cut(made.context(), scope, [ticket]) == []
    del content["status"]["creationTime"]
    made.cluster.put(CONTENT, content)
    made.tick(seconds=2)
    assert wait_cut(made.context(), scope, [ticket]) == [ticket]
    thaw(made.context(), scope, [ticket])
    content["status"].update(readyToUse=True, creationTime=1)
    made.cluster.put(CONTENT, content)
    assert any("shop/data was not cut" in warning for warning in point(made).warnings)
