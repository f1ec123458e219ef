"""The two clusters of a standby, opened when they are asked for: one of them may be gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from lifeboat.errors import LifeboatError, UsageError
from lifeboat.policy.instance import Instance
from lifeboat.policy.model import ClusterEntry
from lifeboat.policy.standby import Standby
from lifeboat.policy.still import still
from lifeboat.ports.cluster import Kind
from lifeboat.restore.transforms.transforms import FOLDER, TransformText
from lifeboat.steps.context import Context
from lifeboat.vault.vault import Vault

Open = Callable[[Instance, ClusterEntry | None], Context]
"""Opens an instance; with a cluster, at that one instead of its own."""

ReadTransform = Callable[[str], TransformText | None]
"""Reads a transform by its name; None where there is no such file."""

_NAMESPACES = Kind("", "v1", "namespaces", "Namespace", namespaced=False)


@dataclass(frozen=True)
class Sides:
    """An instance, the cluster that stands by for it, and how to open them. `read_transform` reads
    files, which the vault alone does not have."""

    instance: Instance
    entry: ClusterEntry
    vault: Vault
    open: Open
    read_transform: ReadTransform

    @property
    def wanted(self) -> Standby:
        """The policy's section."""
        return wanted_of(self.instance)

    @property
    def title(self) -> str:
        """For people and errors."""
        return f"standby {self.entry.name} of {self.instance.id}"

    def standby(self) -> Context:
        """The engine at the standby cluster."""
        return self.open(self.instance, self.entry)

    def primary(self) -> Context:
        """The engine at the instance's own cluster."""
        return self.open(self.instance, None)

    def still_primary(self) -> Context:
        """To capture the primary while nothing runs there. Its points carry the policy as it was
        written: with the vault alone, the newest one says that there is a standby."""
        made = still(self.instance, self.instance.cluster, {})
        text, digest = self.instance.policy_text, self.instance.policy_digest
        return self.open(replace(made, policy_text=text, policy_digest=digest), None)

    def still_standby(self, namespaces: Mapping[str, str]) -> Context:
        """To capture the standby: as instance `<policy>.<standby>`, whose points lie beside."""
        return self.open(still(self.instance, self.entry, namespaces), None)

    def way_home(self, namespaces: Mapping[str, str]) -> Context:
        """To restore a point of the standby onto the primary."""
        return self.open(still(self.instance, self.entry, namespaces), self.instance.cluster)


def wanted_of(instance: Instance) -> Standby:
    """The policy's section. Raises UsageError where there is none."""
    if instance.policy.standby is None:
        raise UsageError(
            f"the policy of {instance.id} has no standby",
            hint="write a section `standby` into it (docs/standby.md)",
        )
    return instance.policy.standby


def texts_of(
    names: Iterable[str], read: ReadTransform, kept: Mapping[str, str]
) -> dict[str, TransformText]:
    """Transforms by name: as the files say now or, with the vault alone, as it kept them. Raises
    UsageError for one that is in neither, PolicyError for a file that is none."""
    found = {}
    for name in names:
        text = read(name)
        if text is None and name not in kept:
            raise UsageError(
                f"there is no transform {name!r}, and the vault keeps none of that name",
                hint=f"write it to {FOLDER}/{name}.yaml of the include folder",
            )
        found[name] = text or TransformText(name, kept[name])
    return found


def why_unreachable(opened: Callable[[], Context]) -> str:
    """Why a cluster does not answer; empty when it does. One small request."""
    try:
        next(iter(opened().cluster.list_pages(_NAMESPACES, limit=1)), None)
    except LifeboatError as error:
        return error.message.splitlines()[0]
    return ""
