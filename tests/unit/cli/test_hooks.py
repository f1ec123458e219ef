"""Freezes as a person sees them: thaw, show, policy preview and explain."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.cli import app, source
from lifeboat.cli.explained import describe_preview
from lifeboat.cli.source import Source
from lifeboat.policy.explain import describe
from lifeboat.policy.instance import Instance
from lifeboat.policy.load import parse_policy
from lifeboat.steps.context import Context
from lifeboat.steps.freeze import freeze
from lifeboat.steps.preview import preview
from tests.support.frozen_world import FrozenWorld

HOOKS = """
hooks:
  - scale: {namespace: web, workload: deployment/front}
  - exec: {namespace: shop, labels: app=db, pre: {command: [lock]}, post: {command: [unlock]}}
  - http: {pre: {url: "https://shop.example.com/hold?key=1"}}
  - job: {namespace: shop, post: {image: "tools:go"}}
"""
INSTANCE = "shop.local"
CLUSTERS = """
clusters: [{name: local, kubeconfig: /kube}]
vaults: [{name: main, url: "file:///vault", key: env:KEY}]
"""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> FrozenWorld:
    made = FrozenWorld(HOOKS)
    monkeypatch.setattr(Source, "context", lambda *_: made.context())
    monkeypatch.setattr(Source, "vault", lambda *_: made.context().vault)
    return made


def test_thaw_brings_back_what_a_dead_run_holds_and_says_so(world: FrozenWorld) -> None:
    freeze(world.context(), world.scope())
    done = CliRunner().invoke(app, ["thaw", INSTANCE])
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "brought back job tools:go in shop",
        "brought back pod shop/db-1 (main)",
        "brought back pod shop/db-0 (main)",
        "brought back deployment/front in web",
    ]
    assert world.replicas() == 3
    done = CliRunner().invoke(app, ["thaw", INSTANCE])
    assert done.stdout == "nothing stands still\n"
    done = CliRunner().invoke(app, ["thaw", INSTANCE, "--json"])
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("policies", [{}, {"shop": "clusters: [local]\nretention: {keep: "}])
def test_a_policy_that_is_gone_or_broken_keeps_nobody_from_thawing(
    policies: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From what the run wrote into the vault that clusters.yaml names."""
    world = FrozenWorld(HOOKS)
    freeze(world.context(), world.scope())
    (tmp_path / "policies").mkdir()
    (tmp_path / "clusters.yaml").write_text(CLUSTERS)
    for name, text in policies.items():
        (tmp_path / "policies" / f"{name}.yaml").write_text(text)

    def opened(instance: Instance, *_: object) -> Context:
        assert (instance.cluster.kubeconfig, instance.policy_text) == ("/kube", world.policy)
        return replace(world.context(), instance=instance)

    monkeypatch.setattr(source, "unlock", lambda *_: world.context().vault)
    monkeypatch.setattr(source, "open_context", opened)
    done = CliRunner().invoke(app, ["thaw", INSTANCE, "--include", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert len(done.stdout.splitlines()) == 4
    assert world.replicas() == 3
    done = CliRunner().invoke(app, ["thaw", INSTANCE, "--include", str(tmp_path)])
    assert done.exit_code != 0, "nothing stands still, and nobody knows the instance"


def test_show_tells_how_the_freeze_went(world: FrozenWorld) -> None:
    world.pod("shop", "cache", a_command="sync")
    world.pods.answers["sync"] = 2
    point = world.point().point
    done = CliRunner().invoke(app, ["show", INSTANCE, point])
    told = done.stdout.splitlines()
    (began,) = [number for number, line in enumerate(told) if line.startswith("stilled ")]
    assert [line.partition(":")[0] for line in told[began + 1 : began + 6]] == [
        "  pre  deployment/front in web",
        "  pre  pod shop/db-0 (main)",
        "  pre  pod shop/db-1 (main)",
        "  pre  http https",
        "  pre  pod shop/cache (main)",
    ]
    assert "  pre  pod shop/cache (main): FAILED" in told
    assert any(line.startswith("LEFT OUT   stillness of pod shop/cache (main)") for line in told)
    done = CliRunner().invoke(app, ["show", INSTANCE, point, "--json"])
    hooks = json.loads(done.stdout)["manifest"]["freeze"]["hooks"]
    assert [hook["exit_code"] for hook in hooks if hook["asked_by"] == "pod"] == [2]


def test_the_preview_is_in_the_order_of_the_freeze(world: FrozenWorld) -> None:
    policy = parse_policy(world.policy, "shop.yaml", "shop")
    lines = describe_preview(preview(policy, world.cluster, DisksCsi(world.cluster)))
    at = lines.index("5 hooks around the snapshots, in this order")
    assert lines[at + 1 : at + 6] == [
        "  pre and post: deployment/front in web (asked for by the policy)",
        "  pre and post: pod shop/db-0 (main) (asked for by the policy)",
        "  pre and post: pod shop/db-1 (main) (asked for by the policy)",
        "  pre: http https://shop.example.com/hold (asked for by the policy)",
        "  post: job tools:go in shop (asked for by the policy)",
    ]


def test_explain_tells_what_stands_still_and_for_how_long(world: FrozenWorld) -> None:
    (row,) = [line for line in describe(world.context().instance).splitlines() if "Stopped" in line]
    assert row == (
        "| **Stopped meanwhile** | `deployment/front` of `web` is scaled down, then a command in"
        " pods `app=db` of `shop`, then a request to `https://shop.example.com/hold`, then a Job in"
        " `shop`, then what pods ask for by Velero's annotations; for 5m at most |"
    )
    off = FrozenWorld("podHooks: {enabled: false}\n")
    assert "Stopped" not in describe(off.context().instance)
