"""A locked point where the store has locks: over real HTTP, nobody deletes what it needs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lifeboat.adapters.store_azure import connect_azure
from lifeboat.adapters.store_s3 import connect_s3
from lifeboat.clock import utc_now
from lifeboat.errors import Conflict
from lifeboat.point import layout
from lifeboat.point.liveness import needed_by
from lifeboat.point.manifest import Run, open_contents
from lifeboat.ports.store import Store
from lifeboat.steps.backup import backup
from lifeboat.vault.keys import generate_key
from lifeboat.vault.vault import create_vault
from tests.support.world import POLICY, World

LOCKED = POLICY.replace("{keep: {last: 2}}", "{keep: {last: 2}, lock: 1d}")


@pytest.fixture(params=["azure-worm", "s3-locks"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "azure-worm":
        return connect_azure(request.getfixturevalue("worm_settings"))
    return connect_s3(request.getfixturevalue("s3_locking"))


def test_nobody_deletes_what_a_locked_point_needs(store: Store) -> None:
    world = World(LOCKED, now=utc_now())
    vault = create_vault(store, generate_key(), utc_now)
    context = replace(world.context(), vault=vault)
    first = backup(context, Run("one", "manual"), lambda _: None)
    world.change("red")
    second = backup(context, Run("two", "manual"), lambda _: None)
    assert first is not None
    assert second is not None
    assert second.guarded_until == first.guarded_until != ""
    for made in (first, second):
        keys = {layout.manifest(made.instance, made.point), *needed_by(vault, [made]).keys}
        for key in keys:
            with pytest.raises(Conflict, match="locked until"):
                store.delete(key)
        contents = open_contents(vault, made)
        assert all(contents.reader().read(e.record, e.place) for e in contents)
