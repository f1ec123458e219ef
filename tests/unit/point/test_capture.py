"""The window of a point's objects, the skew of its volumes, and how both are told."""

from __future__ import annotations

from lifeboat.point.capture import (
    Capture,
    Cuts,
    Listed,
    cuts,
    describe,
    joined,
    listed,
)
from lifeboat.point.manifest import Manifest, Run, read_manifest
from lifeboat.ports.disks import StoredSnapshot, Volume
from lifeboat.steps.backup import backup
from lifeboat.steps.context import Context
from tests.support.world import World

EARLY, LATE = "2026-11-22T12:00:03Z", "2026-11-22T12:01:00Z"


def cut(claim: str, created: str) -> StoredSnapshot:
    volume = Volume("shop", claim, claim, "", "d", "h", "", "Filesystem", (), 1)
    return StoredSnapshot("csi", volume, claim, f"handle-{claim}", "d", 1, created)


def test_versions_are_compared_as_numbers() -> None:
    assert listed({"99", "100", "7"}, EARLY, LATE) == Listed(EARLY, LATE, "7", "100")
    assert listed({"abc"}, EARLY, LATE) == Listed(EARLY, LATE)
    assert listed((), EARLY, LATE) == Listed(EARLY, LATE)


def test_the_window_of_all_shares() -> None:
    first, second = Listed(EARLY, EARLY, "9", "11"), Listed(LATE, LATE, "10", "100")
    assert joined([second, None, first]) == Listed(EARLY, LATE, "9", "100")
    assert joined([None]) is None
    assert joined([]) is None


def test_skew_is_from_the_first_cut_to_the_last() -> None:
    found = cuts([cut("b", LATE), cut("a", EARLY), cut("unknown", "")])
    assert found == Cuts(EARLY, LATE, 57)
    assert cuts([cut("a", EARLY)]) == Cuts(EARLY, EARLY, 0)
    assert cuts([]) is None


def test_how_it_is_told() -> None:
    capture = Capture(Listed(EARLY, LATE, "7", "9"), Cuts(EARLY, LATE, 57))
    assert describe(capture) == [
        f"objects were listed from {EARLY} to {LATE}, resourceVersion 7 to 9",
        f"volumes were cut from {EARLY} to {LATE}, 57 s apart",
    ]
    assert describe(Capture(None, Cuts(EARLY, EARLY, 0))) == [f"volumes were cut at {EARLY}"]
    assert describe(Capture()) == []


def captured(world: World) -> tuple[Context, Manifest]:
    context = world.context()
    made = backup(context, Run("run-1", "manual"), lambda _: None)
    assert made is not None
    return context, made


def test_a_point_tells_its_window_and_reads_back_as_it_was_written() -> None:
    context, made = captured(World())
    assert made.capture
    window = made.capture.listed
    assert window is not None
    assert (window.first, window.last) == ("2026-11-22T12:00:00Z",) * 2
    assert 0 < int(window.lowest) <= int(window.highest)
    assert made.capture.cuts == Cuts("2026-11-22T12:00:00Z", "2026-11-22T12:00:00Z", 0)
    assert read_manifest(context.vault, made.instance, made.point) == made
