"""Transforms of a standby: as the vault keeps them, and what the way home does not undo."""

from __future__ import annotations

import pytest

from lifeboat.errors import UsageError
from lifeboat.point.manifest import Run
from lifeboat.point.standby import StandbyEvent
from lifeboat.policy.model import ClusterEntry
from lifeboat.restore.transforms.transforms import TransformText
from lifeboat.standby.sides import Sides
from lifeboat.standby.sync import Asked, sync
from lifeboat.standby.undone import not_undone
from lifeboat.steps.backup import backup
from tests.support.kinds import CONFIG_MAP
from tests.support.world import POLICY, World

WITH = f"""{POLICY}
standby:
  cluster: dr
  mapping: {{shop: there}}
  volumes: none
  transforms: [out]
  transformsBack: [back]
"""
OUT = """
rules:
  - name: place
    when: {kinds: [configmaps], namespaces: [shop]}
    mergePatch: {data: {colour: red, region: dr}}
  - name: login
    when: {kinds: [secrets]}
    mergePatch: {data: {password: aGlkZGVu}}
"""
BACK = """
rules:
  - when: {kinds: [configmaps], namespaces: [there]}
    mergePatch: {data: {colour: blue}}
"""


class Changed(World):
    def __init__(self) -> None:
        super().__init__(WITH)
        self.files = {"out": OUT, "back": BACK}
        self.back_up()

    def back_up(self) -> None:
        self.tick(minutes=1)
        assert backup(self.context(), Run(f"run {self.now}", "cli"), lambda _: None)

    def read(self, name: str) -> TransformText | None:
        return TransformText(name, self.files[name]) if name in self.files else None

    def sync(self) -> StandbyEvent:
        return sync(self.context(), "latest", Asked("r"), lambda _: None, self.read)

    def sides(self) -> Sides:
        context = self.context()
        entry = ClusterEntry(name="dr", in_cluster=True)

        def opened(*_: object) -> object:
            return context

        return Sides(context.instance, entry, context.vault, opened, self.read)  # type: ignore[arg-type]

    def data(self) -> dict[str, str]:
        found: dict[str, str] = self.cluster.get(CONFIG_MAP, "there", "settings")["data"]
        return found


@pytest.fixture
def world() -> Changed:
    return Changed()


def test_an_edited_transform_brings_the_point_anew(world: Changed) -> None:
    first = world.sync()
    assert world.data() == {"colour": "red", "region": "dr"}
    assert world.sync() == first
    world.files["out"] = OUT.replace("region: dr", "region: west")
    again = world.sync()
    assert (again.point, again.whole) == (first.point, True)
    assert world.data()["region"] == "west"
    world.files["back"] = "rules: []"
    assert world.sync() == again, "the way home has nothing to do with what lies there"


def test_the_vault_alone_knows_the_transforms(world: Changed) -> None:
    first = world.sync()
    world.files.clear()
    assert world.sync() == first
    world.change("green")
    world.back_up()
    assert world.sync().whole
    assert world.data() == {"colour": "red", "region": "dr"}
    assert first.transforms == {"out": OUT, "back": BACK}


def test_a_transform_that_is_nowhere_is_named(world: Changed) -> None:
    del world.files["back"]
    with pytest.raises(UsageError, match="no transform 'back', and the vault keeps none"):
        world.sync()


def test_what_the_way_home_does_not_undo_is_said_without_secrets(world: Changed) -> None:
    assert list(not_undone(world.sides())) == [], "nothing lies there"
    world.sync()
    told = list(not_undone(world.sides()))
    title = "not undone on the way home: ConfigMap shop/settings"
    field = 'data.region: (none) → "dr"'
    assert [line for line in told if "ConfigMap" in line] == [f"{title}: {field}"]
    (secret,) = [line for line in told if "Secret" in line]
    assert "aGlkZGVu" not in secret
    assert "aHVudGVyMg" not in secret
    world.files["back"] = BACK.replace("colour: blue", "colour: blue, region: null")
    assert [line for line in not_undone(world.sides()) if "ConfigMap" in line] == []
