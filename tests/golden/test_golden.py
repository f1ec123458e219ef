"""The vault of the released format is readable for ever (docs/format.md).

tests/golden/v1 was written by the program that released format 1.0; v1.json tells what each point
holds. A change that fails here breaks people's vaults: it is the code that has to give way.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import msgspec
import pytest

from lifeboat.adapters.store_local import LocalStore
from lifeboat.errors import Damaged
from lifeboat.point import catalog, layout
from lifeboat.point.facts import read_gaps, read_holds, read_verdicts, removed_points
from lifeboat.point.manifest import Run, open_contents, read_manifest, read_policy
from lifeboat.steps.backup import backup
from lifeboat.steps.scrub import Sample, sample, scrub
from lifeboat.vault import documents
from lifeboat.vault.vault import open_vault
from tests.golden.make import INSTANCE, SECRETS, read_all
from tests.support.frozen_world import FrozenWorld
from tests.support.world import World

HERE = Path(__file__).parent
ALL: Sample = sample(100, 0)


@pytest.mark.parametrize("key", ["raw", "scrypt", "identity"])
def test_every_point_of_the_golden_vault_reads_as_it_was_written(key: str) -> None:
    vault = open_vault(LocalStore(HERE / "v1"), json.loads(SECRETS.read_text())[key])
    context = World().context()
    object.__setattr__(context, "vault", vault)
    told = json.loads((HERE / "v1.json").read_text())
    assert catalog.point_ids(vault, INSTANCE) == sorted(told)
    for point, objects in told.items():
        assert read_all(context, point) == objects
        manifest = read_manifest(vault, INSTANCE, point)
        assert len(objects) == manifest.objects
        assert "retention" in read_policy(vault, manifest)


def test_the_golden_vault_holds_every_part_of_the_format() -> None:
    vault = open_vault(LocalStore(HERE / "v1"), json.loads(SECRETS.read_text())["raw"])
    manifests = catalog.manifests(vault, INSTANCE)
    assert any(manifest.tree.layer for manifest in manifests)
    contents = [open_contents(vault, manifest) for manifest in manifests]
    assert any(opened.dictionaries.stored for opened in contents)
    assert any(opened.overlay.changed != opened.lower.changed for opened in contents)
    assert [verdict.proven for verdict in read_verdicts(vault, INSTANCE)] == [True]
    assert len(read_holds(vault, INSTANCE)) == 1
    assert len(read_gaps(vault, INSTANCE)) == 1
    assert len(removed_points(vault, INSTANCE)) == 1
    found = scrub(vault, INSTANCE, ALL, lambda _: None)
    assert found.damage == ()
    assert found.newest_whole == manifests[-1].point


def test_the_words_of_documents_are_those_of_the_format() -> None:
    digest = "54ee7746b358373d9950171286312fbc1dfef6c4ae33012495d8c45a3b96352e"
    assert hashlib.sha256(documents.WORDS).hexdigest() == digest


YOUNGER = ("freeze", "quiet", "capture", "file_copies")  # than 1.0


def test_a_program_of_1_0_passes_over_what_is_younger() -> None:
    """It knows none of them, re-encodes the fields that it knows, and wants the same digest."""
    world = FrozenWorld("hooks: [{exec: {namespace: shop, labels: app=db, pre: {command: [a]}}}]\n")
    point = world.point()
    vault = world.context().vault
    stored = vault.get_document(layout.manifest(point.instance, point.point), dict)
    assert stored["freeze"]["hooks"]
    known = {name: value for name, value in stored.items() if name not in YOUNGER} | {"digest": ""}
    encoded = msgspec.json.encode(known, order="sorted")
    assert stored["digest"] == f"sha256:{hashlib.sha256(encoded).hexdigest()}"


def test_a_field_of_a_later_minor_version_is_passed_over() -> None:
    world = World()
    point = backup(world.context(), Run("run-1", "manual"), lambda _: None)
    assert point
    vault = world.context().vault
    key = layout.manifest(point.instance, point.point)
    later = vault.get_document(key, dict) | {"minor": 9, "weather": "sunny"}
    vault.store.delete(key)
    vault.put_document(key, later)
    with pytest.raises(Damaged, match="digest"):
        read_manifest(vault, point.instance, point.point)
    known = {name: value for name, value in later.items() if name not in (*YOUNGER, "weather")}
    blank = known | {"digest": ""}
    digest = hashlib.sha256(msgspec.json.encode(blank, order="sorted")).hexdigest()
    vault.store.delete(key)
    vault.put_document(key, later | {"digest": f"sha256:{digest}"})
    assert read_manifest(vault, point.instance, point.point).minor == 9
