"""`make up`: Airflow with Lifeboat for the user's own cluster, with a vault in a folder.

Says what is missing before anything is started. The vault and its key lie outside the checkout,
so that no cleaning of it takes backups along; nothing here ever deletes them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import urllib3
import yaml
from kubernetes import client, config

from lifeboat.policy.folder import include_folder
from local.airflow_pools import import_pools
from local.airflow_settings import REPOSITORY, password_file
from local.airflow_stack import AirflowStack
from local.cache import Report
from local.errors import LocalClusterError

_ROOT = REPOSITORY / ".lifeboat" / "airflow"
_INCLUDE = REPOSITORY / "include"
_POLL_SECONDS = 1.0
_ANSWER_SECONDS = 15.0


@dataclass(frozen=True)
class VaultPlace:
    """Where points are kept and where the key lies; `key_file` is None for a key given to us."""

    url: str
    key: str
    key_file: Path | None


def up(root: Path | None, port: int, report: Report) -> None:
    """Start everything and stay until Ctrl-C or SIGTERM. `port` is the UI's, if it is free.

    Raises LocalClusterError when the cluster cannot be reached or a part of Airflow ends.
    """
    kubeconfig = find_kubeconfig()
    server = probe(kubeconfig)
    vault = prepare_vault(report)
    env = {
        "KUBECONFIG": str(kubeconfig),
        "LIFEBOAT_VAULT_URL": vault.url,
        "LIFEBOAT_VAULT_KEY": vault.key,
        # Asked for by clusters.yaml; only the local control plane has volumes of this kind.
        "LIFEBOAT_FOLDER_CSI_ROOT": os.environ.get("LIFEBOAT_FOLDER_CSI_ROOT", os.devnull),
    }
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with AirflowStack(root or _ROOT, env=env, port=port, report=report) as stack:
            import_pools(stack, include_folder(), report)
            _tell(stack, server, vault, report)
            while True:
                stack.check()
                time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        report("Stopped.")


def find_kubeconfig() -> Path:
    """The file that $KUBECONFIG names. Raises LocalClusterError when it names none, or several."""
    named = os.environ.get("KUBECONFIG", "")
    if not named:
        raise LocalClusterError(
            "KUBECONFIG is not set, so there is no cluster to protect",
            hint="KUBECONFIG=~/.kube/config make up     (or look around first: make demo)",
        )
    if os.pathsep in named:
        raise LocalClusterError(
            f"KUBECONFIG names more than one file: {named}",
            hint="Write one with `kubectl config view --flatten > one.yaml` and name that.",
        )
    path = Path(named).expanduser().absolute()
    if not path.is_file():
        raise LocalClusterError(f"KUBECONFIG names {path}, which is not a file")
    return path


def probe(kubeconfig: Path) -> str:
    """The address of the cluster, once it has answered as it should; else LocalClusterError."""
    try:
        with config.new_client_from_config(config_file=str(kubeconfig)) as api:
            server = str(api.configuration.host)
            api.configuration.retries = False
            api.rest_client.pool_manager.connection_pool_kw["retries"] = False
            client.CoreV1Api(api).list_namespace(limit=1, _request_timeout=_ANSWER_SECONDS)
    except (config.ConfigException, yaml.YAMLError) as error:
        raise LocalClusterError(f"{kubeconfig} is no usable kubeconfig: {error}") from error
    except client.ApiException as error:
        raise LocalClusterError(
            f"{server} refuses to list namespaces: {error.status} {error.reason}",
            hint="Use credentials that may read every namespace."
            if error.status == 403
            else "Log in to the cluster again, then `make up`.",
        ) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise LocalClusterError(
            f"{server} does not answer: {error}", hint="Try: kubectl get namespaces"
        ) from error
    return server


def prepare_vault(report: Report) -> VaultPlace:
    """The vault that the environment names, else one in the user's data folder, made if missing."""
    url, key = os.environ.get("LIFEBOAT_VAULT_URL"), os.environ.get("LIFEBOAT_VAULT_KEY")
    if url and key:
        return VaultPlace(url, key, None)
    if url or key:
        raise LocalClusterError(
            f"only {'LIFEBOAT_VAULT_URL' if url else 'LIFEBOAT_VAULT_KEY'} is set",
            hint="Set both LIFEBOAT_VAULT_URL and LIFEBOAT_VAULT_KEY, or neither.",
        )
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    home = (data / "lifeboat").absolute()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    key_file, folder = home / "vault.key", home / "vault"
    if not key_file.exists():
        if folder.exists():
            raise LocalClusterError(
                f"{folder} is there, but not its key {key_file}",
                hint="Put the key back where it was. Without it the vault cannot be read.",
            )
        _lifeboat("vault", "new-key", "--file", str(key_file))
        report(f"Made a key: {key_file}")
    place = VaultPlace(folder.as_uri(), key_file.read_text().strip(), key_file)
    if not folder.exists():
        _lifeboat("vault", "init", "main", "--include", str(_INCLUDE), place=place)
        report(f"Made a vault: {folder}")
    return place


def _lifeboat(*arguments: str, place: VaultPlace | None = None) -> None:
    vault = {"LIFEBOAT_VAULT_URL": place.url, "LIFEBOAT_VAULT_KEY": place.key} if place else {}
    done = subprocess.run(
        [sys.executable, "-m", "lifeboat", *arguments],
        env={**os.environ, "PYTHONPATH": str(_INCLUDE), **vault},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LocalClusterError(f"lifeboat {' '.join(arguments[:2])}: {done.stderr.strip()}")


def _tell(stack: AirflowStack, server: str, vault: VaultPlace, report: Report) -> None:
    lines = {
        "open": stack.url,
        "log in": f"admin / {stack.passwords['admin']}   (others: {password_file(stack.root)})",
        "cluster": server,
        "policies": str(_INCLUDE / "policies"),
        "vault": vault.url,
        "logs": str(stack.logs),
    }
    if vault.key_file is not None:
        lines["key"] = f"{vault.key_file}   keep a copy elsewhere: no key, no restore"
    report("")
    for name, text in lines.items():
        report(f"  {name:<9} {text}")
    report("\nCtrl-C ends it.")
