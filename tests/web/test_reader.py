"""Many pages, few reads."""

from __future__ import annotations

import asyncio
import threading

from lifeboat.report.clusters import FleetStanding
from lifeboat.web.reader import CachedFleet, Snapshot
from tests.support.fake_fleet import NOW, FakeFleet, every_state


class Held(FakeFleet):
    """A reader that answers when it is let go."""

    def __init__(self) -> None:
        super().__init__(every_state())
        self.gate = threading.Event()

    def read(self) -> FleetStanding:
        assert self.gate.wait(30)
        return super().read()


def cached(reader: FakeFleet, timer: list[float]) -> CachedFleet:
    return CachedFleet(reader, fresh_seconds=5, clock=lambda: NOW, timer=lambda: timer[0])


def test_pages_that_come_together_share_one_read() -> None:
    reader = Held()

    async def crowd() -> list[Snapshot]:
        fleet = cached(reader, [0.0])
        pages = [asyncio.create_task(fleet.read()) for _ in range(50)]
        await asyncio.sleep(0)
        reader.gate.set()
        return await asyncio.gather(*pages)

    answers = asyncio.run(crowd())
    assert reader.reads == 1
    assert all(answer is answers[0] for answer in answers)
    assert answers[0].taken_at == NOW


def test_a_read_is_kept_for_some_seconds_after_it_ended() -> None:
    reader, timer = FakeFleet(every_state()), [100.0]

    async def visits() -> list[int]:
        fleet = cached(reader, timer)
        reads = []
        for moment in (100.0, 104.9, 105.0, 109.9, 110.0):
            timer[0] = moment
            await fleet.read()
            reads.append(reader.reads)
        return reads

    assert asyncio.run(visits()) == [1, 1, 2, 2, 3]


def test_a_closed_page_does_not_take_the_answer_from_the_others() -> None:
    reader = Held()

    async def one_leaves() -> Snapshot:
        fleet = cached(reader, [0.0])
        leaver = asyncio.create_task(fleet.read())
        stayer = asyncio.create_task(fleet.read())
        await asyncio.sleep(0)
        leaver.cancel()
        await asyncio.sleep(0)
        reader.gate.set()
        return await stayer

    assert len(asyncio.run(one_leaves()).fleet.instances) == len(every_state())
    assert reader.reads == 1


def test_a_failure_is_kept_as_long_and_then_asked_again() -> None:
    reader, timer = FakeFleet(every_state()), [0.0]
    reader.failure = OSError("disk")

    async def visits() -> tuple[Snapshot, Snapshot, Snapshot]:
        fleet = cached(reader, timer)
        first, second = await fleet.read(), await fleet.read()
        reader.failure, timer[0] = None, 5.0
        return first, second, await fleet.read()

    first, second, third = asyncio.run(visits())
    assert first is second
    assert "OSError" in first.failure
    assert "disk" not in first.failure
    assert not third.failure
    assert len(third.fleet.instances) == len(every_state())
