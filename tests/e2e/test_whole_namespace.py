"""A whole namespace as in its point, many instances together, and break glass: the command with
nothing but the vault, its key and a kubeconfig, on a real API server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from typing import Any

from typer.testing import CliRunner

from lifeboat.cli import app as cli
from lifeboat.clock import parse_rfc3339, rfc3339, utc_now
from lifeboat.ports.cluster import Json
from tests.e2e.test_modes import applied, config, edit, planned, put
from tests.support.app import SECRET as PASSWORD
from tests.support.app import App, wait_ready
from tests.support.kinds import CONFIG_MAP, SECRET
from tests.support.manifests import manifest
from tests.support.poll import until


def uids(app: App) -> dict[str, str]:
    """By what must be made anew or must not."""
    kinds = {
        "ConfigMap settings": ("v1", "ConfigMap", "settings"),
        "Secret login": ("v1", "Secret", "login"),
        "Service web": ("v1", "Service", "web"),
        "Deployment web": ("apps/v1", "Deployment", "web"),
        "Claim data": ("v1", "PersistentVolumeClaim", "data"),
        "ServiceAccount default": ("v1", "ServiceAccount", "default"),
    }
    found = {}
    for title, (version, kind, name) in kinds.items():
        found[title] = app.cluster.api.get(version, kind, app.name, name)["metadata"]["uid"]
    return found


def names(app: App, kind: str) -> list[str]:
    found = app.cluster.api.list("v1", kind, app.name)
    return sorted(one["metadata"]["name"] for one in found)


def test_a_whole_namespace_is_deleted_and_made_as_it_was(app: App) -> None:
    """`-n shop --mode recreate --prune`: strays go, what differs or not is made anew, claims with
    their data and accounts stay."""
    point = app.backup().point
    before, ledger = uids(app), (app.data / "ledger").read_bytes()
    edit(app, "settings", {"data": {"colour": "red", "extra": "1"}})
    put(app, manifest(CONFIG_MAP, "stray", data={"a": "b"}))
    put(app, manifest(SECRET, "stray"))
    context = app.context()
    wishes: dict[str, Any] = {"namespaces": [app.name], "mode": "recreate", "prune": True}
    account = applied(context, planned(context, point, "whole", **wishes))
    assert account.ok
    assert account.results["deleted"] == 2
    wait_ready(app.cluster, app.name)
    after = uids(app)
    kept = {title for title, uid in before.items() if after[title] == uid}
    assert kept == {"Claim data", "ServiceAccount default"}
    assert config(app, "settings")["data"] == {"colour": "blue"}
    assert names(app, "ConfigMap") == ["kube-root-ca.crt", "settings"]
    assert names(app, "Secret") == ["login"]
    assert (app.data / "ledger").read_bytes() == ledger


def test_break_glass_is_one_command(app: App) -> None:
    """Airflow, its database, policies and clusters.yaml are not needed."""
    app.backup()
    ledger = (app.data / "ledger").read_bytes()
    app.lose()
    vault = app.instance().vault
    command = [sys.executable, "-m", "lifeboat", "restore", app.instance().id]
    command += ["--vault", vault.url, "--key", str(vault.key)]
    command += ["--kubeconfig", str(app.cluster.kubeconfig), "--json"]
    engine = os.pathsep.join(path for path in sys.path if path.endswith("include"))
    environment = {"PATH": os.environ["PATH"], "HOME": str(app.folder), "PYTHONPATH": engine}
    done = subprocess.run(
        command, cwd=app.folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    account = json.loads(done.stdout)
    assert account["failed"] == []
    wait_ready(app.cluster, app.name)
    assert (app.data / "ledger").read_bytes() == ledger
    assert config(app, "settings")["data"] == {"colour": "blue"}
    assert PASSWORD not in done.stdout + done.stderr


def test_instances_come_back_together_as_they_were_before(app: App) -> None:
    """`--also` and `--before`: each from its own newest point of before something happened."""
    other = App(f"{app.name}-copy", app.cluster, app.folder, {**app.policy})
    other.policy["select"] = {"namespaces": {"include": [other.name]}}
    body: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other.name}}
    app.cluster.api.apply(body)
    put(other, manifest(CONFIG_MAP, "settings", data={"colour": "blue"}))
    both = (app, other)
    good = max(parse_rfc3339(one.backup().captured_to) for one in both)
    moment = good + timedelta(seconds=2)
    until("time has passed", lambda: utc_now() > moment)
    for one in both:
        edit(one, "settings", {"data": {"colour": "red"}})
        one.backup()
    vault = app.instance().vault
    places = ["--vault", vault.url, "--key", str(vault.key)]
    places += ["--kubeconfig", str(app.cluster.kubeconfig)]
    asked = ["restore", app.instance().id, "--also", other.instance().id]
    asked += ["--before", rfc3339(moment), "--mode", "merge", "--kind", "configmaps"]
    done = CliRunner().invoke(cli, [*asked, *places])
    assert done.exit_code == 0, done.output
    assert [config(one, "settings")["data"] for one in both] == [{"colour": "blue"}] * 2
