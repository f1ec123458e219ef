"""A standby between two real control planes: kept in step, taken over, brought home."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lifeboat.cli import app as cli
from lifeboat.errors import NotStandingBy, RestoreIncomplete, UsageError
from lifeboat.point.standby import Standing
from lifeboat.ports.marks import HELD, STANDBY
from lifeboat.restore.run import resources
from lifeboat.standby import failback as back
from lifeboat.standby import failover as over
from lifeboat.standby.runbook import Wish, standing
from lifeboat.standby.sync import Asked, begin, start
from local.api import wait_until
from local.cluster import LocalCluster
from tests.support.rights import asked_by
from tests.support.standby_pair import Pair, make_pair, quiet, two_clusters

pytestmark = pytest.mark.timeout(900)

PRIMARY, DR = "prod", "dr"
OF_STANDBY = (
    "lifeboat-writer",
    "lifeboat-writer-merge",
    "lifeboat-writer-replace",
    "lifeboat-writer-swap",
    "lifeboat-planner",
)


@pytest.fixture(scope="module")
def clusters() -> Iterator[dict[str, LocalCluster]]:
    with two_clusters() as found:
        yield found


@pytest.fixture
def pair(clusters: dict[str, LocalCluster], tmp_path: Path) -> Iterator[Pair]:
    made = make_pair(clusters, tmp_path)
    yield made
    for cluster in clusters.values():
        for name in (made.name, f"{made.name}-there"):
            cluster.api.delete("v1", "Namespace", "", name)


@contextmanager
def dead(cluster: LocalCluster) -> Iterator[None]:
    """Its API server answers nobody."""
    server = cluster.part("kube-apiserver")
    server.kill()
    server.reap()
    try:
        yield
    finally:
        server.start()
        server.wait_ready(cluster.api.ready, 120.0)


def said(pair: Pair, *words: str) -> Result:
    """The command line, with the files."""
    return CliRunner().invoke(cli, [*words, "--include", str(pair.include)])


def requests_of(pair: Pair) -> int:
    """How many the engine has sent to the standby."""
    log = pair.clusters[DR].audit_log.read_text()
    return sum(f":lifeboat-{pair.name}:" in line for line in log.splitlines())


def now(pair: Pair) -> Standing:
    return standing(pair.sides())


def test_every_point_is_brought_held_and_a_second_time_costs_nothing(pair: Pair) -> None:
    pair.bind(DR, *OF_STANDBY)
    point = pair.backup().point
    ended = pair.sync()
    assert (ended.point, ended.whole, ended.missing) == (point, True, ())
    web = pair.get(DR, "apps/v1", "Deployment", "web")
    assert web["spec"]["replicas"] == 0
    assert web["metadata"]["annotations"][HELD] == "replicas=2"
    assert web["metadata"]["annotations"][STANDBY] == pair.id
    assert pair.get(DR, "batch/v1", "CronJob", "nightly")["spec"]["suspend"] is True
    assert pair.get(DR, "apps/v1", "StatefulSet", "queue")["spec"]["replicas"] == 0
    agent = pair.get(DR, "apps/v1", "DaemonSet", "agent")
    assert agent["spec"]["template"]["spec"]["nodeSelector"] == {HELD: "true"}
    assert pair.get(DR, "v1", "Pod", "lone")["spec"]["schedulingGates"] == [{"name": HELD}]
    pair.wait_still(DR)
    assert pair.ledger(DR).read_text() == "one"
    asked = requests_of(pair)
    assert pair.sync() == ended, "it is there already"
    assert requests_of(pair) == asked, "the cluster was not even asked"
    refused = asked_by(pair.endpoints[DR], pair.clusters[DR].audit_log).refused
    assert not refused, sorted(refused)
    alone = ("--vault", f"file://{pair.folder / 'vault'}", "--key", f"file:{pair.folder / 'key'}")
    for told in (said(pair, "standby"), CliRunner().invoke(cli, ["standby", *alone])):
        assert told.exit_code == 0, (told.output, told.exception)
        assert f"{pair.id}" in told.output
        assert "in step" in told.output


def test_what_changed_comes_what_left_goes_and_what_is_foreign_stays(pair: Pair) -> None:
    pair.bind(DR, *OF_STANDBY)
    pair.backup()
    pair.sync()
    for name in ("theirs", "extra"):
        pair.make(DR, name, "theirs")
    pair.make(PRIMARY, "settings", "green")
    pair.make(PRIMARY, "extra", "ours")
    pair.clusters[PRIMARY].api.delete("v1", "Secret", pair.name, "login")
    pair.ledger(PRIMARY).write_text("two")
    point = pair.backup().point
    with pytest.raises(RestoreIncomplete, match="extra: exists, and the standby did not make it"):
        pair.sync()
    assert pair.colour(DR, "settings") == "green"
    assert (pair.colour(DR, "theirs"), pair.colour(DR, "extra")) == ("theirs", "theirs")
    assert pair.clusters[DR].api.gone("v1", "Secret", pair.name, "login")
    assert pair.ledger(DR).read_text() == "two"
    brought = now(pair).brought
    assert brought is not None
    assert (brought.point, brought.whole, len(brought.missing)) == (point, False, 1)
    pair.clusters[DR].api.delete("v1", "ConfigMap", pair.name, "extra")
    assert pair.sync().whole, "the cause is mended"
    assert pair.colour(DR, "extra") == "ours"


def test_a_killed_sync_goes_on_where_it_stopped(pair: Pair) -> None:
    pair.backup()
    command = [sys.executable, "-m", "lifeboat", "standby", "sync", pair.id]
    command += ["--include", str(pair.include)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ.copy())
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("volumes"):
            break
    process.kill()
    process.communicate()
    head = now(pair).head
    assert head is not None
    assert (head.event, head.number) == ("syncing", 1)
    ended = pair.sync()
    assert (ended.restore, ended.number, ended.whole) == (head.restore, 2, True)
    assert pair.ledger(DR).read_text() == "one"


def test_who_lost_the_turn_changes_nothing_any_more(pair: Pair) -> None:
    pair.backup()
    sides = pair.sides()
    context = sides.standby()
    plan = start(context, begin(context, "latest", Asked("slow"), sides.read_transform), quiet)
    over.begin(sides, Wish("hasty"))
    with pytest.raises(NotStandingBy, match="stopped before its next change"):
        resources(context, plan, quiet)
    assert pair.clusters[DR].api.gone("apps/v1", "Deployment", pair.name, "web")
    with pytest.raises(NotStandingBy, match="is failing-over"):
        pair.sync()


def test_the_standby_takes_over_from_a_dead_primary_and_hands_back(pair: Pair) -> None:
    point = pair.backup().point
    pair.sync()
    pair.ledger(PRIMARY).write_text("lost")
    with dead(pair.clusters[PRIMARY]):
        told = said(pair, "failover", pair.id, "--dry-run")
        assert "primary does NOT answer" in told.output, told.output
        assert now(pair).mode == "warm"
        done = said(pair, "failover", pair.id, "--yes")
        assert done.exit_code == 0, (done.output, done.exception)
        assert "lost: what was written after" in done.output
        assert "the primary was not held" in done.output
    pair.wait_running(DR)
    assert now(pair).mode == "active"
    assert pair.get(DR, "batch/v1", "CronJob", "nightly")["spec"]["suspend"] is False
    assert not pair.get(DR, "v1", "Pod", "lone")["spec"].get("schedulingGates")
    pair.ledger(DR).write_text("written in dr")
    pair.make(DR, "made-in-dr", "red")
    with pytest.raises(NotStandingBy, match="would overwrite what it has written"):
        pair.sync(point)
    with pytest.raises(NotStandingBy, match="nothing to capture"):
        pair.backup()
    assert pair.ledger(DR).read_text() == "written in dr"
    wait_until("the pod in prod can be deleted", lambda: _without_lone(pair), 60)
    done = said(pair, "failback", pair.id, "--yes")
    assert done.exit_code == 0, (done.output, done.exception)
    assert "0 workloads held" not in done.output
    pair.wait_running(PRIMARY)
    assert pair.ledger(PRIMARY).read_text() == "written in dr"
    assert pair.colour(PRIMARY, "made-in-dr") == "red"
    assert now(pair).mode == "warm"
    pair.wait_still(DR)
    assert pair.backup().point > point
    assert pair.sync().whole, "what was made in the standby is its own"


def _without_lone(pair: Pair) -> bool:
    """A bare pod cannot be held: a person deletes it, as the runbook says."""
    for where in (PRIMARY, DR):
        pair.clusters[where].api.delete("v1", "Pod", pair.name, "lone")
    return all(pair.clusters[w].api.gone("v1", "Pod", pair.name, "lone") for w in (PRIMARY, DR))


def test_a_planned_failover_loses_nothing_and_can_be_given_up(pair: Pair) -> None:
    for where in (PRIMARY, DR):
        pair.bind(where, "lifeboat-reader", *OF_STANDBY)
    wait_until("there is no bare pod", lambda: _lone_gone(pair), 60)
    pair.backup()
    sides = pair.sides()
    over.begin(sides, Wish("one", planned=True))
    assert over.fence_or_tell(sides, quiet) == []
    pair.wait_still(PRIMARY)
    back.failback(sides, Wish("no"), quiet)
    pair.wait_running(PRIMARY)
    assert now(pair).mode == "warm"
    pair.ledger(PRIMARY).write_text("the very last")
    ended = over.failover(sides, Wish("two", planned=True), quiet)
    assert ended.failed == ()
    pair.wait_running(DR)
    assert pair.ledger(DR).read_text() == "the very last"
    assert pair.get(PRIMARY, "apps/v1", "Deployment", "web")["spec"]["replicas"] == 0
    with pytest.raises(UsageError, match="runs in its standby"):
        over.failover(sides, Wish("three"), quiet)
    assert back.failback(sides, Wish("four"), quiet).failed == ()
    pair.wait_running(PRIMARY)
    assert pair.ledger(PRIMARY).read_text() == "the very last"
    for where in (PRIMARY, DR):
        asked = asked_by(pair.endpoints[where], pair.clusters[where].audit_log)
        assert not asked.refused, sorted(asked.refused)


def _lone_gone(pair: Pair) -> bool:
    pair.clusters[PRIMARY].api.delete("v1", "Pod", pair.name, "lone")
    return pair.clusters[PRIMARY].api.gone("v1", "Pod", pair.name, "lone")


def test_it_may_be_called_otherwise_there_and_run_beside(pair: Pair) -> None:
    there = f"{pair.name}-there"
    pair.policy["standby"] |= {"mapping": {pair.name: there}, "workloads": "running"}
    wait_until("there is no bare pod", lambda: _lone_gone(pair), 60)
    pair.backup()
    pair.sync()
    pair.wait_running(DR)
    assert pair.get(DR, "batch/v1", "CronJob", "nightly")["spec"]["suspend"] is True
    pair.ledger(PRIMARY).write_text("two")
    pair.backup()
    assert pair.sync().whole
    pair.wait_running(DR)
    assert pair.ledger(DR).read_text() == "two", "swapped under a workload that ran"
    sides = pair.sides()
    assert over.failover(sides, Wish("over", planned=True), quiet).failed == ()
    assert pair.get(DR, "batch/v1", "CronJob", "nightly")["spec"]["suspend"] is False
    pair.ledger(DR).write_text("written there")
    assert back.failback(sides, Wish("back"), quiet).failed == ()
    pair.wait_running(PRIMARY)
    assert pair.ledger(PRIMARY).read_text() == "written there"
    assert pair.clusters[PRIMARY].api.gone("v1", "Namespace", "", there)
