"""From command-line options to opened things: by the files, or with nothing but the vault (P5)."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from lifeboat.errors import LifeboatError, PolicyError, UsageError
from lifeboat.point import catalog, layout
from lifeboat.point.manifest import Manifest, read_policy
from lifeboat.policy.folder import include_folder
from lifeboat.policy.instance import Instance
from lifeboat.policy.load import parse_policy, standing_clusters
from lifeboat.policy.model import ClusterEntry, VaultEntry
from lifeboat.policy.still import find_instance
from lifeboat.ports.cluster import Cluster
from lifeboat.ports.disks import Disks
from lifeboat.steps.as_decided import instance_of
from lifeboat.steps.context import AtCopy, Context
from lifeboat.steps.hook_record import unthawed
from lifeboat.steps.scope import Scope
from lifeboat.vault.vault import Vault
from lifeboat.wiring import (
    NoConnections,
    open_cluster,
    open_context,
    open_copy,
    unlock,
)

BARE_VAULT = "vault"


@dataclass(frozen=True)
class Source:
    """What the user said about where things are; empty values were not said. `vault_url` may be the
    name of a vault of clusters.yaml, too."""

    include: Path | None = None
    vault_url: str = ""
    key: str = ""
    kubeconfig: Path | None = None
    kube_context: str = ""
    cluster: str = ""

    @property
    def folder(self) -> Path:
        return self.include or include_folder()

    @property
    def _bare(self) -> bool:
        """Whether a vault was given by its url: then the files are not asked. No name has a colon,
        every url has."""
        return ":" in self.vault_url

    def instance(self, name: str) -> Instance:
        """The instance as the files describe it, in the vault that was named, if one was; given the
        url of a vault, as its newest point describes it."""
        if self._bare:
            return self._from_point(name)
        found = find_instance(self.folder, name)
        return replace(found, vault=self.vault_entry(self.vault_url)) if self.vault_url else found

    def copies(self, name: str) -> list[AtCopy | LifeboatError]:
        """The copies of the instance's points, opened to be read, or why one could not be. None
        where one vault was asked for."""
        if self.vault_url:
            return []
        instance = find_instance(self.folder, name)
        found: list[AtCopy | LifeboatError] = []
        for place in instance.copies:
            try:
                found.append(open_copy(instance, place, NoConnections(), read_only=True))
            except LifeboatError as error:
                error.message = f"copy {place.vault.name} cannot be read: {error.message}"
                found.append(error)
        return found

    def context(self, name: str) -> Context:
        """Everything opened; `--kubeconfig` and `--cluster` name another cluster to restore to."""
        instance = self.instance(name)
        return open_context(instance, NoConnections(), target=self._target())

    def to_thaw(self, name: str) -> Context:
        """As `context`; where the files tell no more of the instance, as the run began that left
        something still. Raises what `context` does when there is none."""
        try:
            return self.context(name)
        except (PolicyError, UsageError):
            for entry in self._vaults():
                vault = unlock(entry, NoConnections())
                for point in sorted(unthawed(vault, name), reverse=True):
                    scope = vault.get_document(layout.scope(name, point), Scope)
                    cluster = self._target() or self._cluster_named(name.rpartition(".")[2])
                    decided = instance_of(vault, scope, cluster, entry)
                    return open_context(decided, NoConnections())
            raise

    def _vaults(self) -> list[VaultEntry]:
        if self.vault_url:
            return [self.vault_entry(self.vault_url)]
        return list(standing_clusters(self.folder).vaults)

    def _cluster_named(self, name: str) -> ClusterEntry:
        known = None if self._bare else standing_clusters(self.folder).cluster(name)
        return known or _default_cluster(name)

    def cluster_of(self, entry: ClusterEntry) -> tuple[Cluster, Disks]:
        """A cluster and its disks to look at; no vault is asked for."""
        return open_cluster(entry, NoConnections())

    def vault(self, name: str) -> Vault:
        """Only the vault; no cluster is asked for."""
        if self._bare:
            return unlock(self._bare_entry(), NoConnections())
        return unlock(self.instance(name).vault, NoConnections())

    def vault_entry(self, name: str) -> VaultEntry:
        """Where a vault is: the one given by its url, else the one that clusters.yaml names."""
        if self._bare:
            return self._bare_entry()
        known = {entry.name: entry for entry in standing_clusters(self.folder).vaults}
        if name not in known:
            raise UsageError(
                f"no vault {name!r} in {self.folder / 'clusters.yaml'}",
                hint=f"known are {', '.join(sorted(known)) or 'none'}",
            )
        entry = known[name]
        return entry.model_copy(update={"key": self.key}) if self.key else entry

    def _target(self) -> ClusterEntry | None:
        if self.kubeconfig:
            return ClusterEntry(
                name="target", kubeconfig=str(self.kubeconfig.resolve()), context=self.kube_context
            )
        if not self.cluster:
            return None
        known = {entry.name: entry for entry in standing_clusters(self.folder).clusters}
        if self.cluster not in known:
            raise UsageError(
                f"no cluster {self.cluster!r} in {self.folder / 'clusters.yaml'}",
                hint=f"known are {', '.join(sorted(known)) or 'none'}",
            )
        return known[self.cluster]

    def _bare_entry(self) -> VaultEntry:
        try:
            if not self.key:
                return VaultEntry(name=BARE_VAULT, url=self.vault_url, encryption="none")
            return VaultEntry(name=BARE_VAULT, url=self.vault_url, key=self.key)
        except ValidationError as error:
            # `from None`: what was typed may be the secret itself.
            wrong = error.errors(include_input=False, include_url=False)[0]
            option = "--key" if wrong["loc"] == ("key",) else "--vault"
            raise UsageError(f"{option}: expected {wrong['msg']}") from None

    def _from_point(self, name: str) -> Instance:
        """Rebuild the instance from the policy text that every point carries."""
        entry = self._bare_entry()
        vault = unlock(entry, NoConnections())
        newest = catalog.newest(vault, name, complete=False)
        if newest is None:
            known = ", ".join(catalog.instances(vault)) or "none"
            raise UsageError(f"the vault holds no instance {name!r}", hint=f"it holds {known}")
        return _rebuilt(
            newest,
            read_policy(vault, newest),
            entry,
            self._target() or _default_cluster(newest.cluster),
        )


def _default_cluster(name: str) -> ClusterEntry:
    path = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    return ClusterEntry(name=name, kubeconfig=path)


def _rebuilt(manifest: Manifest, text: str, vault: VaultEntry, cluster: ClusterEntry) -> Instance:
    source = f"point {manifest.point}"
    policy = parse_policy(text, source, manifest.policy)
    return Instance(
        policy=policy,
        cluster=cluster.model_copy(update={"name": manifest.cluster}),
        vault=vault,
        policy_text=text,
        policy_digest=manifest.policy_digest,
        source=source,
    )
