"""DAG files: what they declare, at which cost, and that one broken policy breaks nothing else."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.dag_parser import Parsed, parse_dags

CLUSTERS = """\
clusters:
  - name: east
    kubeconfig: /nowhere/kubeconfig
  - name: west
    inCluster: true
vaults:
  - name: main
    url: file:///nowhere/vault
    key: env:NO_SUCH_KEY
  - name: offsite
    url: file:///nowhere/offsite
    key: env:NO_SUCH_KEY
  - name: office
    url: file:///nowhere/office
    key: env:NO_SUCH_KEY
"""

SHOP = """\
clusters: [east, west]
schedule: {cron: "0 */4 * * *", timezone: Europe/Berlin}
retention: {keep: {last: 3}}
testRestore: {schedule: {cron: "30 5 * * 0"}}
upkeep: {scrub: 25%}
"""

HOOKED = """\
clusters: [east]
objectives: {rpo: 24h}
retention: {keep: {last: 3}}
hooks:
  - scale: {namespace: shop, workload: statefulset/db}
"""

PLAIN = """\
clusters: [east]
objectives: {rpo: 24h}
retention: {keep: {last: 3}}
podHooks: {enabled: false}
"""

AZURE = """\
    azure:
      subscription: 11111111-2222-3333-4444-555555555555
      location: westeurope
      nodeResourceGroup: MC_shop
      snapshotResourceGroup: snapshots
"""

AKS = (
    "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/shop"
    "/providers/Microsoft.ContainerService/managedClusters/shop-aks"
)

COPIED = """\
clusters: [east]
schedule: {cron: "0 */4 * * *"}
retention: {keep: {last: 3}}
copies: [{vault: offsite}, {vault: office, retention: {keep: {last: 9}}}]
"""

ABROAD = """\
clusters: [east]
schedule: {cron: "0 */4 * * *"}
retention: {keep: {last: 3}}
volumes:
  mode: azure
  azure: {copies: [{region: northeurope, resourceGroup: north, keep: {last: 2}}]}
"""

HOLDING = HOOKED + "quiesce: {dags: [load_orders], mode: pause}\n"

BROKEN = "clusters: [east]\nretention: {keep: {last: 0}}\n"


@pytest.fixture
def include(tmp_path: Path) -> Callable[..., Path]:
    def write(**policies: str) -> Path:
        folder = tmp_path / "include"
        (folder / "policies").mkdir(parents=True, exist_ok=True)
        (folder / "clusters.yaml").write_text(CLUSTERS)
        for name, text in policies.items():
            (folder / "policies" / f"{name}.yaml").write_text(text)
        return folder

    return write


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Parsed:
    folder = tmp_path_factory.mktemp("include")
    (folder / "policies").mkdir()
    (folder / "clusters.yaml").write_text(CLUSTERS)
    (folder / "policies" / "shop.yaml").write_text(SHOP)
    (folder / "policies" / "hooked.yaml").write_text(HOOKED)
    (folder / "policies" / "plain.yaml").write_text(PLAIN)
    return parse_dags(folder)


def test_every_instance_has_its_dags_and_nothing_else_is_there(parsed: Parsed) -> None:
    assert parsed.errors == {}
    assert sorted(parsed.dags) == [
        "backup.hooked.east",
        "backup.plain.east",
        "backup.shop.east",
        "backup.shop.west",
        "replay",
        "restore",
        "test_restore.shop.east",
        "test_restore.shop.west",
        "upkeep.hooked.east",
        "upkeep.plain.east",
        "upkeep.shop.east",
        "upkeep.shop.west",
        "watch",
    ]


def test_a_backup_is_these_tasks_in_this_order(parsed: Parsed) -> None:
    assert parsed.graph("backup.plain.east") == {
        "enumerate": ["dump", "volumes"],
        "dump": ["commit", "snapshot"],
        "volumes": ["snapshot"],
        "snapshot": ["settle"],
        "settle": ["commit"],
        "commit": ["prune"],
        "prune": ["report"],
        "report": [],
    }
    tasks = parsed.dags["backup.plain.east"]["tasks"]
    assert [name for name, task in tasks.items() if task["mapped"]] == ["dump", "snapshot"]
    assert tasks["settle"]["rule"] == "all_done"
    assert tasks["commit"]["rule"] == "none_failed"
    assert tasks["report"]["rule"] == "all_done"
    assert {task["retries"] for task in tasks.values()} == {2}
    assert tasks["commit"]["outlets"] == ["x-lifeboat://main/plain.east"]


def test_copies_come_between_commit_and_prune(include: Callable[..., Path]) -> None:
    found = parse_dags(include(copied=COPIED))
    graph = found.graph("backup.copied.east")
    assert (graph["commit"], graph["copy"]) == (["copy", "prune"], ["prune"])
    assert graph["prune"] == ["report"]
    tasks = found.dags["backup.copied.east"]["tasks"]
    assert len(tasks) == 13
    assert tasks["copy"]["mapped"]
    assert tasks["copy"]["rule"] == tasks["prune"]["rule"] == "all_success"
    assert sorted(found.graph("upkeep.copied.east")) == ["prune", "reconcile", "scrub"]


def test_copies_into_regions_are_started_beside_pruning(include: Callable[..., Path]) -> None:
    folder = include(copied=ABROAD)
    clusters = CLUSTERS.replace("kubeconfig: /nowhere/kubeconfig\n", f"inCluster: true\n{AZURE}")
    (folder / "clusters.yaml").write_text(clusters)
    found = parse_dags(folder)
    assert found.errors == {}
    graph = found.graph("backup.copied.east")
    assert (graph["commit"], graph["copy_regions"], graph["prune"]) == (
        ["copy_regions", "prune"],
        ["report"],
        ["report"],
    )
    assert found.imported == []
    upkeep = found.graph("upkeep.copied.east")
    assert (upkeep["copy_regions"], sorted(upkeep)) == (
        [],
        ["copy_regions", "prune", "reconcile", "scrub"],
    )


def test_what_belongs_to_a_point_is_noted_beside_pruning(include: Callable[..., Path]) -> None:
    folder = include(shop=COPIED)
    reached = f"aks: {{id: {AKS}}}"
    clusters = CLUSTERS.replace("kubeconfig: /nowhere/kubeconfig", reached)
    (folder / "clusters.yaml").write_text(clusters)
    found = parse_dags(folder)
    assert found.errors == {}
    graph = found.graph("backup.shop.east")
    assert graph["commit"] == ["context", "copy", "prune"]
    assert graph["context"] == ["report"]
    assert found.imported == []


@pytest.mark.parametrize("instance", ["hooked.east", "shop.east"])
def test_hooks_dump_first_and_are_undone_whatever_happens(parsed: Parsed, instance: str) -> None:
    """Also of a policy without hooks: its pods may have some."""
    graph = parsed.graph(f"backup.{instance}")
    assert graph["dump"] == ["commit", "find_hooks"]
    assert graph["find_hooks"] == ["freeze_limit", "quiesce"], "one beside the other"
    assert graph["quiesce"] == ["freeze_limit", "snapshot"]
    assert graph["snapshot"] == ["settle", "unquiesce"]
    assert graph["freeze_limit"] == ["report"], "nothing but the report waits for the limit"
    assert graph["unquiesce"] == ["settle"], "the point tells how the freeze ended"
    # Its setup is enumerate: Airflow runs no teardown whose setup failed, and quiesce may fail.
    assert "unquiesce" in graph["enumerate"]
    tasks = parsed.dags[f"backup.{instance}"]["tasks"]
    assert tasks["unquiesce"]["teardown"]
    assert (tasks["unquiesce"]["retries"], tasks["settle"]["rule"]) == (5, "all_done")
    assert tasks["freeze_limit"]["rule"] == "one_success", "it waits before anything is frozen"
    assert tasks["snapshot"]["rule"] == "none_failed", "where nothing is, quiesce is skipped"


def test_other_dags_are_held_before_the_freeze_and_let_go_whatever_happens(
    include: Callable[..., Path],
) -> None:
    found = parse_dags(include(holding=HOLDING))
    assert found.errors == {}
    graph = found.graph("backup.holding.east")
    assert graph["volumes"] == ["hold_dags", "hold_limit", "snapshot"]
    assert graph["hold_dags"] == ["find_hooks", "hold_limit", "snapshot"]
    assert "release_dags" in graph["settle"]
    assert "release_dags" in graph["enumerate"]
    tasks = found.dags["backup.holding.east"]["tasks"]
    assert tasks["release_dags"]["teardown"]
    assert tasks["release_dags"]["retries"] == 5
    assert found.imported == []


def test_files_go_to_the_vault_before_the_point_names_them(include: Callable[..., Path]) -> None:
    found = parse_dags(include(shop=SHOP + "volumes: {vaultTier: {}}\n"))
    assert found.errors == {}
    graph = found.graph("backup.shop.east")
    assert graph["settle"] == ["move"]
    assert graph["move"] == ["clear_movers", "commit"]
    tasks = found.dags["backup.shop.east"]["tasks"]
    assert tasks["clear_movers"]["teardown"]
    assert "clear_movers" in graph["enumerate"]
    assert found.imported == []


def test_a_test_restore_is_torn_down_whatever_happens(parsed: Parsed) -> None:
    graph = parsed.graph("test_restore.shop.east")
    order = ["choose", "scratch", "volumes", "resources", "hooks", "ready"]
    order += ["checks", "verdict"]
    order += ["tear_down", "report"]
    assert sorted(graph) == sorted(order)
    for task, following in pairwise(order):
        assert following in graph[task]
    assert "tear_down" in graph["choose"]
    tasks = parsed.dags["test_restore.shop.east"]["tasks"]
    assert tasks["tear_down"]["teardown"]
    assert tasks["verdict"]["rule"] == tasks["report"]["rule"] == "all_done"


def test_points_and_drills_start_test_restores_where_the_policy_says(
    include: Callable[..., Path],
) -> None:
    drilled = PLAIN + "testRestore: {everyPoints: 5, within: 30d, cluster: west}\n"
    both = PLAIN + "testRestore: {everyPoints: 5, schedule: {cron: '0 5 * * *'}}\n"
    found = parse_dags(include(shop=SHOP, drilled=drilled, both=both))
    assert found.errors == {}
    graph = found.graph("drills")
    assert graph == {"due": ["prove"], "prove": []}
    assert found.dags["drills"]["schedule"] == "0 5 * * *"
    for name in ("drilled", "both"):
        dag = found.dags[f"test_restore.{name}.east"]
        assert dag["waits_for"] == [f"x-lifeboat://main/{name}.east"]
        assert {"asset_triggered", "backfill"} <= set(dag["run_types"])
    assert found.dags["test_restore.shop.east"]["waits_for"] == []
    scratch = found.dags["test_restore.drilled.east"]["tasks"]["scratch"]
    assert scratch["downstream"] == ["volumes"]
    assert found.imported == []
    assert "drills" not in parse_dags(include(drilled=PLAIN, both=PLAIN)).dags


def test_upkeep_scrubs_whatever_was_found_and_prunes_only_a_sound_vault(parsed: Parsed) -> None:
    assert parsed.graph("upkeep.shop.east") == {
        "reconcile": ["prune", "scrub"],
        "scrub": ["prune"],
        "prune": [],
    }
    dag = parsed.dags["upkeep.shop.east"]
    tasks = dag["tasks"]
    assert tasks["scrub"]["rule"] == "all_done"
    assert tasks["reconcile"]["rule"] == tasks["prune"]["rule"] == "all_success"
    assert (dag["schedule"], dag["timezone"], dag["catchup"]) == ("30 3 * * 0", "UTC", False)
    assert (dag["paused"], dag["max_active_runs"]) == (False, 1)
    assert dag["tags"] == ["cluster:east", "lifeboat", "policy:shop", "upkeep"]
    assert dag["run_types"] == [], "also a backfill, over the points of then"
    share = dag["params"]["share"]
    assert (share["minimum"], share["maximum"], dag["defaults"]["share"]) == (1, 100, 25)


def test_the_restore_form_offers_what_there_is(parsed: Parsed) -> None:
    dag = parsed.dags["restore"]
    assert dag["params"]["instance"]["enum"] == [
        "hooked.east",
        "plain.east",
        "shop.east",
        "shop.west",
    ]
    assert dag["params"]["cluster"]["enum"] == ["same", "east", "west"]
    assert dag["params"]["mode"]["enum"] == ["skip", "merge", "replace", "recreate", "fail"]
    assert dag["params"]["approval"]["enum"] == ["none", "required", "second-person"]
    assert dag["run_types"] == ["manual", "operator_triggered"]
    phases = ["approve", "approved", "hooks", "prepare", "ready", "resources", "volumes"]
    assert parsed.graph("restore")["plan"] == phases


def test_nothing_is_restored_before_the_approval_is_recorded(parsed: Parsed) -> None:
    graph = parsed.graph("restore")
    assert graph["approve"] == ["approved"]
    assert graph["approved"] == ["prepare"]
    tasks = parsed.dags["restore"]["tasks"]
    assert tasks["approved"]["rule"] == "none_failed", "where nobody is asked, approve is skipped"
    assert tasks["prepare"]["rule"] == "all_success"


def test_when_and_how_often_runs_are_made(parsed: Parsed) -> None:
    dag = parsed.dags["backup.shop.east"]
    assert (dag["schedule"], dag["timezone"]) == ("0 */4 * * *", "Europe/Berlin")
    assert 0 < dag["run_immediately"] < 1  # a new policy waits for its next tick
    assert (dag["catchup"], dag["max_active_runs"], dag["paused"]) == (False, 1, False)
    assert dag["limit"] is None, "when it is reached, Airflow skips teardowns"
    assert dag["tags"] == ["backup", "cluster:east", "lifeboat", "policy:shop"]
    assert parsed.dags["backup.hooked.east"]["schedule"] is None


def test_schedules_that_airflow_has_no_timetable_for(include: Callable[..., Path]) -> None:
    """Serialized by Airflow itself, which has the class from the plugin."""
    objectives = "objectives: {rpo: 24h}\nretention: {keep: {last: 3}}\n"
    found = parse_dags(
        include(
            every=f"clusters: [east]\nschedule: {{every: 90m, jitter: 20m}}\n{objectives}",
            fresh="clusters: [east]\nschedule: {noPointOlderThan: 4h,"
            ' except: [{from: "09:00", to: "10:00"}]}\nretention: {keep: {last: 3}}\n',
            after="clusters: [east]\nschedule: {after: {assets: [orders], dags: [nightly]}}\n"
            + objectives,
            both='clusters: [east]\nschedule: {cron: "0 2 * * *", after: {dags: [nightly]}}\n'
            + objectives,
        )
    )
    assert found.errors == {}
    kinds = {dag: told["timetable"] for dag, told in found.dags.items() if "backup." in dag}
    assert kinds == {
        "backup.every.east": "lifeboat.pipeline.timetable.PolicyTimetable",
        "backup.fresh.east": "lifeboat.pipeline.timetable.PolicyTimetable",
        "backup.after.east": "airflow.timetables.simple.AssetTriggeredTimetable",
        "backup.both.east": "airflow.timetables.assets.AssetOrTimeSchedule",
    }
    assert {told["periodic"] for told in found.dags.values()} == {True, False}
    assert found.dags["backup.both.east"]["periodic"]
    assert found.imported == []


def test_parsing_talks_to_nobody_and_imports_no_heavy_client(parsed: Parsed) -> None:
    """Sockets are forbidden in the parser: a connection would be an import error above."""
    assert parsed.imported == []


def test_a_broken_policy_takes_no_other_down(include: Callable[..., Path]) -> None:
    found = parse_dags(include(shop=SHOP, broken=BROKEN))
    assert "backup.shop.east" in found.dags
    assert not any("broken" in dag for dag in found.dags)
    assert list(found.errors) == ["policy_lint.py"]
    assert "broken.yaml:2" in found.errors["policy_lint.py"]
    assert "retention.keep.last" in found.errors["policy_lint.py"]


FOUND = """\
{"clusters": [
  {"name": "north", "ident": "connection:north", "source": "Airflow's connections",
   "labels": {"tier": "gold"}, "seen": "2026-11-22T12:00:00Z"LOST}
]}
"""
LABELLED = """\
clusterLabels: {tier: gold}
objectives: {rpo: 24h}
retention: {keep: {last: 3}}
"""


def test_a_found_cluster_is_protected_at_the_next_parse_and_a_lost_one_still_is(
    include: Callable[..., Path],
) -> None:
    folder = include(shop=SHOP, gold=LABELLED)
    discover = "discover: {airflow: lifeboat_airflow}\n"
    (folder / "clusters.yaml").write_text(CLUSTERS + discover)
    before = parse_dags(folder)
    assert list(before.errors) == ["policy_lint.py"], "labels of no cluster are a mistake"
    assert before.graph("discover") == {"discover": []}
    assert before.dags["discover"]["schedule"] == "17 * * * *"
    assert before.dags["discover"]["run_types"] == ["manual", "operator_triggered", "scheduled"]
    (folder / "discovered.json").write_text(FOUND.replace("LOST", ""))
    found = parse_dags(folder)
    assert found.errors == {}
    assert found.imported == []
    assert "backup.gold.north" in found.dags
    (folder / "discovered.json").write_text(FOUND.replace("LOST", ', "lost": "2026-11-23T00:00"'))
    lost = parse_dags(folder)
    assert set(lost.dags) == set(found.dags)
    assert "lifeboat clusters forget north" in lost.errors["policy_lint.py"]


def test_every_edit_is_a_new_version_and_nothing_else_is(include: Callable[..., Path]) -> None:
    first = parse_dags(include(shop=SHOP, hooked=HOOKED))
    again = parse_dags(include(shop=SHOP, hooked=HOOKED))
    assert {d: first.dags[d]["version"] for d in first.dags} == {
        d: again.dags[d]["version"] for d in again.dags
    }
    edited = parse_dags(include(shop=SHOP.replace("last: 3", "last: 4")))
    for dag in (
        "backup.shop.east",
        "backup.shop.west",
        "test_restore.shop.east",
        "upkeep.shop.east",
    ):
        assert edited.dags[dag]["version"] != first.dags[dag]["version"]
    for dag in ("backup.hooked.east", "restore"):
        assert edited.dags[dag]["version"] == first.dags[dag]["version"]
    assert "last: 4" in edited.dags["backup.shop.east"]["doc"]


def test_a_tasks_start_builds_its_own_dag_from_its_own_policy(include: Callable[..., Path]) -> None:
    folder = include(shop=SHOP, hooked=HOOKED, broken=BROKEN)
    found = parse_dags(folder, task_of="backup.shop.west")
    backups = [dag for dag, told in found.dags.items() if told["file"] == "backup.py"]
    proofs = [dag for dag, told in found.dags.items() if told["file"] == "test_restore.py"]
    assert (backups, proofs) == (["backup.shop.west"], [])


def test_five_hundred_instances_and_ten_broken_policies(include: Callable[..., Path]) -> None:
    """Each broken one is named, and no other is missing."""
    good = {f"p{number:03}": PLAIN for number in range(500)}
    found = parse_dags(include(**good, **{f"broken{n}": BROKEN for n in range(10)}))
    backups = [dag for dag in found.dags if dag.startswith("backup.")]
    assert len(backups) == 500
    assert list(found.errors) == ["policy_lint.py"]
    assert all(f"broken{n}.yaml" in found.errors["policy_lint.py"] for n in range(10))


def test_fifty_policies_parse_in_seconds(include: Callable[..., Path]) -> None:
    """Airflow gives a file 30 s; generous, since other work may hold the processor."""
    found = parse_dags(include(**{f"p{n:02}": SHOP for n in range(50)}))
    assert len(found.dags) == 303
    assert found.seconds < 20


def test_a_standby_follows_points_and_takeovers_ask_before_they_touch_anything(
    include: Callable[..., Path],
) -> None:
    found = parse_dags(include(plain=PLAIN + "standby: {cluster: west}\n"))
    assert found.errors == {}
    assert {"failback", "failover", "standby.plain.east"} <= found.dags.keys()
    dag = found.dags["standby.plain.east"]
    assert dag["waits_for"] == ["x-lifeboat://main/plain.east"]
    assert "backfill" not in dag["run_types"]
    assert found.graph("standby.plain.east") == {
        "choose": ["prepare", "resources", "volumes"],
        "prepare": ["volumes"],
        "volumes": ["resources"],
        "resources": ["report"],
        "report": [],
    }
    assert found.graph("upkeep.plain.east") == {
        "reconcile": ["prune", "scrub"],
        "scrub": ["prune"],
        "prune": [],
        "standby": ["prune_standby", "reconcile_standby", "scrub_standby"],
        "reconcile_standby": ["prune_standby", "scrub_standby"],
        "scrub_standby": ["prune_standby"],
        "prune_standby": [],
    }
    for name, first in (("failover", "fence"), ("failback", "hold_both")):
        graph = found.graph(name)
        assert (graph["check"], graph["approve"]) == (["approve"], ["approved"])
        assert graph["approved"] == [first], "before somebody agreed, nothing is held"
    assert found.imported == []
