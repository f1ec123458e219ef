"""A plan's parts: what is written is read, in order, and a restore goes on after the last one."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifeboat.restore import parts
from lifeboat.restore.model import (
    ACTIONS,
    NO_RECORD,
    NOWHERE,
    PlanItem,
    RestorePlan,
    RestoreReport,
    RestoreRequest,
)
from lifeboat.restore.parts import PartWriter, items_of, read_part
from lifeboat.restore.run import restore
from lifeboat.steps.context import Context
from lifeboat.vault.records import Place
from tests.support.crash import Fuse, Killed
from tests.support.kinds import CONFIG_MAP, NAMESPACE, SECRET
from tests.support.mortals import make
from tests.support.world import World

INSTANCE = "shop.local"
_words = st.text("abc-", min_size=1, max_size=6)


@st.composite
def items(draw: st.DrawFn) -> PlanItem:
    number = draw(st.integers(0, 2**31))
    stored = draw(st.booleans())
    place = Place(f"{number:016x}", number, 77, 9, number % 9) if stored else NOWHERE
    return PlanItem(
        wave=draw(st.integers(0, 3)),
        kind=draw(st.sampled_from([CONFIG_MAP, SECRET, NAMESPACE])),
        source_namespace=draw(_words),
        namespace=draw(_words),
        name=draw(_words),
        record=f"{number:064x}"[-len(NO_RECORD) :].rjust(len(NO_RECORD), "0"),
        place=place,
        action=draw(st.sampled_from(ACTIONS)),
        reason=draw(st.sampled_from(["", "exists", "made anew"])),
        fields=tuple(draw(st.lists(_words, max_size=2))),
        live_version=draw(st.sampled_from(["", "uid/1"])),
    )


def plan_of(context: Context, found: list[PlanItem], size: int) -> RestorePlan:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(parts, "PART_ITEMS", size)
        writer = PartWriter(context.vault, INSTANCE, "r1")
        for item in found:
            writer.add(item)
        made = writer.close()
    request = RestoreRequest(instance=INSTANCE, point="p")
    return RestorePlan(
        restore="r1", created="", request=request, parts=made, volumes=(), warnings=()
    )


@given(st.lists(items(), max_size=12), st.integers(1, 5))
def test_what_is_written_is_read_in_order(found: list[PlanItem], size: int) -> None:
    context = World().context()
    found.sort(key=lambda item: item.wave)
    plan = plan_of(context, found, size)
    assert list(items_of(context.vault, plan)) == found
    for part in plan.parts:
        held = read_part(context.vault, plan, part)
        assert {item.wave for item in held} == {part.wave}
        assert len(held) <= size
        assert sum(part.actions.values()) == len(held)
    created = [item for item in found if item.action == "create"]
    assert list(items_of(context.vault, plan, ("create",))) == created
    assert plan.counts()["create"] == len(created)
    assert plan_of(context, found, size) == plan, "a second planner writes the very same parts"


def restored(world: World, point: str, fuse: Fuse | None = None) -> RestoreReport:
    request = RestoreRequest(
        instance=INSTANCE, point=point, mapping={"shop": "again"}, kinds=("configmaps", "secrets")
    )
    return restore(world.context(fuse), request, "run-1", lambda _: None)


def there(world: World) -> list[list[str]]:
    return [sorted(world.cluster.objects(kind, "again")) for kind in (CONFIG_MAP, SECRET)]


def test_a_restore_goes_on_after_its_last_whole_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each part either all is recorded, or it is gone through again; nothing is made twice."""
    monkeypatch.setattr(parts, "PART_ITEMS", 1)
    first = World()
    point = make(first.context()).point
    clean = first.twin()
    whole = restored(clean, point)
    assert whole.ok, whole.failed
    for at in range(0, 60, 3):
        world = first.twin()
        with contextlib.suppress(Killed):
            restored(world, point, Fuse(at))
        account = restored(world, point)
        assert account.ok, account.failed
        assert (account.created, account.merged) == (whole.created, whole.merged), f"cut at {at}"
        assert there(world) == there(clean), f"cut at {at}"


def test_a_part_that_is_done_is_not_touched_again() -> None:
    world = World()
    point = make(world.context()).point
    assert restored(world, point).created
    for kind in (CONFIG_MAP, SECRET):
        for name in world.cluster.objects(kind, "again"):
            world.cluster.delete(kind, "again", name)
    restored(world, point)
    assert there(world) == [[], []]
