"""A verdict names the images that nobody could pull any more, and stays what the checks made it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from lifeboat.clock import rfc3339
from lifeboat.point.facts import CheckResult, readable_verdicts
from lifeboat.point.manifest import Run
from lifeboat.ports.registry import Answer, Found
from lifeboat.proof.checks import Checked
from lifeboat.proof.run import Place, judge, scratch_plan
from lifeboat.steps.backup import backup
from tests.support.kinds import DEPLOYMENT, kind
from tests.support.manifests import manifest
from tests.support.world import World

PASSED = Checked((CheckResult("objectsComplete", "passed", "", 0.0),), ())


@dataclass
class Says:
    found: Found

    def look(self, host: str, repository: str, reference: str) -> Answer:
        return Answer(self.found, "as it says")


@pytest.mark.parametrize(
    ("found", "lost"),
    [
        ("there", ()),
        ("unknown", ()),
        ("gone", ("example.com/web:1: gone, as it says",)),
        ("refused", ("example.com/web:1: refused, as it says",)),
    ],
)
def test_lost_images_are_in_the_verdict(found: Found, lost: tuple[str, ...]) -> None:
    world = World()
    world.cluster.kinds.append(kind("v1", "resourcequotas", "ResourceQuota"))
    spec = {"template": {"spec": {"containers": [{"name": "c", "image": "example.com/web:1"}]}}}
    world.cluster.create(DEPLOYMENT, "shop", manifest(DEPLOYMENT, "web", spec=spec))
    context = replace(world.context(), registries=Says(found))
    made = backup(context, Run("run", "cli"), lambda _: None)
    assert made is not None
    plan = scratch_plan(context, made.point, "test-1")
    unasked = judge(replace(context, registries=None), plan, rfc3339(world.now), PASSED, Place())
    assert unasked.images_lost == ()
    plan = scratch_plan(context, made.point, "test-2")
    verdict = judge(context, plan, rfc3339(world.now), PASSED, Place())
    assert verdict.images_lost == lost
    assert verdict.proven == unasked.proven
    stored = readable_verdicts(context.vault, "shop.local", made.point)
    assert lost in [one.images_lost for one in stored]
