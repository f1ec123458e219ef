"""prove, rehearse and coverage as a person uses them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lifeboat.cli import app, proof
from lifeboat.cli.source import Source
from lifeboat.errors import ClusterUnreachable, NotProven, StoreUnavailable, UsageError
from lifeboat.point.facts import readable_verdicts
from lifeboat.policy.load import Include
from lifeboat.policy.model import ClustersFile
from lifeboat.proof.run import place_of
from lifeboat.restore.parts import items_of
from lifeboat.restore.plan import stored_plan
from tests.support.kinds import CRON_JOB, DEPLOYMENT
from tests.support.manifests import manifest
from tests.support.proof_world import OBJECTS, ProofWorld

SHOP = "shop.local"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> ProofWorld:
    """Three points: two of October, one of November."""
    made = ProofWorld(OBJECTS + "    - job: {namespace: shop, image: 'tools:4'}\n")
    monkeypatch.setattr(Source, "context", lambda *_: made.context())
    monkeypatch.setattr(Source, "instance", lambda *_: made.context().instance)
    for day in (datetime(2026, 10, 3, tzinfo=UTC), datetime(2026, 10, 30, tzinfo=UTC)):
        made.now = day
        made.back_up(f"run-{day}")
    made.now = datetime(2026, 11, 20, tzinfo=UTC)
    made.back_up("run-3")
    return made


def points(world: ProofWorld) -> list[str]:
    from lifeboat.point import catalog

    return catalog.point_ids(world.context().vault, SHOP)


def test_prove_tells_phases_checks_and_trend(world: ProofWorld) -> None:
    done = CliRunner().invoke(app, ["prove", SHOP])
    assert done.exit_code == 0, done.output
    assert f"point {points(world)[-1]} is proven, recovered in" in done.stdout
    assert "passed     job shop tools:4: its Job succeeded" in done.stdout
    assert "trend      nothing to compare with" in done.stdout


def test_a_failed_check_shows_why_and_ends_with_its_code(world: ProofWorld) -> None:
    world.jobs["tools:4"] = ("orders do not add up", True)
    done = CliRunner().invoke(app, ["prove", SHOP])
    assert isinstance(done.exception, NotProven)
    assert "is NOT proven (partial)" in done.stdout
    assert "what job shop tools:4 said:\n    orders do not add up" in done.stdout
    told = json.loads(CliRunner().invoke(app, ["test-restore", SHOP, "--json"]).stdout)
    assert told["outcome"] == "partial"


def test_every_monthly_point_is_proven_also_when_one_fails(world: ProofWorld) -> None:
    world.jobs["tools:4"] = ("", True)
    asked = ["prove", SHOP, "--every", "monthly", "--since", "2026-10-01T00:00:00Z"]
    done = CliRunner().invoke(app, asked)
    assert isinstance(done.exception, NotProven)
    assert "0 of 2 points proven" in done.stdout
    verdicts = readable_verdicts(world.context().vault, SHOP)
    assert [verdict.point for verdict in verdicts] == points(world)[1:]
    world.jobs.clear()
    done = CliRunner().invoke(app, [*asked, "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["proven"] == 2


def test_wishes_that_mean_nothing_are_refused(world: ProofWorld) -> None:
    done = CliRunner().invoke(app, ["prove", SHOP, "--since", "2026-10-01T00:00:00Z"])
    assert isinstance(done.exception, UsageError)
    done = CliRunner().invoke(app, ["rehearse", SHOP])
    assert "needs another cluster" in str(done.exception)
    asked = ["prove", SHOP, "--every", "monthly", "--since", "2030-10-01T00:00:00Z"]
    done = CliRunner().invoke(app, asked)
    assert "no complete point in that time" in str(done.exception)


def test_a_rehearsal_names_what_the_new_version_does_not_serve(world: ProofWorld) -> None:
    world.cluster.create(DEPLOYMENT, "shop", manifest(DEPLOYMENT, "web", spec={"replicas": 0}))
    job = {"schedule": "0 0 * * *", "jobTemplate": {"spec": {}}}
    world.cluster.create(CRON_JOB, "shop", manifest(CRON_JOB, "nightly", spec=job))
    world.back_up("run-4")
    served = []
    for kind in world.cluster.kinds:
        if kind.kind == "CronJob":
            continue
        if kind.kind == "Deployment":
            kind = replace(kind, version="v3", versions=("v3", "v2"))
        served.append(kind)
    world.cluster.kinds[:] = served
    world.cluster.server_version = "v1.99.0"
    world.cluster.deprecated["v1 secrets"] = "v1 Secret is deprecated in v1.98+"
    world.cluster.reactions["Deployment.apps"] = lambda body: body.update(
        status={"observedGeneration": 1}
    )
    done = CliRunner().invoke(app, ["rehearse", SHOP, "--cluster", "next", "--json"])
    told = json.loads(done.stdout)
    assert told["cluster"] == "next"
    assert told["api"] == [
        "1 CronJob.batch in version v1: v1.99.0 does not serve this kind",
        "1 Deployment.apps in version v1: v1.99.0 does not serve this version; they are restored"
        " as v2",
        "1 Secret in version v1: v1 Secret is deprecated in v1.98+",
    ]
    context = world.context()
    plan = stored_plan(context, SHOP, told["test"])
    versions = {i.kind.kind: i.kind.version for i in items_of(context.vault, plan)}
    assert versions["Deployment"] == "v2", "what it says is what is done"
    world.tick(minutes=1)
    again = json.loads(
        CliRunner().invoke(app, ["prove", SHOP, "--cluster", "next", "--json"]).stdout
    )
    assert again["api"] == told["api"], "and any test restore into another cluster says it"
    world.tick(minutes=1)
    here = json.loads(CliRunner().invoke(app, ["prove", SHOP, "--json"]).stdout)
    assert here["api"] == []


def test_a_cluster_whose_apis_cannot_be_looked_at_is_told_and_the_verdict_written() -> None:
    world = ProofWorld()
    point = world.back_up().point
    world.cluster.fail_next("discover", ClusterUnreachable("gone"))
    place = place_of(world.context(), point, "next")
    assert place.api == ("what it serves could not be looked at: gone",)
    assert world.prove(point, place=place).cluster == "next"


def test_coverage_by_instance_and_cluster(
    world: ProofWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = world.context().instance
    other = replace(found, policy=found.policy.model_copy(update={"name": "till"}))
    include = Include(ClustersFile(), (found, other), ())
    monkeypatch.setattr(proof, "load_include", lambda _: include)
    monkeypatch.setattr(Source, "folder", Path("nowhere"))

    def unlock(vault: object, *_: object, **__: object) -> object:
        return world.context().vault

    monkeypatch.setattr(proof, "unlock", unlock)
    monkeypatch.setattr(proof, "utc_now", lambda: world.now)
    assert CliRunner().invoke(app, ["prove", SHOP]).exit_code == 0
    done = CliRunner().invoke(app, ["coverage"])
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"proven     {SHOP}: ")
    assert lines[1] == "never      till.local: no test restore ran"
    assert lines[2:] == ["local: 1 of 2 proven (50 %)", "all clusters: 1 of 2 proven (50 %)"]
    world.tick(days=31)
    told = json.loads(CliRunner().invoke(app, ["coverage", "--json"]).stdout)
    assert [row["standing"] for row in told["instances"]] == ["late", "never"]
    assert told["all"]["percent"] == 0

    def closed(*_: object, **__: object) -> object:
        raise StoreUnavailable("no answer")

    monkeypatch.setattr(proof, "unlock", closed)
    done = CliRunner().invoke(app, ["coverage"])
    assert done.exit_code == StoreUnavailable.exit_code
    assert f"unreadable {SHOP}: no answer" in done.stdout
