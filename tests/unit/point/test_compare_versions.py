"""An object that the server shows at another API version is still the same object."""

from __future__ import annotations

from lifeboat.point.compare import Difference, across_versions
from lifeboat.vault.records import Place
from lifeboat.vault.rows import Entry


def entry(version: str, name: str = "web", namespace: str = "shop", kind: str = "Scaler") -> Entry:
    return Entry("example.com", version, kind, namespace, name, "id", Place("p", 0, 1, 1, 0))


def gone(one: Entry) -> Difference[Entry]:
    return Difference(one.key, one, None)


def come(one: Entry) -> Difference[Entry]:
    return Difference(one.key, None, one)


def test_gone_at_one_version_and_come_at_another_is_changed() -> None:
    old, new = entry("v1"), entry("v2")
    assert across_versions([gone(old), come(new)]) == [Difference(new.key, old, new)]
    newer, older = entry("v1"), entry("v1beta1")
    found = across_versions([come(newer), gone(older)])
    assert found == [Difference(newer.key, older, newer)]


def test_other_objects_stay_apart_and_in_order() -> None:
    others = [
        gone(entry("v1", kind="Widget")),
        gone(entry("v1")._replace(group="example.org")),
        gone(entry("v1", name="a")),
        Difference(entry("v1", name="b").key, entry("v1", name="b"), entry("v1", name="b")),
        gone(entry("v1", namespace="bank")),
        come(entry("v2")),
        come(entry("v2", name="b")),
    ]
    assert across_versions(others) == others
