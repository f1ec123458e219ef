"""clusters list, discover and forget as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lifeboat.cli import app, clusters
from lifeboat.errors import Throttled, UsageError
from tests.unit.steps.test_discover import Known, aks, folder


def run(include: Path, *line: str) -> str:
    done = CliRunner().invoke(app, ["clusters", *line, "--include", str(include)])
    assert done.exit_code == 0, done.output + repr(done.exception)
    return done.stdout


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Known:
    known = Known([aks("new", env="prod")])
    monkeypatch.setattr(clusters, "finders", lambda *_: {"Azure Resource Graph": known})
    return known


def test_from_found_to_forgotten(tmp_path: Path, azure: Known) -> None:
    include = folder(tmp_path)
    assert "new: new" in run(include, "discover", "--dry-run")
    assert "new " not in run(include, "list")
    run(include, "discover")
    told = json.loads(run(include, "list", "--json"))
    assert [(one["name"], one["source"], one["lost"]) for one in told] == [
        ("written", "clusters.yaml", ""),
        ("new", "Azure Resource Graph", ""),
    ]
    azure.clusters = []
    assert "LOST since" in run(include, "discover")
    assert json.loads(run(include, "discover", "--json"))["lost"] == ["new"]
    run(include, "forget", "new")
    assert [one["name"] for one in json.loads(run(include, "list", "--json"))] == ["written"]


def test_a_source_that_does_not_answer_is_told_after_all_is_kept(
    tmp_path: Path, azure: Known
) -> None:
    include = folder(tmp_path)
    run(include, "discover")
    azure.error = Throttled("slow")
    line = ["clusters", "discover", "--include", str(include)]
    done = CliRunner().invoke(app, line)
    assert isinstance(done.exception, Throttled)
    assert "not asked: Azure Resource Graph: slow" in done.stdout
    assert "new" in run(include, "list")


def test_where_nothing_says_where_to_look(tmp_path: Path) -> None:
    include = folder(tmp_path)
    (include / "clusters.yaml").write_text("clusters: []\n")
    done = CliRunner().invoke(app, ["clusters", "discover", "--include", str(include)])
    assert isinstance(done.exception, UsageError)
