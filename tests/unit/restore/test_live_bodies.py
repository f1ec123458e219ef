"""Live objects for a plan: listed once in the order of names, or asked for one by one."""

from __future__ import annotations

import pytest

from lifeboat.errors import Expired, Forbidden, NotFound
from lifeboat.restore.live import LiveStates
from lifeboat.restore.live_bodies import LiveBodies
from tests.support.fake_cluster import FakeCluster
from tests.support.kinds import CONFIG_MAP, NAMESPACE
from tests.support.manifests import manifest

NAMES = [f"c{number:04}" for number in range(3000)]


@pytest.fixture
def cluster() -> FakeCluster:
    made = FakeCluster()
    made.create(NAMESPACE, None, manifest(NAMESPACE, "shop"))
    for name in NAMES:
        made.create(CONFIG_MAP, "shop", manifest(CONFIG_MAP, name, data={"own": name}))
    return made


def gathered(cluster: FakeCluster, bodies: LiveBodies, names: list[str]) -> list[str]:
    """Methods called for these names, which are taken and looked at."""
    states = LiveStates(cluster, NAMESPACE, ["shop"])
    states.state(CONFIG_MAP, "shop", "")
    cluster.calls.clear()
    bodies.gather(CONFIG_MAP, [("shop", name) for name in names], states)
    for name in names:
        body = bodies.take(CONFIG_MAP, "shop", name)
        assert (body["kind"], body["apiVersion"]) == ("ConfigMap", "v1")
        assert body["data"] == {"own": name}
    return [call.method for call in cluster.calls]


def test_neighbours_are_listed_once_over_all_calls(cluster: FakeCluster) -> None:
    bodies = LiveBodies(cluster)
    calls = [call for n in (0, 900, 1800) for call in gathered(cluster, bodies, NAMES[n : n + 900])]
    assert calls == ["list_pages"] * 3, "a page of a thousand each time the last one is used up"


@pytest.mark.parametrize("names", [NAMES[:5], NAMES[::100]], ids=["few", "far apart"])
def test_strangers_are_asked_for(cluster: FakeCluster, names: list[str]) -> None:
    assert gathered(cluster, LiveBodies(cluster), names) == ["get"] * len(names)


@pytest.mark.parametrize("error", [Expired("too old"), Forbidden("no list")])
def test_without_a_list_they_are_asked_for(cluster: FakeCluster, error: Exception) -> None:
    bodies = LiveBodies(cluster)
    states = LiveStates(cluster, NAMESPACE, ["shop"])
    states.state(CONFIG_MAP, "shop", "")
    cluster.fail_next("list_pages", error, skip=1)
    bodies.gather(CONFIG_MAP, [("shop", name) for name in NAMES], states)
    assert {bodies.take(CONFIG_MAP, "shop", n)["data"]["own"] for n in NAMES} == set(NAMES)
    assert [call.method for call in cluster.calls[-2000:]] == ["get"] * 2000


def test_what_went_meanwhile_is_not_there(cluster: FakeCluster) -> None:
    bodies = LiveBodies(cluster)
    states = LiveStates(cluster, NAMESPACE, ["shop"])
    states.state(CONFIG_MAP, "shop", "")
    cluster.delete(CONFIG_MAP, "shop", NAMES[7])
    bodies.gather(CONFIG_MAP, [("shop", name) for name in NAMES[:100]], states)
    with pytest.raises(NotFound):
        bodies.take(CONFIG_MAP, "shop", NAMES[7])
