"""An include folder whose vault, a folder, holds one of everything that figures are made of: points
with a snapshot, a copy, verdicts, backups that made no point, a gap, damage, a standby, a hold."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from lifeboat.adapters.store_local import LocalStore
from lifeboat.clock import rfc3339, utc_now
from lifeboat.point import layout
from lifeboat.point.facts import Gap, Hold, Verdict, record_gap, record_hold, record_verdict
from lifeboat.point.ident import new_point_id, stamp
from lifeboat.point.manifest import Manifest, Run
from lifeboat.point.standby import Standing, append
from lifeboat.steps.backup import backup
from lifeboat.steps.scope import Claim
from tests.support.copies import Pair
from tests.support.vaults import INSTANCE
from tests.support.world import POLICY, World

DELAY = 7
"""Seconds from the tick of the newest complete point to its start."""
FAILED = 2
"""Backups since then that made no point."""
LOST = "lost.local"
"""Another instance, whose vault is not there."""

_POLICY = POLICY + "testRestore: {within: 14d}\nstandby: {cluster: dr, maxLag: 2h}\n"
_CLUSTERS = """\
clusters:
  - {{name: local, kubeconfig: /none}}
  - {{name: dr, kubeconfig: /none}}
vaults:
  - {{name: main, url: "file://{folder}/main", key: "file:{folder}/main.key"}}
  - {{name: gone, url: "file://{folder}/gone", key: "file:{folder}/main.key"}}
"""


@dataclass(frozen=True)
class FullVault:
    """`include` is the folder; `proven` when the newest proof was made, `newest` the newest
    complete point."""

    include: Path
    proven: datetime
    newest: Manifest


def full_vault(folder: Path) -> FullVault:
    """All of it is of the last six hours."""
    world = World(_POLICY, utc_now() - timedelta(hours=6))
    vault = world.context().vault
    first = _point(world, "first")
    _judge(world, first, proven=True)
    proven = world.now
    _judge(world, first, proven=False)
    Pair(world).copy()
    world.tick(minutes=30)
    newest = _point(world, "second")
    record_gap(vault, INSTANCE, stamp(world.now), Gap(rfc3339(world.now), "", "no run"))
    record_hold(vault, INSTANCE, Hold("h", first.point, rfc3339(world.now), "an audit"))
    vault.put_document(layout.damaged_pack(INSTANCE, "p" * 32), {"since": rfc3339(world.now)})
    began = append(vault, INSTANCE, "dr", Standing(), "syncing", at=rfc3339(world.now))
    there = {"point": first.point, "captured": first.captured_to, "whole": True}
    append(vault, INSTANCE, "dr", began, "synced", at=rfc3339(world.now), **there)
    for number in range(FAILED):
        world.tick(minutes=1)
        run = f"failed-{number}"
        claim = Claim(new_point_id(world.now), Run(run, "scheduled"), rfc3339(world.now))
        vault.put_document(layout.claim(INSTANCE, run), claim)
    _save(world, folder)
    return FullVault(folder, proven, newest)


def _point(world: World, name: str) -> Manifest:
    tick = world.now - timedelta(seconds=DELAY)
    made = backup(world.context(), Run(name, "scheduled", rfc3339(tick)), lambda _: None)
    assert made is not None
    world.tick(minutes=30)
    return made


def _judge(world: World, point: Manifest, *, proven: bool) -> None:
    world.tick(minutes=5)
    now = rfc3339(world.now)
    test = f"t-{world.now:%H%M%S}"
    verdict = Verdict(test, INSTANCE, point.point, now, now, proven, 12.5, (), ())
    record_verdict(world.context().vault, verdict)


def _save(world: World, folder: Path) -> None:
    store = LocalStore.create(folder / "main")
    for stat in world.store.list(""):
        store.put_new(stat.key, world.store.get(stat.key))
        made = stat.created.timestamp()
        os.utime(folder / "main" / stat.key, (made, made))
    (folder / "main.key").write_text(world.key)
    (folder / "clusters.yaml").write_text(_CLUSTERS.format(folder=folder))
    (folder / "policies").mkdir()
    (folder / "policies" / "shop.yaml").write_text(_POLICY)
    (folder / "policies" / "lost.yaml").write_text(f"{POLICY}vault: gone\n")
