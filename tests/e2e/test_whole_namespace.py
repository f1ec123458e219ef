"""A whole namespace as in its point, and break glass: the command with nothing but the vault, its
key and a kubeconfig, on a real API server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from tests.e2e.test_modes import applied, config, edit, planned, put
from tests.support.app import SECRET as PASSWORD
from tests.support.app import App, wait_ready
from tests.support.kinds import CONFIG_MAP, SECRET
from tests.support.manifests import manifest


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
