"""An object that opts out is named in the point, whatever its scope (P6)."""

from __future__ import annotations

from lifeboat.point.manifest import LeftOut, Run, open_contents
from lifeboat.steps.backup import backup
from tests.support.kinds import CONFIG_MAP
from tests.support.manifests import manifest
from tests.support.world import World


def test_an_object_that_opts_out_is_named_and_not_stored() -> None:
    world = World()
    body = manifest(CONFIG_MAP, "private", data={"a": "b"})
    body["metadata"]["labels"] = {"lifeboat.dev/exclude": "true"}
    world.cluster.create(CONFIG_MAP, "shop", body)
    context = world.context()
    made = backup(context, Run("run", "manual"), lambda _: None)
    assert made is not None
    assert made.complete
    told = LeftOut("ConfigMap shop/private", "carries an exclude label", severity="note")
    assert told in made.left_out
    assert "private" not in {entry.name for entry in open_contents(context.vault, made)}
