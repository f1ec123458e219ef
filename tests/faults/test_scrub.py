"""Every byte of a small vault changed once, and every blob cut everywhere: scrub finds each, names
the blob and who loses what, and every point that does not need the blob stays whole."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lifeboat.adapters.store_local import LocalStore
from lifeboat.cli import main
from lifeboat.errors import Damaged, LifeboatError, NewerFormat, UsageError, WrongKey
from lifeboat.point import catalog
from lifeboat.point.manifest import open_contents, read_manifest
from lifeboat.steps.prune import execute_prune, plan_prune
from lifeboat.steps.scrub import (
    Sample,
    Scrubbed,
    damage_lines,
    ensure_sound,
    sample,
    scrub,
    turn_at,
)
from lifeboat.vault.packs import pack_key
from lifeboat.vault.rows import pack_names
from lifeboat.vault.trees import tree_key
from lifeboat.vault.vault import HEADER_KEY, WRAPPINGS, open_vault
from tests.support.kinds import CONFIG_MAP
from tests.support.vaults import INSTANCE, back_up, changed_point, readers, stocked
from tests.support.world import World

SEED = 20261123
LARGE = 320  # of larger blobs about so many bytes are tried
MAGIC = 4
ALL = Sample()


def quiet(_: str) -> None: ...


def scrubbed(world: World, share: Sample = ALL) -> Scrubbed:
    return scrub(world.context().vault, INSTANCE, share, quiet)


def positions(size: int) -> range:
    return range(0, size, max(1, size // LARGE))


def damaged_vaults(
    damage: Callable[[bytes, int], bytes],
) -> Iterator[tuple[World, str, int, dict[str, set[str]]]]:
    """The stocked vault with one blob damaged at one position, for every blob and position."""
    world = stocked()
    users = readers(world.context().vault)
    for key, whole in sorted(world.store.blobs.items()):
        steps = positions(len(whole))
        if steps.step > 1:
            print(f"{key}: {len(whole)} bytes in steps of {steps.step}")
        for at in steps:
            world.store.blobs[key] = damage(whole, at)
            yield world, key, at, users
        world.store.blobs[key] = whole
    assert not scrubbed(world).damage


def flip(whole: bytes, at: int) -> bytes:
    return whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]


def cut(whole: bytes, at: int) -> bytes:
    return whole[:at]


@pytest.mark.parametrize("damage", [flip, cut])
def test_every_damage_is_found_and_told_by_blob_and_point(
    damage: Callable[[bytes, int], bytes],
) -> None:
    clear = stocked().context()  # what it takes to open a vault is tried by itself below
    opened = (HEADER_KEY, WRAPPINGS)
    seen = 0
    assert not scrub(clear.vault, INSTANCE, ALL, quiet).damage
    for world, key, at, users in damaged_vaults(damage):
        seen += 1
        where = f"{key} at {at}"
        if key.startswith(opened):
            assert_opening_is_found(world, key, where)
            continue
        found = scrubbed(world)
        assert [one.blob for one in found.damage] == [key], where
        needy = users.get(key, set())
        if damage is flip and at < MAGIC and key.startswith(("packs/", "trees/")):
            needy = set()  # nobody reads the first bytes: named, but nothing is lost
        assert set(found.lost) == needy == set(found.damage[0].points), where
        points = catalog.point_ids(world.context().vault, INSTANCE)
        whole = [point for point in points if point not in needy]
        assert found.newest_whole == (whole[-1] if whole else ""), where
        if at % 97 == 0:
            for point in points:
                assert reads(world, point) == (point in whole or "/policies/" in key), where
    print(f"{seen} damages")
    assert seen > 5000


def assert_opening_is_found(world: World, key: str, where: str) -> None:
    """A vault that does not open says which blob is why; one that does is scrubbed."""
    try:
        vault = open_vault(world.store, world.key)
    except (Damaged, NewerFormat, WrongKey) as error:
        named = [error.message]
    else:
        named = [one.blob for one in scrub(vault, INSTANCE, ALL, quiet).damage]
    assert any(key in name for name in named), where


def reads(world: World, point: str) -> bool:
    """Whether everything of the point can be read."""
    vault = world.context().vault
    try:
        manifest = read_manifest(vault, INSTANCE, point)
        contents = open_contents(vault, manifest)
        reader = contents.reader()
        rows = [reader.read(entry.record, entry.place) for entry in contents]
    except LifeboatError:
        return False
    return len(rows) == manifest.objects


def test_a_missing_blob_is_damage_of_those_who_need_it() -> None:
    world = stocked()
    users = readers(world.context().vault)
    for key in [key for key in users if "/points/" not in key]:
        whole = world.store.blobs.pop(key)
        found = scrubbed(world)
        assert [one.blob for one in found.damage] == [key]
        assert set(found.lost) == users[key]
        world.store.blobs[key] = whole


def test_objects_are_named_and_hidden_ones_are_not() -> None:
    """The pack of run-2 holds one object: run-3 captured it anew, and so lost nothing."""
    world = stocked()
    vault = world.context().vault
    _, second, *_ = catalog.manifests(vault, INSTANCE)
    contents = open_contents(vault, second)
    found = contents.find(("", "v1", "ConfigMap", "shop", "item-000"))
    assert found is not None
    key = pack_key(found[1].place.pack)
    world.store.blobs[key] = cut(world.store.blobs[key], 30)
    report = scrubbed(world)
    assert report.lost == {second.point: ("ConfigMap shop/item-000",)}
    blob, *lost = damage_lines(report)
    assert blob.startswith(f"{key}: ")
    assert lost == [f"point {second.point} has lost ConfigMap shop/item-000"]
    with pytest.raises(Damaged, match=f"blobs: 1, .*: 1 of {report.points}") as error:
        ensure_sound(report)
    assert report.newest_whole in error.value.hint


def test_one_wrong_record_of_a_frame_is_told_alone() -> None:
    """A frame that opens and holds something else on one line: only that object is lost."""
    world = stocked()
    context = world.context()
    ids = context.vault.cipher.record_id

    class Confused:
        def __getattr__(self, name: str) -> object:
            return getattr(context.vault.cipher, name)

        def record_id(self, content: bytes) -> str:
            return "0" * 15 + "1" if b'"item-077"' in content else ids(content)

    vault = world.context().vault
    vault.cipher = Confused()  # type: ignore[assignment]
    report = scrub(vault, INSTANCE, ALL, quiet)
    assert set(report.lost.values()) == {("ConfigMap shop/item-077",)}
    assert len(report.lost) == report.points == 4


def test_damage_everywhere_is_told_in_one_go() -> None:
    """It never stops at the first, and the account of what was lost adds up."""
    world = stocked()
    vault = world.context().vault
    first, *_ = catalog.manifests(vault, INSTANCE)
    packs = [key for key in world.store.blobs if key.startswith("packs/")]
    verdict = next(key for key in world.store.blobs if "/verdicts/" in key)
    for key in (*packs, verdict):
        world.store.blobs[key] = flip(world.store.blobs[key], 40)
    report = scrubbed(world)
    assert {one.blob for one in report.damage} == {*packs, verdict}
    assert len(report.lost[first.point]) == first.objects
    assert report.newest_whole == ""
    told = list(damage_lines(report))
    assert len(told) == len({*told}), "a line is told twice"
    for point, lost in report.lost.items():
        mine = [line for line in told if line.startswith(f"point {point} has lost ")]
        named = [line.removeprefix(f"point {point} has lost ") for line in mine]
        twin = named[0].removeprefix("what ").removesuffix(" has lost")
        assert report.lost.get(twin, lost) == lost
        if twin not in report.lost:
            assert named[:100] == list(lost[:100])
            assert named[100:] == [f"{len(lost) - 100} more: see lifeboat scrub {INSTANCE} --json"]


def test_a_damaged_leaf_leaves_the_rest_of_the_base_told() -> None:
    world = World()
    for number in range(2100):  # a base of two leaves
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"n{number:04}"}}
        world.cluster.create(CONFIG_MAP, "shop", body)
    made = back_up(world.context(), "run-1")
    key = tree_key(made.tree.base.name)
    pack = next(key for key in world.store.blobs if key.startswith("packs/"))
    pristine = dict(world.store.blobs)
    world.store.blobs[key] = flip(pristine[key], 100)  # in the first leaf
    (lost,) = scrubbed(world).lost.values()
    assert len(lost) == 1
    assert lost[0].startswith("2048 objects from ")
    world.store.blobs[pack] = flip(pristine[pack], len(pristine[pack]) - 40)  # in the last frame
    (lost,) = scrubbed(world).lost.values()
    assert lost[0].startswith("2048 objects from ")
    assert 1 < len(lost) <= 1 + made.objects - 2048


def test_what_no_point_needs_any_more_is_no_damage() -> None:
    """Prune takes a pack that only rows of a layer still mention which all points hide."""
    world = stocked()
    changed_point(world, "run-5", range(72, 76))
    middle = changed_point(world, "run-6", range(31))
    packs = {key for key in world.store.blobs if key.startswith("packs/")}
    for run in ("run-7", "run-8"):
        last = changed_point(world, run, range(72, 76))
        assert last.tree.layer == middle.tree.layer
    assert last.tree.layer is not None
    execute_prune(world.context(), plan_prune(world.context()))
    gone = packs - world.store.blobs.keys()
    layer = world.context().vault.trees.read_layer(last.tree.layer)
    mentioned = {pack_key(pack) for pack in pack_names(layer.places)}
    assert gone & mentioned, "the case is not there"
    report = scrubbed(world)
    assert (report.points, report.damage) == (3, ())


def test_nor_are_rows_of_a_base_that_all_points_hide() -> None:
    """The pack of run-5 is mentioned by four rows of the base of run-6, and hidden since."""
    world = stocked()
    changed_point(world, "run-5", range(72, 76))
    packs = {key for key in world.store.blobs if key.startswith("packs/")}
    middle = changed_point(world, "run-6", range(64))
    assert middle.tree.layer is None
    for run in ("run-7", "run-8"):
        last = changed_point(world, run, range(72, 76))
        assert last.tree.base == middle.tree.base
    vault = world.context().vault
    execute_prune(world.context(), plan_prune(world.context()))
    mentioned = {pack_key(entry.place.pack) for entry in vault.trees.open_base(last.tree.base)}
    assert (packs - world.store.blobs.keys()) & mentioned, "the case is not there"
    report = scrubbed(world)
    assert (report.points, report.damage) == (3, ())


def test_points_removed_while_it_reads_are_no_damage() -> None:
    world = stocked()

    def prune_meanwhile(_: str) -> None:
        execute_prune(world.context(), plan_prune(world.context()))

    packs = len([key for key in world.store.blobs if key.startswith("packs/")])
    report = scrub(world.context().vault, INSTANCE, ALL, prune_meanwhile)
    assert len([key for key in world.store.blobs if key.startswith("packs/")]) < packs
    assert (report.points, report.damage, report.lost) == (3, (), {})


def test_turns_in_a_row_read_every_pack_once() -> None:
    names = [f"{random.Random(SEED + n).getrandbits(64):016x}" for n in range(3000)]
    print("seed", SEED)
    for percent in (1, 5, 7, 33, 50, 99, 100):
        slots = -(-100 // percent)
        for begin in (0, 20780):
            shares = [sample(percent, begin + turn) for turn in range(slots)]
            takers = [sum(share.takes(name) for share in shares) for name in names]
            assert set(takers) == {1}
            largest = max(sum(map(share.takes, names)) for share in shares)
            assert largest < 2 * len(names) / slots + 30
    with pytest.raises(UsageError, match="1% to 100%"):
        sample(0, 1)


def test_no_turn_is_left_out_however_runs_are_spread() -> None:
    """Runs at most a week apart, in any rhythm, meet every turn of a week."""
    chance = random.Random(SEED)
    print("seed", SEED)
    moment, week, turns = 1e9, 7 * 86_400.0, []
    for _ in range(2000):
        moment += chance.choice([week, chance.uniform(60, week)])
        turns.append(turn_at(moment, week))
    assert set(turns) == set(range(turns[0], turns[-1] + 1))


def test_a_sample_reads_its_share_of_packs_alone() -> None:
    world = stocked()
    packs = {key for key in world.store.blobs if key.startswith("packs/")}
    read: list[str] = []
    for turn in range(4):
        world.store.calls.clear()
        scrubbed(world, sample(25, turn))
        asked = [c.key for c in world.store.calls if c.method == "get_range" and c.key in packs]
        assert len(asked) == len(set(asked)), "one request a pack"
        read += asked
    assert sorted(read) == sorted(packs)


def test_the_command_tells_damage_and_ends_with_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = stocked()
    folder = LocalStore.create(tmp_path / "vault")
    for key, data in world.store.blobs.items():
        folder.put_new(key, data)
    monkeypatch.setenv("VAULT_KEY", world.key)
    where = ["--vault", f"file://{tmp_path}/vault", "--key", "env:VAULT_KEY"]

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["lifeboat", *arguments, *where])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    code, out, _ = run("scrub", INSTANCE)
    assert (code, "nothing is damaged" in out) == (0, True)
    code, _, err = run("scrub", INSTANCE, "--sample", "5%", "--turn", "7")
    assert (code, "share 8 of 20, turn 7" in err) == (0, True)
    key = next(key for key in world.store.blobs if key.startswith("packs/"))
    path = tmp_path / "vault" / key
    path.chmod(0o600)
    path.write_bytes(flip(path.read_bytes(), 50))
    code, out, err = run("scrub", INSTANCE)
    assert code == Damaged.exit_code
    assert f"DAMAGED  {key}: " in out
    assert "damaged blobs: 1, points that have lost something: 4 of 4" in err
    code, out, err = run("scrub", INSTANCE, "--json")
    assert code == Damaged.exit_code
    assert f'"blob": "{key}"' in out
    newest = catalog.point_ids(world.context().vault, INSTANCE)[-1]
    path.unlink()
    code, out, _ = run("points", INSTANCE)
    assert (code, "DAMAGED" in out, f"{key} is missing" in out) == (0, True, True)
    manifest = tmp_path / "vault" / "instances" / INSTANCE / "points" / newest
    manifest.chmod(0o600)
    manifest.write_bytes(b"LBD1 no more")
    code, out, _ = run("points", INSTANCE)
    assert code == 0
    assert f"DAMAGED {newest}: instances/{INSTANCE}/points/{newest}" in out
    code, out, _ = run("points", INSTANCE, "--json")
    assert (code, out.count('"point"') >= 4) == (0, True)
