"""What must hold after everything that went wrong; each thing that does not is one line."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial

from lifeboat.clock import utc_now
from lifeboat.point import catalog
from lifeboat.point.facts import read_verdicts, removed_points
from lifeboat.point.manifest import read_manifest
from lifeboat.proof.run import clean_up
from lifeboat.steps.context import Context
from lifeboat.steps.left_tests import TEST_LABEL
from lifeboat.steps.reconcile import GRACE, reconcile, remove_orphans
from local import sample_app
from local.api import wait_until
from tests.chaos.campaign import COPY, Campaign
from tests.chaos.world import BLOB, SHOP, World
from tests.support.deaths import assert_whole


def wrongs(world: World, campaign: Campaign) -> list[str]:
    """Everything that is not as it must be. Removes what restores have made, and orphans, as the
    upkeep DAG does when a day has gone by."""
    remove_copies(world)
    return [
        *_of_hooks(world),
        *_of_test_restores(world, campaign),
        *(f"{i}: {line}" for i in (SHOP, BLOB) for line in _of_points(world, campaign, i)),
    ]


def remove_copies(world: World) -> None:
    """Delete the namespaces that restores have made."""
    api = world.lifeboat.cluster.api
    names = [item["metadata"]["name"] for item in api.list("v1", "Namespace")]
    copies = [name for name in names if name.startswith(COPY)]
    for name in copies:
        api.delete("v1", "Namespace", "", name)
    wait_until(
        "the copies are gone", lambda: all(api.gone("v1", "Namespace", "", n) for n in copies), 300
    )


def _of_hooks(world: World) -> Iterator[str]:
    """Nothing stands still any more."""
    lines = world.hook_lines()
    if not lines or lines[-1] != "thaw":
        yield f"the last hook that ran was not a thaw: {lines[-3:]}"
    sample_app.wait_ready(world.lifeboat.cluster.api)
    database = world.lifeboat.cluster.api.get("apps/v1", "StatefulSet", "shop", "db")
    if not database["spec"]["replicas"]:
        yield "statefulset/db in shop is still scaled down"


def _of_test_restores(world: World, campaign: Campaign) -> Iterator[str]:
    """Each has a verdict, and none has left a namespace."""
    for item in world.lifeboat.cluster.api.list("v1", "Namespace"):
        if TEST_LABEL in item["metadata"].get("labels", {}):
            yield f"a scratch namespace is left: {item['metadata']['name']}"
    proven = [v for v in read_verdicts(world.context(SHOP).vault, SHOP) if v.proven]
    ended = campaign.ended.get(f"test_restore.{SHOP}", [])
    if len(proven) < len(ended):
        yield f"{len(ended)} test restores succeeded, {len(proven)} points were proven"


def _of_points(world: World, campaign: Campaign, instance: str) -> Iterator[str]:
    context = world.context(instance)
    there = catalog.point_ids(context.vault, instance)
    removed = removed_points(context.vault, instance)
    for run, point in _committed(world, campaign, instance):
        if point not in there and point not in removed:
            yield f"point {point} of run {run} is gone without a trace"
    made = [read_manifest(context.vault, instance, point) for point in there]
    runs = Counter(one.run.run_id for one in made if one.complete)
    yield from (f"run {run} made {count} points" for run, count in runs.items() if count > 1)
    for point in there:
        try:
            assert_whole(context, point)
        except Exception as error:
            yield f"point {point} is not whole: {error!r}"
    yield from _of_snapshots(context)
    yield from _of_orphans(context)
    named = {snapshot.handle for one in made for snapshot in one.volumes}
    marked = {snapshot.handle for snapshot in context.disks.list_marked(instance)}
    if named != marked:
        yield f"snapshots that no point names: {marked - named}; that are gone: {named - marked}"


def _committed(world: World, campaign: Campaign, instance: str) -> Iterator[tuple[str, str]]:
    dag = f"backup.{instance}"
    for run in campaign.ended.get(dag, []):
        yield run, str(world.lifeboat.client.xcom(dag, run, "commit")["point"])


def _of_snapshots(context: Context) -> Iterator[str]:
    """Of each volume a point has one, whatever became of the tasks that asked for it."""
    taken: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for snapshot in context.disks.list_marked(context.instance.id):
        taken[snapshot.point, snapshot.volume.title].append(snapshot.handle)
    for (point, title), handles in taken.items():
        if len(handles) > 1:
            yield f"{title} has {len(handles)} snapshots for point {point}"


def _of_orphans(context: Context) -> Iterator[str]:
    """`lifeboat reconcile --delete` today and the day after tomorrow leaves nothing."""
    later = utc_now() + 2 * GRACE + timedelta(hours=1)
    for clock in (utc_now, lambda: later):
        turned = replace(context, clock=clock)
        remove_orphans(turned, reconcile(turned), partial(clean_up, turned))
    found = reconcile(context)
    yield from (f"an orphan is left: {orphan.what} ({orphan.reason})" for orphan in found.orphans)
    yield from (f"point {point} misses {what}" for point, what in found.damaged.items())
