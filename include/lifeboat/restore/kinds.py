"""The kinds of a plan, as its target serves them: now, once a definition of this very plan is
there, or not at all."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lifeboat.point.contents import CLUSTER_SCOPE
from lifeboat.ports.cluster import Discovery, Kind
from lifeboat.vault.rows import Entry


class _Definition(msgspec.Struct, frozen=True):
    """The part of a CustomResourceDefinition that tells a kind that is not there yet."""

    class Spec(msgspec.Struct, frozen=True):
        class Names(msgspec.Struct, frozen=True):
            kind: str
            plural: str

        group: str
        names: Names
        scope: str

    spec: Spec


_definition = msgspec.json.Decoder(_Definition).decode


class Kinds:
    """`served` by `Deployment.apps`, with those that are going to be; `missing` are those of the
    point that are neither, as they are probably called. A kind without a version is not there yet,
    or never."""

    def __init__(self, discovery: Discovery) -> None:
        self.served = {kind.group_kind: kind for kind in discovery.kinds}
        self.missing: dict[str, Kind] = {}
        self._failures = discovery.failures

    def learn(self, definition: bytes) -> None:
        """A kind whose definition comes with the plan is not discovered yet."""
        spec = _definition(definition).spec
        namespaced = spec.scope == "Namespaced"
        coming = Kind(spec.group, "", spec.names.plural, spec.names.kind, namespaced)
        self.served.setdefault(coming.group_kind, coming)

    def of(self, entry: Entry) -> Kind:
        """The kind of an entry; the first of a missing kind makes it known as missing."""
        name = entry.group_kind
        if name in self.served:
            return self.served[name]
        if name not in self.missing:
            namespaced = entry.namespace != CLUSTER_SCOPE
            plural = entry.kind.lower() + "s"
            self.missing[name] = Kind(entry.group, "", plural, entry.kind, namespaced)
        return self.missing[name]

    def held(self, names: set[str]) -> Mapping[str, Kind]:
        """Those of the names, missing ones too."""
        return {name: kind for name, kind in (self.missing | self.served).items() if name in names}

    def why_missing(self, entry: Entry) -> str:
        """Why the target cannot take an object; empty when it can, or is going to."""
        if entry.group_kind in self.served:
            return ""
        for version, why in self._failures.items():
            if version.partition("/")[0] == entry.group:
                return f"its API does not answer: {why}"
        return "the target serves no such kind"
