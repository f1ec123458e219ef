"""The primary is lost for good and made anew; the application comes home to an empty cluster."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree

import pytest
from typer.testing import CliRunner

from lifeboat.cli import app as cli
from lifeboat.point import catalog
from lifeboat.standby import failback as back
from lifeboat.standby import failover as over
from lifeboat.standby.runbook import Wish, standing
from local.api import wait_until
from tests.support.rights import asked_by
from tests.support.standby_pair import Pair, make_pair, quiet, rebuilt, two_clusters

pytestmark = pytest.mark.timeout(900)

PRIMARY, DR = "prod", "dr"
ROLES = (
    "lifeboat-reader",
    "lifeboat-writer",
    "lifeboat-writer-merge",
    "lifeboat-writer-replace",
    "lifeboat-writer-swap",
    "lifeboat-planner",
)


def test_it_comes_home_to_a_cluster_made_anew_and_is_safe_there_at_once(tmp_path: Path) -> None:
    with two_clusters() as clusters:
        pair = make_pair(clusters, tmp_path)
        for where in (PRIMARY, DR):
            pair.bind(where, *ROLES)
        wait_until("there is no bare pod", lambda: _lone_gone(pair, PRIMARY), 60)
        point = pair.backup().point
        pair.sync()
        rmtree(pair.ledger(PRIMARY).parent)  # the disks went with the cluster
        anew = rebuilt(clusters[PRIMARY])
        ended = over.failover(pair.sides(), Wish("lost"), quiet)
        assert ended.failed == ()
        pair.wait_running(DR)
        pair.ledger(DR).write_text("written in dr")
        pair.make(DR, "made-in-dr", "red")
        with anew:
            clusters[PRIMARY] = anew
            pair.bind(PRIMARY, *ROLES)
            home = back.failback(pair.sides(), Wish("home"), quiet)
            assert home.failed == ()
            _is_home(pair, point)
            _nothing_is_lost_when_it_fails_at_once(pair)
            _points_of_the_standby_are_kept_in_order(pair)
            for where in (PRIMARY, DR):
                asked = asked_by(pair.endpoints[where], pair.clusters[where].audit_log)
                assert not asked.refused, sorted(asked.refused)


def _lone_gone(pair: Pair, where: str) -> bool:
    pair.clusters[where].api.delete("v1", "Pod", pair.name, "lone")
    return pair.clusters[where].api.gone("v1", "Pod", pair.name, "lone")


def _is_home(pair: Pair, before: str) -> None:
    pair.wait_running(PRIMARY)
    assert pair.ledger(PRIMARY).read_text() == "written in dr"
    assert pair.colour(PRIMARY, "made-in-dr") == "red"
    assert pair.get(PRIMARY, "apps/v1", "Deployment", "web")["spec"]["replicas"] == 2
    assert pair.get(PRIMARY, "batch/v1", "CronJob", "nightly")["spec"]["suspend"] is False
    pair.wait_still(DR)
    vault = pair.sides().vault
    made = [catalog.find(vault, pair.id, one) for one in catalog.point_ids(vault, pair.id)]
    assert made[0].point == before
    assert [one.complete and one.objects > 10 for one in made] == [True, True], "none of nothing"


def _nothing_is_lost_when_it_fails_at_once(pair: Pair) -> None:
    """Before the first backup after it, with nothing but the vault."""
    there = ("--vault", f"file://{pair.folder / 'vault'}", "--key", f"file:{pair.folder / 'key'}")
    config = ("--kubeconfig", str(pair.clusters[DR].kubeconfig))
    done = CliRunner().invoke(
        cli,
        ["failover", pair.id, "--yes", *there, *config],
        env={"KUBECONFIG": str(pair.clusters[PRIMARY].kubeconfig)},
    )
    assert done.exit_code == 0, (done.output, done.exception)
    pair.wait_running(DR)
    assert pair.ledger(DR).read_text() == "written in dr"
    assert pair.colour(DR, "made-in-dr") == "red"
    assert standing(pair.sides()).mode == "active"


def _points_of_the_standby_are_kept_in_order(pair: Pair) -> None:
    """Those captured in the standby have an instance of their own, and the policy's retention."""
    there, vault = f"{pair.name}.{DR}", pair.sides().vault
    assert len(catalog.point_ids(vault, there)) == 1, "that of the failback"
    pair.policy["retention"] = {"keep": {"last": 1}}
    for words in (
        ("standby", "capture", pair.id),
        ("prune", there, "--at-once"),
        ("reconcile", there),
        ("scrub", there),
    ):
        done = CliRunner().invoke(cli, [*words, "--include", str(pair.include)])
        assert done.exit_code == 0, (words, done.output, done.exception)
    assert len(catalog.point_ids(vault, there)) == 1
    assert "nothing is orphaned" in _said(pair, "reconcile", there), "its snapshots went, too"


def _said(pair: Pair, *words: str) -> str:
    return CliRunner().invoke(cli, [*words, "--include", str(pair.include)]).output
