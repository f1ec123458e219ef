"""What Airflow 3.3 does that nobody expects, and what every DAG of ours does about it. The table in
docs/operations.md, "What Airflow does that one may not expect", names the test of each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local.airflow_settings import REPOSITORY
from tests.airflow.test_dags import ABROAD, AZURE, CLUSTERS, COPIED, HOLDING, SHOP
from tests.support.dag_parser import Parsed, parse_dags


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Parsed:
    """DAGs of policies that have every task there is."""
    folder = tmp_path_factory.mktemp("include")
    (folder / "policies").mkdir()
    clusters = CLUSTERS.replace("kubeconfig: /nowhere/kubeconfig\n", f"inCluster: true\n{AZURE}")
    (folder / "clusters.yaml").write_text(clusters)
    for name, text in {
        "shop": SHOP + "volumes: {vaultTier: {}}\n",
        "copied": COPIED,
        "abroad": ABROAD,
        "holding": HOLDING,
    }.items():
        (folder / "policies" / f"{name}.yaml").write_text(text)
    found = parse_dags(folder)
    assert found.errors == {}
    return found


def test_a_run_is_what_its_leaves_are_so_each_dag_has_one_that_tells_the_truth(
    everything: Parsed,
) -> None:
    """A run whose leaves succeed is a success, whatever failed before them."""
    leaves = {"backup": ["report"], "test_restore": ["report"], "restore": ["report"]}
    for name, dag in everything.dags.items():
        wanted = leaves.get(name.partition(".")[0])
        if wanted:
            assert dag["leaves"] == wanted, name
            assert dag["tasks"]["report"]["rule"] in ("all_done", "none_failed")


def test_a_fan_out_over_nothing_is_skipped_and_the_commit_is_not(everything: Parsed) -> None:
    """`.expand()` over an empty list skips, and everything behind it that wants all to succeed."""
    for name, dag in everything.dags.items():
        if name.startswith("backup."):
            rules = {task: told["rule"] for task, told in dag["tasks"].items()}
            assert (rules["settle"], rules["commit"]) == ("all_done", "none_failed"), name


def test_what_waits_may_be_tried_again(everything: Parsed) -> None:
    """A trigger that fires at once makes the scheduler fail the task that it belongs to."""
    waiting = [
        (name, task, told["retries"])
        for name, dag in everything.dags.items()
        for task, told in dag["tasks"].items()
        if told["waits"]
    ]
    assert {task for _, task, _ in waiting} >= {
        "settle", "freeze_limit", "hold_limit", "move", "hold_dags",
    }  # fmt: skip
    assert [one for one in waiting if one[2] < 1] == []


def test_no_default_cuts_a_waiting_task_short(everything: Parsed) -> None:
    """`execution_timeout` in default_args becomes the time that a person has to answer, and ends
    what waits in the triggerer."""
    limited = [
        (name, task)
        for name, dag in everything.dags.items()
        for task, told in dag["tasks"].items()
        if told["time_limit"] and (told["waits"] or task in ("approve", "quiesce"))
    ]
    assert limited == []


def test_no_run_with_a_teardown_has_a_limit_and_each_of_its_tasks_has(everything: Parsed) -> None:
    """When a run's time is up, what is not over is skipped: the thaw, too."""
    for name, dag in everything.dags.items():
        tasks = dag["tasks"].values()
        if any(told["teardown"] for told in tasks):
            assert dag["limit"] is None, name
            assert dag["tasks"]["report"]["time_limit"], name


def test_every_task_refuses_a_run_that_is_asked_for_something_unknown(everything: Parsed) -> None:
    """A key of conf that is no param is passed over, so that a misspelt dry run would be none."""
    for name, dag in everything.dags.items():
        assert {told["asks_first"] for told in dag["tasks"].values()} == {"ensure_known"}, name


def test_no_dag_relies_on_a_deadline_for_its_objective(everything: Parsed) -> None:
    """One that never runs, being paused or stale, fires none: objectives are read from vaults."""
    assert not any(dag["deadline"] for dag in everything.dags.values())


def test_every_dag_is_on_when_it_appears_and_none_replays_the_past(everything: Parsed) -> None:
    """Airflow's default makes new DAGs paused."""
    assert not any(dag["paused"] for dag in everything.dags.values())
    assert not any(dag["catchup"] for dag in everything.dags.values())


def test_what_a_person_starts_cannot_be_backfilled(everything: Parsed) -> None:
    """A backfill runs side by side whatever max_active_runs says; of restores that would be one
    beside the other into the same namespaces."""
    for name in ("restore", "replay"):
        assert "backfill" not in everything.dags[name]["run_types"]
        assert everything.dags[name]["run_types"]


def test_the_plugin_folder_holds_one_file() -> None:
    """Airflow imports every .py below it, under its bare name, in each of its processes."""
    found = [path.name for path in (REPOSITORY / "plugins").rglob("*.py")]
    assert found == ["lifeboat_plugin.py"]


PINS = {"celery": (5, 7)}
"""Below this version: celery 5.7 breaks the executor of the celery provider 3.26 when it is
imported, with a message that blames Airflow's version; pip finds nothing wrong."""


@pytest.mark.parametrize(
    "name", ["requirements.txt", "requirements.in", "requirements-dev.txt", "pyproject.toml"]
)
def test_celery_stays_below_what_breaks_its_provider(name: str) -> None:
    text = (REPOSITORY / name).read_text()
    for package, limit in PINS.items():
        for version in re.findall(rf"(?m)^\s*\"?{package}(?:\[[a-z,]*\])?==([0-9.]+)", text):
            assert tuple(map(int, version.split(".")[:2])) < limit, (name, package)


def test_every_database_url_names_its_driver() -> None:
    """A bare postgresql:// means psycopg 3 to the SQLAlchemy that is installed."""
    for path in (REPOSITORY / "docker-compose.yaml", *_python(REPOSITORY / "local")):
        bare = re.findall(r"(?<![+\w])(?:db\+)?postgresql://\S", _code(path))
        assert bare == [], path


def _python(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def _code(path: Path) -> str:
    return "\n".join(
        line.partition("#")[0] for line in path.read_text(encoding="utf-8").splitlines()
    )
