"""What no policy protects: noted by backups, told from the vault with the cluster gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from lifeboat.errors import ClusterUnreachable, StoreUnavailable
from lifeboat.point.context import EXPOSURE, noted
from lifeboat.point.exposure import Exposure
from lifeboat.point.manifest import Manifest, Run
from lifeboat.report.clusters import ClusterStanding, read_clusters
from lifeboat.report.fleet import read_status
from lifeboat.steps import note
from lifeboat.steps.backup import backup
from lifeboat.steps.note import note_exposure
from tests.support.kinds import NAMESPACE
from tests.support.manifests import manifest
from tests.support.world import World

CLUSTER = "local"


@pytest.fixture
def world() -> World:
    found = World()
    found.cluster.create(NAMESPACE, None, manifest(NAMESPACE, "forgotten"))
    return found


def made(world: World, run: str) -> Manifest:
    point = backup(world.context(), Run(run, "manual"), lambda _: None)
    assert point is not None
    return point


def looked(world: World, run: str) -> Manifest:
    point, context = made(world, run), world.context()
    note_exposure(context, point, [context.instance.policy], lambda _: None)
    return point


def standing(world: World, *names: str) -> list[ClusterStanding]:
    context = world.context()
    row = read_status(context.vault, context.instance, world.now)
    places = {context.instance.id: (context.instance, context.vault)}
    return list(read_clusters(names or [CLUSTER], [row], places))


def test_the_newest_point_tells_what_stood_open_when_it_was_made(world: World) -> None:
    first = looked(world, "one")
    (seen,) = standing(world)
    assert seen.exposure is not None
    assert [space.namespace for space in seen.exposure.namespaces] == ["default", "forgotten"]
    assert (seen.at, seen.instance) == (first.captured_to, first.instance)
    world.now += timedelta(hours=3)
    second = looked(world, "two")
    assert standing(world)[0].at == second.captured_to, "unchanged, and known to be"
    found = noted(world.context().vault, second.instance, EXPOSURE, second.point, Exposure)
    assert found is not None
    assert found[0] == first.point, "a note only where it differs"


def test_a_cluster_that_cannot_be_asked_is_told_as_that_and_the_point_stands(world: World) -> None:
    point = made(world, "one")
    told: list[str] = []
    context = world.context()

    class Gone:
        def discover(self) -> object:
            raise ClusterUnreachable("https://10.0.0.1: no answer")

    gone = replace(context, cluster=Gone())  # type: ignore[arg-type]
    note_exposure(gone, point, [context.instance.policy], told.append)
    assert told == ["warning: what no policy protects is not known: https://10.0.0.1: no answer"]
    (seen,) = standing(world)
    assert seen.exposure == Exposure(
        (context.instance.policy.name,), unread="https://10.0.0.1: no answer"
    )


def test_clusters_without_points_or_policies_are_named_too(world: World) -> None:
    ours, lab = standing(world, CLUSTER, "lab")
    assert (ours.instances, ours.exposure, ours.at) == (1, None, "")
    assert (lab.instances, lab.exposure) == (0, None)


def test_a_vault_that_breaks_off_hides_no_other_cluster(world: World) -> None:
    looked(world, "one")
    context = world.context()
    row = read_status(context.vault, context.instance, world.now)
    places = {context.instance.id: (context.instance, StoreUnavailable("the store is away"))}
    ours, lab = read_clusters([CLUSTER, "lab"], [row], places)
    assert (ours.exposure, ours.error) == (None, "the store is away")
    assert lab.cluster == "lab"


def test_more_than_a_note_names_is_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(note, "NAMED", 1)
    world.cluster.create(NAMESPACE, None, manifest(NAMESPACE, "another"))
    looked(world, "one")
    (seen,) = standing(world)
    assert seen.exposure is not None
    assert (len(seen.exposure.namespaces), seen.exposure.unnamed) == (1, 2)
