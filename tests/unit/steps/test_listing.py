"""Many lists at once: what waits is bounded by bytes, and nothing waits behind what is small."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from lifeboat.ports.cluster import Kind
from lifeboat.ports.fields import FieldsPage
from lifeboat.steps import listing
from lifeboat.steps.listing import Arrived, list_all
from lifeboat.steps.scope import Listing
from tests.support.fake_cluster import FakeCluster
from tests.support.listed_fields import fields_of
from tests.support.poll import until

_OBJECT = fields_of(b'{"metadata":{"name":"a"}}')


class Pages(FakeCluster):
    """Endless pages of a kind, as many bytes each as its name says."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self._counting = threading.Lock()

    def list_fields(self, kind: Kind, *, namespace: str | None = None) -> Iterator[FieldsPage]:
        for _ in range(1000):
            with self._counting:
                self.asked += 1
            yield FieldsPage([_OBJECT], int(kind.plural), "1")


@pytest.mark.parametrize(("size", "ahead"), [(10, 10), (40, 2), (100, 1), (400, 1)])
def test_pages_wait_up_to_a_number_of_bytes(
    size: int, ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_HELD_BYTES", 100)
    cluster = Pages()
    wanted = [Listing(Kind("", "v1", str(size), "Page", namespaced=True))]
    with closing(list_all(cluster, wanted, most=1)) as arrivals:
        assert isinstance(next(arrivals), Arrived)
        # What waits, what the thread holds and cannot put down, and the one that was taken.
        until("pages up to the bound", lambda: cluster.asked >= ahead + 2)
        assert cluster.asked == ahead + 2
