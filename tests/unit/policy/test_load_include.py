"""The include folder as a whole: what is good is loaded, what is wrong is told, nothing hides."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from lifeboat.errors import PolicyError, UsageError
from lifeboat.policy import load
from lifeboat.policy.load import load_clusters, load_include, load_instance, policy_files

CLUSTERS = """\
clusters:
  - {name: local, kubeconfig: ~/.kube/config, context: a}
  - {name: east, connection: kubernetes_east}
vaults:
  - {name: main, url: "azure://contoso1/points/prod", key: "file:/run/key"}
  - {name: open, url: "file:///srv/v", encryption: none}
"""
POLICY = "clusters: [east, local]\nschedule: {cron: '0 2 * * *'}\nretention: {keep: {last: 7}}\n"


@pytest.fixture
def include(tmp_path: Path) -> Path:
    (tmp_path / "clusters.yaml").write_text(CLUSTERS)
    (tmp_path / "policies").mkdir()
    return tmp_path


def write(include: Path, name: str, text: str) -> None:
    (include / "policies" / name).write_text(text)


def test_one_instance_for_each_cluster(include: Path) -> None:
    write(include, "shop.yaml", POLICY)
    loaded = load_include(include)
    assert [instance.id for instance in loaded.instances] == ["shop.east", "shop.local"]
    assert loaded.problems == ()
    instance = loaded.instances[1]
    assert instance.cluster.context == "a"
    assert instance.vault.key == "file:/run/key"
    assert instance.policy_text == POLICY
    assert instance.policy_digest == "sha256:" + hashlib.sha256(POLICY.encode()).hexdigest()
    assert instance.source == "policies/shop.yaml"
    assert instance.policy.objectives.rpo == timedelta(hours=25)  # the schedule's day and an hour
    assert load_instance(include, "shop.local") == instance


def test_both_endings_count_and_nothing_else(include: Path) -> None:
    for name in ("b.yml", "a.yaml", "notes.md", ".hidden.yaml.swp"):
        write(include, name, POLICY)
    (include / "policies" / "folder.yaml").mkdir()
    assert [path.name for path in policy_files(include)] == ["a.yaml", "b.yml"]


def test_no_policies_folder_is_no_policies(tmp_path: Path) -> None:
    (tmp_path / "clusters.yaml").write_text(CLUSTERS)
    loaded = load_include(tmp_path)
    assert loaded.instances == ()
    assert loaded.problems == ()
    assert loaded.clusters.vault("open") is not None


def test_a_broken_file_hides_no_other(include: Path) -> None:
    write(include, "a.yaml", "clusters:\n\t- local\n")
    write(include, "b.yaml", POLICY)
    write(include, "c.yaml", POLICY.replace("east", "west"))
    loaded = load_include(include)
    assert [instance.id for instance in loaded.instances] == ["b.east", "b.local"]
    assert [Path(problem.file).name for problem in loaded.problems] == ["a.yaml", "c.yaml"]


def test_an_unreadable_clusters_file_gives_its_problem_and_the_policies_own(include: Path) -> None:
    (include / "clusters.yaml").write_text("clusters: {local: }\n")
    write(include, "good.yaml", POLICY)
    write(include, "wrong.yaml", POLICY.replace("7", "0"))
    loaded = load_include(include)
    assert loaded.instances == ()
    fields = [(Path(problem.file).name, problem.field) for problem in loaded.problems]
    assert fields == [("clusters.yaml", "clusters"), ("wrong.yaml", "retention.keep.last")]


@pytest.mark.parametrize(
    ("good", "bad", "field"),
    [
        ("name: east", "name: east, kubeconfg: /typo", "clusters[1].kubeconfg"),
        ("name: east", "name: east, location: [1]", "clusters[1].location"),
        (
            "vaults:",
            "vaults:\n  - {name: torn, url: ftp://none, encryption: none}",
            "vaults[0].url",
        ),
        ("vaults:", "discover: {azure: {}}\nvaults:", "discover.azure.subscriptions"),
    ],
)
def test_a_wrong_entry_takes_no_other_down(include: Path, good: str, bad: str, field: str) -> None:
    text = (include / "clusters.yaml").read_text()
    assert good in text
    (include / "clusters.yaml").write_text(text.replace(good, bad, 1))
    write(include, "shop.yaml", POLICY)
    loaded = load_include(include)
    [problem] = loaded.problems
    assert (Path(problem.file).name, problem.field) == ("clusters.yaml", field)
    east = field.startswith("clusters[1]")
    expected = ["shop.local"] if east else ["shop.east", "shop.local"]
    assert [one.id for one in loaded.instances] == expected
    assert load_instance(include, "shop.local").id == "shop.local"
    if east:
        with pytest.raises(PolicyError, match=r"clusters\.yaml"):
            load_instance(include, "shop.east")


def test_a_policy_may_test_and_stand_by_in_a_cluster_whose_entry_is_wrong(include: Path) -> None:
    text = (include / "clusters.yaml").read_text()
    wrong = text.replace("name: east", "name: east, location: [1]", 1)
    (include / "clusters.yaml").write_text(wrong)
    policy = POLICY.replace("local, east", "local").replace("east, local", "local")
    write(include, "shop.yaml", policy + "testRestore: {cluster: east}\nstandby: {cluster: east}\n")
    loaded = load_include(include)
    assert [one.id for one in loaded.instances] == ["shop.local"]
    assert [problem.field for problem in loaded.problems] == ["clusters[1].location"]


def test_a_damaged_list_of_found_clusters_leaves_those_that_are_written(include: Path) -> None:
    text = (include / "clusters.yaml").read_text()
    (include / "clusters.yaml").write_text(text + "discover: {airflow: lifeboat_airflow}\n")
    (include / "discovered.json").write_text("torn")
    write(include, "shop.yaml", POLICY)
    loaded = load_include(include)
    assert [one.id for one in loaded.instances] == ["shop.east", "shop.local"]
    assert [Path(problem.file).name for problem in loaded.problems] == ["discovered.json"]


def test_a_name_belongs_to_the_file_called_like_it(include: Path) -> None:
    write(include, "a.yaml", POLICY + "name: shop\n")
    write(include, "shop.yaml", POLICY)
    loaded = load_include(include)
    assert {instance.source for instance in loaded.instances} == {"policies/shop.yaml"}
    [problem] = loaded.problems
    assert (Path(problem.file).name, problem.line, problem.field) == ("a.yaml", 4, "name")
    assert "shop.yaml already has it" in problem.expected
    assert load_instance(include, "shop.east").source == "policies/shop.yaml"


def test_without_such_a_file_it_belongs_to_the_first(include: Path) -> None:
    write(include, "b.yaml", POLICY + "name: shop\n")
    write(include, "a.yaml", POLICY + "name: shop\n")
    loaded = load_include(include)
    assert {instance.source for instance in loaded.instances} == {"policies/a.yaml"}
    assert [problem.line for problem in loaded.problems] == [4]
    assert load_instance(include, "shop.east").source == "policies/a.yaml"


def test_an_instance_needs_only_its_own_file(
    include: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(include, "a.yaml", "broken: [")
    write(include, "shop.yaml", POLICY)
    parsed: list[str] = []
    parse = load.parse_document

    def spy(file: str, raw: bytes) -> load.Document:
        parsed.append(Path(file).name)
        return parse(file, raw)

    monkeypatch.setattr(load, "parse_document", spy)
    assert load_instance(include, "shop.local").id == "shop.local"
    assert parsed == ["clusters.yaml", "shop.yaml"]


def test_unknown_instance_names_the_known_ones_and_the_unreadable_files(include: Path) -> None:
    write(include, "shop.yaml", POLICY)
    write(include, "torn.yaml", "broken: [")
    with pytest.raises(UsageError) as caught:
        load_instance(include, "shop.lokal")
    assert "shop.east, shop.local" in caught.value.hint
    assert 'did you mean "shop.local"?' in caught.value.hint
    assert "torn.yaml" in caught.value.hint


def test_an_instance_of_a_broken_file_tells_what_is_broken(include: Path) -> None:
    write(include, "shop.yaml", POLICY.replace("7", "0"))
    with pytest.raises(PolicyError, match=r"shop\.yaml:3: retention\.keep\.last"):
        load_instance(include, "shop.local")


def test_the_shipped_samples_load() -> None:
    include = Path(__file__).parents[3] / "include"
    loaded = load_include(include)
    assert loaded.problems == ()
    instances = {instance.id: instance for instance in loaded.instances}
    assert {"shop.local", "everything.local"} <= set(instances)
    shop = instances["shop.local"].policy
    assert shop.select.namespaces.include == ("shop", "shop-data")
    assert shop.objectives.rpo == timedelta(hours=5)
    assert instances["everything.local"].policy.test_restore is None
    for path in (include / "clusters.yaml", *policy_files(include)):
        schema = path.read_text().splitlines()[0].removeprefix("# yaml-language-server: $schema=")
        assert (path.parent / schema).is_file(), path


def test_loading_imports_nothing_heavy() -> None:
    """Every Airflow task imports this room, so it must stay light."""
    heavy = ["airflow", "kubernetes", "azure", "cryptography", "rich", "typer", "requests"]
    heavy += ["cron_descriptor", "jsonschema", "hypothesis", "msgspec", "fastapi"]
    code = (
        "import sys, lifeboat.policy.load, lifeboat.policy.selection, lifeboat.policy.retention\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    source = Path(load.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(source), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_clusters_are_found_by_name(include: Path) -> None:
    clusters = load_clusters(include)
    east = clusters.cluster("east")
    assert east is not None
    assert east.connection == "kubernetes_east"
    assert clusters.cluster("west") is None
