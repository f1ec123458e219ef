"""What may die at any call, and what must hold then: one entry a job, for every way to die.

A job is called with what a run is given. When it has died, each look gets a world of its own that
is as the dead run left it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

from lifeboat.point import catalog
from lifeboat.point.facts import removed_points
from lifeboat.point.manifest import open_contents, read_manifest, read_policy
from lifeboat.steps.context import Context
from tests.support.world import Given, World

INSTANCE = "shop.local"
ONLY = "LIFEBOAT_DIE_AT"

Job = Callable[[Given], object]
Look = Callable[[World, list[str]], None]
Die = Callable[[World, Job, int], str]
"""Lets the job die at the call of this number; returns where that was, "" when it lived."""


@dataclass(frozen=True)
class Mortal:
    """`prepare` brings a fresh world to where the job begins; `looks` are given the ids of the
    points that were there then, and try the job again if they like. At least it makes `calls` calls
    of ports, by which a folder is changed `changes` times, `growth` of them so that it grows."""

    name: str
    prepare: Callable[[World], None]
    job: Job
    looks: tuple[Look, ...]
    calls: int
    changes: int
    growth: int

    def __str__(self) -> str:
        return self.name


def every_death(mortal: Mortal, world: World, die: Die, least: int) -> None:
    """Let it die at its first call, at its second, … until it lives; then all must be well."""
    mortal.prepare(world)
    earlier = points(world)
    only = os.environ.get(ONLY)
    for at in (int(only),) if only else count():
        dead = world.twin()
        with _told(at) as told:
            told += [where := die(dead, mortal.job, at)]
            assert_survived(dead, earlier)
            for look in mortal.looks:
                left = dead.twin()
                look(left, earlier)
                left.discard()
        dead.discard()
        if not where:
            assert only or at >= least, "too few calls to be the real thing"
            return


def points(world: World) -> list[str]:
    return catalog.point_ids(world.context().vault, INSTANCE)


def assert_survived(world: World, earlier: list[str]) -> None:
    """All points are whole; one that is gone was removed on purpose and says so."""
    context = world.context()
    there = catalog.point_ids(context.vault, INSTANCE)
    gone = set(earlier) - set(there)
    assert gone <= removed_points(context.vault, INSTANCE), "a point is gone without a trace"
    for point in there:
        assert_whole(context, point)


def assert_whole(context: Context, point: str) -> None:
    """Its policy, every tree and every record can be read, and every snapshot exists."""
    manifest = read_manifest(context.vault, context.instance.id, point)
    assert read_policy(context.vault, manifest) == context.instance.policy_text
    contents = open_contents(context.vault, manifest)
    reader = contents.reader()
    objects = 0
    for entry in contents:
        assert reader.read(entry.record, entry.place)
        objects += 1
    assert objects == manifest.objects > 0
    marked = {snapshot.handle for snapshot in context.disks.list_marked(context.instance.id)}
    assert {snapshot.handle for snapshot in manifest.volumes} <= marked


@contextmanager
def _told(at: int) -> Iterator[list[str]]:
    """An error in here says where the run died, if it was told, and how to see that again."""
    told: list[str] = []
    try:
        yield told
    except Exception as error:
        test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
        error.add_note(f"{''.join(told) or 'alive'}\nonly this: {ONLY}={at} pytest '{test}'")
        raise
