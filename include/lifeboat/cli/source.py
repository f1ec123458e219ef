"""From command-line options to opened things: by the files, or with nothing but the vault (P5)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lifeboat.errors import UsageError
from lifeboat.point import catalog
from lifeboat.point.manifest import Manifest
from lifeboat.policy.instance import Instance
from lifeboat.policy.load import load_clusters, load_instance, parse_policy
from lifeboat.policy.model import ClusterEntry, VaultEntry
from lifeboat.steps.context import Context
from lifeboat.vault.vault import Vault
from lifeboat.wiring import NoConnections, include_folder, open_context, unlock

BARE_VAULT = "vault"


@dataclass(frozen=True)
class Source:
    """What the user said about where things are; empty values were not said."""

    include: Path | None = None
    vault_url: str = ""
    key: str = ""
    kubeconfig: Path | None = None
    kube_context: str = ""
    cluster: str = ""

    @property
    def folder(self) -> Path:
        return self.include or include_folder()

    def instance(self, name: str) -> Instance:
        """The instance as the files describe it or, given a vault, as its newest point does."""
        if not self.vault_url:
            return load_instance(self.folder, name)
        return self._from_point(name)

    def context(self, name: str) -> Context:
        """Everything opened; `--kubeconfig` and `--cluster` name another cluster to restore to."""
        instance = self.instance(name)
        return open_context(instance, NoConnections(), target=self._target())

    def vault(self, name: str) -> Vault:
        """Only the vault; no cluster is asked for."""
        if self.vault_url:
            return unlock(self._vault_entry(), NoConnections())
        return unlock(load_instance(self.folder, name).vault, NoConnections())

    def _target(self) -> ClusterEntry | None:
        if self.kubeconfig:
            return ClusterEntry(
                name="target", kubeconfig=str(self.kubeconfig.resolve()), context=self.kube_context
            )
        if not self.cluster:
            return None
        known = {entry.name: entry for entry in load_clusters(self.folder).clusters}
        if self.cluster not in known:
            raise UsageError(
                f"no cluster {self.cluster!r} in {self.folder / 'clusters.yaml'}",
                hint=f"known are {', '.join(sorted(known)) or 'none'}",
            )
        return known[self.cluster]

    def _vault_entry(self) -> VaultEntry:
        if not self.key:
            return VaultEntry(name=BARE_VAULT, url=self.vault_url, encryption="none")
        return VaultEntry(name=BARE_VAULT, url=self.vault_url, key=self.key)

    def _from_point(self, name: str) -> Instance:
        """Rebuild the instance from the policy text that every point carries."""
        entry = self._vault_entry()
        vault = unlock(entry, NoConnections())
        newest = catalog.newest(vault, name, complete=False)
        if newest is None:
            known = ", ".join(catalog.instances(vault)) or "none"
            raise UsageError(f"the vault holds no instance {name!r}", hint=f"it holds {known}")
        return _rebuilt(newest, entry, self._target() or _default_cluster(newest.cluster))


def vault_entry(folder: Path, name: str) -> VaultEntry:
    """The vault of this name in clusters.yaml. Raises UsageError with the names that are there."""
    known = {entry.name: entry for entry in load_clusters(folder).vaults}
    if name not in known:
        raise UsageError(
            f"no vault {name!r} in {folder / 'clusters.yaml'}",
            hint=f"known are {', '.join(sorted(known)) or 'none'}",
        )
    return known[name]


def _default_cluster(name: str) -> ClusterEntry:
    path = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    return ClusterEntry(name=name, kubeconfig=path)


def _rebuilt(manifest: Manifest, vault: VaultEntry, cluster: ClusterEntry) -> Instance:
    source = f"point {manifest.point}"
    policy = parse_policy(manifest.policy_text, source, manifest.policy)
    return Instance(
        policy=policy,
        cluster=cluster.model_copy(update={"name": manifest.cluster}),
        vault=vault,
        policy_text=manifest.policy_text,
        policy_digest=manifest.policy_digest,
        source=source,
    )
