"""What a dictionary is trained on: all kinds alike, whatever comes first and however large."""

from __future__ import annotations

from lifeboat.steps.dump import _Samples
from lifeboat.vault.dictionaries import SAMPLE_BYTES


def chosen(*offered: tuple[str, bytes]) -> tuple[bytes, ...]:
    samples = _Samples(wanted=True)
    for kind, content in offered:
        samples.offer(kind, content)
    return samples.chosen()


def test_the_order_of_lists_does_not_matter() -> None:
    few = [("Secret", b"s%d" % n) for n in range(20)]
    many = [("ConfigMap", b"c" * 20_000)] * 40
    assert chosen(*few, *many) == chosen(*many, *few)


def test_large_records_leave_room_for_small_ones() -> None:
    large = [(f"Large{n}", b"x" * (SAMPLE_BYTES // 5)) for n in range(5)]
    found = chosen(*large, ("Small", b"small"))
    assert b"small" in found
    assert sum(map(len, found)) <= SAMPLE_BYTES // 2


def test_a_kind_holds_no_more_than_its_share_of_memory() -> None:
    assert sum(map(len, chosen(*[("One", b"x" * 30_000)] * 40))) <= SAMPLE_BYTES // 4
