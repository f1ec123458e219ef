"""Upkeep through Airflow's API on a vault with real points: sound, with an orphan, damaged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lifeboat.point import catalog, layout
from lifeboat.point.manifest import open_contents, read_manifest
from lifeboat.steps.reconcile import reconcile
from lifeboat.vault.dictionaries import Dictionaries
from lifeboat.vault.packs import pack_key
from local.airflow_client import Run
from tests.support.airflow import Lifeboat

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

KEPT = "kept.local"
UPKEEP = f"upkeep.{KEPT}"
VALUES = 400
"""The most characters that a task may leave in Airflow's database: references, no contents."""


def states(run: Run) -> dict[str, tuple[str, int]]:
    """Of each task how it ended and at which try."""
    return {task.task: (task.state, task.try_number) for task in run.tasks}


@contextmanager
def damaged(path: Path) -> Iterator[None]:
    """A bit of the blob's last byte is another one; afterwards all is well again."""
    whole = path.read_bytes()
    mode = path.stat().st_mode
    path.chmod(0o600)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        yield
    finally:
        path.write_bytes(whole)
        path.chmod(mode)


def test_upkeep_of_a_sound_vault_says_what_it_read_and_puts_an_orphan_on_record(
    lifeboat: Lifeboat,
) -> None:
    newest = lifeboat.back_up(KEPT)
    context = lifeboat.context(KEPT)
    writer = context.vault.writer(Dictionaries())
    writer.add(b"{}")
    writer.close()
    (orphan,) = writer.packs
    run = lifeboat.run(UPKEEP)
    assert states(run) == dict.fromkeys(("reconcile", "scrub", "prune"), ("success", 1))
    told = lifeboat.log(run, "reconcile")
    assert f"orphan pack {orphan}: no point needs it (put on record)" in told
    assert f"the newest whole point is {newest}" in lifeboat.log(run, "scrub")
    left = {t: lifeboat.client.xcom(UPKEEP, run.run_id, t) for t in ("reconcile", "scrub")}
    assert left["reconcile"]["orphans"] >= 1
    assert left["scrub"]["points"] == len(catalog.point_ids(context.vault, KEPT))
    assert left["scrub"]["bytes"] > 0
    assert all(len(json.dumps(value)) < VALUES for value in left.values())
    # Quarantined: there is a record of it, and it is there itself until a later look.
    (seen,) = [one for one in reconcile(context).orphans if orphan in one.what]
    assert (bool(seen.since), seen.ripe) == (True, False)
    again = lifeboat.run(UPKEEP)
    assert f"orphan pack {orphan}: no point needs it (on record since {seen.since})" in (
        lifeboat.log(again, "reconcile")
    )
    assert context.vault.store.stat(pack_key(orphan)) is not None
    context.vault.store.delete(pack_key(orphan))


def test_damage_fails_the_run_at_once_and_is_told_by_point_and_object(lifeboat: Lifeboat) -> None:
    """Two blobs: a pack that every point needs, and the newest point's manifest."""
    older, newest = lifeboat.back_up(KEPT), lifeboat.back_up(KEPT)
    vault = lifeboat.context(KEPT).vault
    manifest = read_manifest(vault, KEPT, older)
    held = list(open_contents(vault, manifest))
    pack = held[0].place.pack
    lost = [one for one in held if one.place.pack == pack]
    named = layout.manifest(KEPT, newest)
    with damaged(lifeboat.vault_folder / pack_key(pack)), damaged(lifeboat.vault_folder / named):
        run = lifeboat.finish(UPKEEP, lifeboat.start(UPKEEP))
    # Trying again cannot help, and pruning now might cost the point that is worth most.
    assert states(run) == {
        "reconcile": ("failed", 1),
        "scrub": ("failed", 1),
        "prune": ("upstream_failed", 0),
    }
    assert run.state == "failed"
    assert f"point {newest}: {named}: authentication failed" in lifeboat.log(run, "reconcile")
    told = lifeboat.log(run, "scrub")
    assert f"{named}: authentication failed" in told
    assert f"{pack_key(pack)}: pack {pack} at byte {lost[0].place.offset}: authentication" in told
    assert f"point {newest} has lost its manifest" in told
    for one in lost:
        place = f"{one.namespace}/" if one.namespace else ""
        assert f"point {older} has lost {one.group_kind} {place}{one.name}" in told
    assert "Damaged: kept.local: damaged blobs: 2, points that have lost something: 2 of 2" in told
    for task in ("reconcile", "scrub"):
        error = lifeboat.client.xcom(UPKEEP, run.run_id, task, "error")
        assert 0 < len(json.dumps(error)) < VALUES
    assert lifeboat.run(UPKEEP).state == "success", "it is well again once the blobs are"
