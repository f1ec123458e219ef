"""`python -m tests.golden.make FOLDER`: makes a vault as tests/golden/v1 was made.

It holds what the format knows: a base with a dictionary, a layer, changes in manifests, small and
large frames, a policy text, a verdict, a gap, holds and a release, a tombstone, and a wrapping of
each kind that needs no service. Never run it over v1: that stays as the released format wrote it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from lifeboat.adapters.store_local import LocalStore
from lifeboat.clock import rfc3339
from lifeboat.point import catalog
from lifeboat.point.facts import (
    Gap,
    Hold,
    Release,
    Verdict,
    record_gap,
    record_hold,
    record_release,
    record_verdict,
)
from lifeboat.point.manifest import Manifest, Run, open_contents, read_manifest
from lifeboat.ports.cluster import Json
from lifeboat.steps.backup import backup
from lifeboat.steps.context import Context
from lifeboat.steps.prune import execute_prune, plan_prune
from lifeboat.vault.keys import key_of, recipient_of
from lifeboat.vault.vault import create_vault, open_keyring
from tests.support.kinds import CONFIG_MAP, SECRET
from tests.support.manifests import manifest
from tests.support.world import POLICY, World

INSTANCE = "shop.local"
SECRETS = Path(__file__).with_name("secrets.json")


def config(number: int, turn: int) -> Json:
    lines = [f"shop.{number}.setting-{n}=value {turn} of {n * number % 97}" for n in range(24)]
    meta = {"name": f"config-{number:03d}", "labels": {"app": f"app-{number % 7}"}}
    data = {"application.properties": "\n".join(lines)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def point(world: World, context: Context, turn: int) -> Manifest:
    world.tick(hours=1)
    made = backup(context, Run(f"run-{turn}", "scheduled"), lambda _: None)
    assert made is not None
    return made


def main(folder: Path) -> None:
    """Make the vault, and beside it what reading it must give."""
    secrets = json.loads(SECRETS.read_text())
    policy = POLICY.replace("{last: 2}", "{last: 4}")
    world = World(policy, now=datetime(2026, 11, 23, 6, tzinfo=UTC))
    store = LocalStore.create(folder)
    vault = create_vault(store, secrets["raw"], world.clock)
    ring = open_keyring(store, secrets["raw"])
    ring.add(key_of(secrets["scrypt"]), "the safe", world.clock)
    ring.add(recipient_of(secrets["recipient"]), "offline", world.clock)
    context = replace(world.context(), vault=vault)
    for number in range(120):
        world.cluster.create(CONFIG_MAP, "shop", config(number, 0))
    for number in range(40):  # a dictionary is trained on 64 records of several kinds, or more
        body = manifest(SECRET, f"login-{number:02d}", data={"password": "aHVudGVyMg=="})
        world.cluster.create(SECRET, "shop", body)
    points = []
    for turn in range(1, 6):
        points.append(point(world, context, turn))
        for number in range(turn * 14, turn * 14 + 14):
            body = {"data": config(number, turn)["data"]}
            world.cluster.patch(CONFIG_MAP, "shop", f"config-{number:03d}", body)
    now = rfc3339(world.now)
    newest = points[-1].point
    record_verdict(vault, Verdict("t-1", INSTANCE, newest, now, now, True, 4.5, (), ()))
    record_gap(vault, INSTANCE, "20261123T050000Z", Gap(now, now, "backfilled after the fact"))
    for ident in ("20261123T110000Z-00000001", "20261123T110000Z-00000002"):
        record_hold(vault, INSTANCE, Hold(ident, points[2].point, now, "audit"))
    record_release(vault, INSTANCE, Release("20261123T110000Z-00000002", points[2].point, now))
    execute_prune(context, plan_prune(context))
    told = {made: read_all(context, made) for made in catalog.point_ids(vault, INSTANCE)}
    folder.with_suffix(".json").write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")


def read_all(context: Context, made: str) -> dict[str, str]:
    """SHA-256 of each record of a point, by kind, namespace and name."""
    contents = open_contents(context.vault, read_manifest(context.vault, INSTANCE, made))
    reader = contents.reader()
    return {
        f"{entry.group_kind} {entry.namespace}/{entry.name}": hashlib.sha256(
            reader.read(entry.record, entry.place)
        ).hexdigest()
        for entry in contents
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
