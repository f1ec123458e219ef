"""A small vault with one of everything that points are made of, and who needs which blob."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from lifeboat.point import catalog, layout
from lifeboat.point.facts import Verdict, record_verdict
from lifeboat.point.liveness import needed_by
from lifeboat.point.manifest import Manifest, Run, open_contents
from lifeboat.ports.cluster import Json
from lifeboat.steps.backup import backup
from lifeboat.steps.context import Context
from lifeboat.vault.vault import Vault
from tests.support.kinds import CONFIG_MAP, SECRET
from tests.support.world import World

INSTANCE = "shop.local"
MANY = 80
SECRETS = 40


def back_up(context: Context, name: str) -> Manifest:
    """One point, by the run of this name."""
    made = backup(context, Run(name, "manual"), lambda _: None)
    assert made is not None
    return made


def config_map(name: str, text: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"text": text, "name": name},
    }


def stocked() -> World:
    """Four points: a base with a dictionary, changes over it, a layer, changes over the layer; a
    verdict on the first."""
    world = World()
    for number in range(MANY):
        world.cluster.create(CONFIG_MAP, "shop", config_map(f"item-{number:03}", "first"))
    for number in range(SECRETS):
        world.cluster.create(SECRET, "shop", {**config_map(f"key-{number}", "s"), "kind": "Secret"})
    first = back_up(world.context(), "run-1")
    for run, changed in (("run-2", range(1)), ("run-3", range(36)), ("run-4", range(1, 2))):
        last = changed_point(world, run, changed)
    assert last.tree.layer is not None
    assert last.tree.base == first.tree.base
    assert open_contents(world.context().vault, last).dictionaries.stored
    verdict = Verdict("t", INSTANCE, first.point, "", "", True, 1.0, (), ())
    record_verdict(world.context().vault, verdict)
    return world


def changed_point(world: World, run: str, items: Iterable[int]) -> Manifest:
    """An hour later, with these items changed by the run of this name."""
    world.tick(hours=1)
    for number in items:
        body = {"data": {"text": f"by {run}"}}
        world.cluster.patch(CONFIG_MAP, "shop", f"item-{number:03}", body)
    return back_up(world.context(), run)


def readers(vault: Vault) -> dict[str, set[str]]:
    """By key of a blob, the points that are not whole without it."""
    found: dict[str, set[str]] = defaultdict(set)
    for manifest in catalog.manifests(vault, INSTANCE):
        for key in needed_by(vault, [manifest]).keys:
            found[key].add(manifest.point)
        found[layout.manifest(INSTANCE, manifest.point)].add(manifest.point)
        found[layout.policy(INSTANCE, manifest.policy_digest)].add(manifest.point)
    return found
