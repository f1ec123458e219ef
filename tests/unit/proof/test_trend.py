"""A recovery that became slower is named, one that a busy machine explains is not."""

from __future__ import annotations

import pytest

from lifeboat.point.facts import Phase, Verdict, read_verdicts, recent_verdicts
from lifeboat.proof.trend import trend
from tests.support.proof_world import ProofWorld


def verdict(number: int, seconds: float, *, proven: bool = True, cluster: str = "") -> Verdict:
    phases = (Phase("volumes", seconds - 10), Phase("resources", 10.0))
    return Verdict(
        test=f"t{number}",
        instance="shop.local",
        point="p",
        started="",
        ended=f"2026-11-{number:02}T00:00:00Z",
        proven=proven,
        rto_seconds=seconds,
        phases=phases,
        checks=(),
        cluster=cluster,
    )


TEN = [verdict(n, 100.0) for n in range(1, 11)]


@pytest.mark.parametrize(
    ("seconds", "earlier", "slower", "told"),
    [
        (180, TEN, True, "1.8x slower than the median of the last 10, 100.0 s, most of it in vol"),
        (149, TEN, False, "1.5x slower"),
        (105, TEN, False, "about the median of the last 10"),
        (50, TEN, False, "2.0x faster"),
        (900, TEN[:2], False, "nothing to compare with: 2 earlier proofs"),
        (14, [verdict(n, 10.0) for n in range(1, 9)], False, "1.4x slower"),
        (900, [verdict(n, 1.0, proven=False) for n in range(1, 9)], False, "nothing to compare"),
        (900, [verdict(n, 1.0, cluster="far") for n in range(1, 9)], False, "nothing to compare"),
        (110, [*[verdict(n, 900.0) for n in range(1, 10)], *[
            verdict(n, 100.0) for n in range(10, 20)]], False, "1.1x slower"),
    ],
)  # fmt: skip
def test_a_recovery_is_compared_with_the_last_ones(
    seconds: float, earlier: list[Verdict], slower: bool, told: str
) -> None:
    found = trend(verdict(25, seconds), earlier)
    assert found.slower is slower
    assert told in str(found)


def test_a_verdict_is_compared_when_it_is_written_and_never_with_itself() -> None:
    world = ProofWorld()
    point = world.back_up().point
    told = []
    for number in range(4):
        told.append(world.prove(point, f"test-{number}").trend)
        world.tick(minutes=1)
    assert told[0] == "nothing to compare with: 0 earlier proofs, 3 are needed"
    assert "median of the last 3" in told[3] or "0 earlier" not in told[3]
    vault = world.context().vault
    assert [v.trend for v in read_verdicts(vault, "shop.local")] == told
    assert len(recent_verdicts(vault, "shop.local", 2)) == 2
