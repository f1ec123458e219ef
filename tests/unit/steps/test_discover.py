"""What becomes of clusters that are found, found again and found no more; names; sources that
cannot be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lifeboat.errors import PolicyError, Throttled, UsageError
from lifeboat.policy.discover import DiscoveredFile, read_discovered, write_discovered
from lifeboat.policy.load import load_clusters, load_include, load_instance
from lifeboat.ports.finder import FoundCluster
from lifeboat.steps.discover import Look, ensure_asked, forget, look_for_clusters

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AKS = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/{}/providers"
AKS += "/Microsoft.ContainerService/managedClusters/{}"
CLUSTERS = """\
clusters:
  - {name: written, inCluster: true, labels: {env: prod}}
vaults: [{name: main, url: file:///none, key: env:NONE}]
discover:
  azure:
    subscriptions: [11111111-2222-3333-4444-555555555555]
    identity: workload-identity
"""
POLICY = "clusterLabels: {env: prod}\nobjectives: {rpo: 1d}\nretention: {keep: {last: 3}}\n"


@dataclass
class Known:
    """A source that says what it is told to, or raises."""

    clusters: list[FoundCluster] = field(default_factory=list)
    error: Exception | None = None

    def find(self) -> tuple[FoundCluster, ...]:
        if self.error:
            raise self.error
        return tuple(self.clusters)


def aks(name: str, group: str = "shop", **labels: str) -> FoundCluster:
    return FoundCluster(AKS.format(group, name), name, labels, "westeurope")


def look(
    known: DiscoveredFile, wanted: Mapping[str, str] | None = None, hours: int = 0, **sources: Known
) -> Look:
    now = NOW + timedelta(hours=hours)
    return look_for_clusters(known, sources, frozenset({"written"}), wanted or {}, now)


def names(found: Look) -> list[str]:
    return [one.name for one in found.file.clusters]


def test_a_cluster_that_is_found_no_more_stays_until_it_is_forgotten() -> None:
    azure = Known([aks("a"), aks("b")])
    first = look(DiscoveredFile(), azure=azure)
    assert (first.new, first.lost) == (("a", "b"), ())
    azure.clusters.pop()
    second = look(first.file, hours=1, azure=azure)
    assert (names(second), second.new, second.lost) == (["a", "b"], (), ("b",))
    third = look(second.file, hours=2, azure=azure)
    (lost,) = [one for one in third.file.clusters if one.lost]
    assert (lost.seen, lost.lost) == ("2026-11-22T12:00:00Z", "2026-11-22T13:00:00Z")
    assert any("LOST since" in line and "clusters forget b" in line for line in third.told())
    with pytest.raises(UsageError, match="still found by azure"):
        forget(third.file, "a")
    assert [one.name for one in forget(third.file, "b").clusters] == ["a"]
    azure.clusters.append(aks("b"))
    back = look(third.file, hours=3, azure=azure)
    assert (back.back, back.lost) == (("b",), ())


def test_a_source_that_cannot_be_asked_loses_nothing_and_keeps_no_other_from_being_asked() -> None:
    azure, fleet = Known([aks("a")]), Known([aks("f")])
    first = look(DiscoveredFile(), azure=azure, fleet=fleet)
    azure.error = Throttled("slow", retry_after=9)
    fleet.clusters.append(aks("g"))
    second = look(first.file, hours=1, azure=azure, fleet=fleet)
    assert (names(second), second.new, second.lost) == (["a", "f", "g"], ("g",), ())
    with pytest.raises(Throttled, match="not asked: azure: slow") as failed:
        ensure_asked(second)
    assert failed.value.retry_after == 9


def test_what_two_sources_know_is_one_cluster_with_the_labels_of_both() -> None:
    azure, fleet = Known([aks("a", env="prod")]), Known([aks("A", group="SHOP", fleet="shops")])
    found = look(DiscoveredFile(), azure=azure, fleet=fleet)
    (one,) = found.file.clusters
    assert (one.name, one.source) == ("a", "azure")
    assert one.labels == {"env": "prod", "fleet": "shops"}
    fleet.error = Throttled("slow")
    (same,) = look(found.file, hours=1, azure=azure, fleet=fleet).file.clusters
    assert same.labels == one.labels, "what the other one says is not known now, and not gone"


def test_only_clusters_of_azure_with_the_labels_that_are_wanted() -> None:
    azure = Known([aks("a", backup="yes"), aks("b")])
    marked = Known([FoundCluster("connection:kube", "kube")])
    found = look(DiscoveredFile(), {"backup": "yes"}, azure=azure, marked=marked)
    assert names(found) == ["a", "kube"]
    azure.clusters = [aks("a")]
    assert look(found.file, {"backup": "yes"}, azure=azure, marked=marked).lost == ("a",)


def test_names_are_what_a_policy_can_write_and_stay() -> None:
    long = "x" * 50
    azure = Known([aks("Shop_Prod.1"), aks("written"), aks("a", "one"), aks("a", "two"), aks(long)])
    found = look(DiscoveredFile(), azure=azure)
    by_ident = {one.ident: one.name for one in found.file.clusters}
    assert by_ident[AKS.format("shop", "Shop_Prod.1")] == "shop-prod-1"
    assert by_ident[AKS.format("shop", "written")].startswith("written-")
    assert by_ident[AKS.format("one", "a")] == "a"
    assert by_ident[AKS.format("two", "a")].startswith("a-")
    assert all(len(name) <= 40 for name in by_ident.values())
    azure.clusters.pop(2)  # the one whose name was free
    again = {one.ident: one.name for one in look(found.file, azure=azure).file.clusters}
    assert again == by_ident


def folder(path: Path) -> Path:
    (path / "policies").mkdir()
    (path / "clusters.yaml").write_text(CLUSTERS)
    (path / "policies" / "shop.yaml").write_text(POLICY)
    return path


def instances(include: Path) -> list[str]:
    return [one.id for one in load_include(include).instances]


def test_a_found_cluster_is_protected_at_the_next_reading(tmp_path: Path) -> None:
    include = folder(tmp_path)
    assert instances(include) == ["shop.written"]
    azure = Known([aks("new", env="prod"), aks("test", env="test")])
    found = look(read_discovered(include), azure=azure)
    write_discovered(include, found.file)
    assert read_discovered(include) == found.file
    assert instances(include) == ["shop.new", "shop.written"]
    entry = load_instance(include, "shop.new").cluster
    assert entry.aks is not None
    assert (entry.aks.id, entry.aks.identity) == (AKS.format("shop", "new"), "workload-identity")
    assert (entry.lies_in, entry.queue) == ("westeurope", "")
    assert load_include(include).problems == ()


def test_a_lost_cluster_keeps_its_instances_and_is_told(tmp_path: Path) -> None:
    include = folder(tmp_path)
    azure = Known([aks("new", env="prod")])
    write_discovered(include, look(DiscoveredFile(), azure=azure).file)
    azure.clusters = []
    write_discovered(include, look(read_discovered(include), hours=1, azure=azure).file)
    found = load_include(include)
    assert [one.id for one in found.instances] == ["shop.new", "shop.written"]
    (problem,) = found.problems
    assert "not known since 2026-11-22T13:00:00Z" in str(problem)
    assert "lifeboat clusters forget new" in str(problem)
    write_discovered(include, forget(read_discovered(include), "new"))
    assert instances(include) == ["shop.written"]


def test_what_a_person_wrote_wins(tmp_path: Path) -> None:
    include = folder(tmp_path)
    azure = Known([aks("mine", env="prod")])
    write_discovered(include, look(DiscoveredFile(), azure=azure).file)
    ident = AKS.format("SHOP", "mine")
    text = f"clusters:\n  - {{name: own, aks: {{id: {ident}}}, labels: {{env: prod}}}}"
    (include / "clusters.yaml").write_text(CLUSTERS.replace("clusters:", text, 1))
    assert instances(include) == ["shop.own", "shop.written"]


def test_a_connection_that_a_person_wrote_is_not_found_again(tmp_path: Path) -> None:
    include = folder(tmp_path)
    marked = Known([FoundCluster("connection:Kube_Prod", "prod", {"env": "prod"})])
    write_discovered(include, look(DiscoveredFile(), marked=marked).file)
    assert instances(include) == ["shop.prod", "shop.written"]
    text = "clusters:\n  - {name: own, connection: Kube_Prod, labels: {env: prod}}"
    (include / "clusters.yaml").write_text(CLUSTERS.replace("clusters:", text, 1))
    assert instances(include) == ["shop.own", "shop.written"]


def test_a_file_that_nobody_wrote_like_this_is_named(tmp_path: Path) -> None:
    include = folder(tmp_path)
    (include / "discovered.json").write_text('{"clusters": [{"name": "A B"}]}')
    with pytest.raises(PolicyError, match=r"discovered\.json"):
        load_clusters(include)
    assert instances(include) == ["shop.written"]


def test_it_is_not_read_where_nothing_is_to_be_found(tmp_path: Path) -> None:
    include = folder(tmp_path)
    (include / "clusters.yaml").write_text(CLUSTERS.partition("discover:")[0])
    (include / "discovered.json").write_text("broken")
    assert instances(include) == ["shop.written"]


def test_the_file_may_lie_elsewhere_and_a_folder_that_takes_none_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    include = folder(tmp_path)
    monkeypatch.setenv("LIFEBOAT_DISCOVERED", str(tmp_path / "shared.json"))
    write_discovered(include, look(DiscoveredFile(), azure=Known([aks("a")])).file)
    assert [path.name for path in tmp_path.glob("*.json")] == ["shared.json"]
    monkeypatch.setenv("LIFEBOAT_DISCOVERED", str(tmp_path / "none" / "shared.json"))
    with pytest.raises(UsageError, match="cannot write"):
        write_discovered(include, DiscoveredFile())
