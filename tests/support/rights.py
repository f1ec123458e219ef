"""Which rights a ServiceAccount used, by the API server's own audit log, and which lay idle.

The log is that of `LocalCluster(audit=True)`. A right is one verb on one resource, as RBAC spells
them: `Right("create", "pods/exec")`, `Right("list", "deployments.apps")`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import msgspec

from lifeboat.adapters.kubeconfig import Endpoint
from lifeboat.ports.cluster import Json
from tests.support.access import shipped_role
from tests.support.poll import until

# Everybody has these, whatever is bound: system:basic-user, system:discovery.
_FREE = ("authorization.k8s.io", "authentication.k8s.io")


@dataclass(frozen=True, order=True)
class Right:
    """`resource` as `deployments.apps/scale`; `*` is any of them."""

    verb: str
    resource: str

    def covers(self, used: Right) -> bool:
        """Whether this is the right that let `used` through; `*` covers no subresource here, since
        what nobody meant to open counts as open by accident."""
        if self.verb != used.verb:
            return False
        return self.resource == used.resource or (self.resource == "*" and "/" not in used.resource)


_RBAC = "rbac.authorization.k8s.io"
JUDGED = frozenset(
    [
        Right("escalate", f"clusterroles.{_RBAC}"),
        Right("escalate", f"roles.{_RBAC}"),
        Right("bind", f"clusterroles.{_RBAC}"),
        Right("bind", f"roles.{_RBAC}"),
        Right("create", "pods/exec"),
    ]
)
"""Rights that no request asks for by name: the API server looks for them beside the request's own,
when a role or a binding is written (Kubernetes' docs, "RBAC: privilege escalation prevention") and,
from 1.35 on, when a websocket is opened to `pods/exec`. Its log does not say so; a test has to show
that the flow fails without them (tests/e2e/test_idle_rights.py)."""


OF_FILES = frozenset(
    [
        Right("list", "volumesnapshots.snapshot.storage.k8s.io"),
        Right("list", "volumesnapshotcontents.snapshot.storage.k8s.io"),
    ]
)
"""Rights of the writer that only a restore of files needs: which of a point's snapshots are there
still? tests/e2e/test_movers.py shows that it does."""


@dataclass(frozen=True)
class Asked:
    """What one account asked for since it was first looked at."""

    allowed: frozenset[Right]
    refused: frozenset[Right]


class _Reference(msgspec.Struct):
    resource: str = ""
    subresource: str = ""
    api_group: str = msgspec.field(name="apiGroup", default="")


class _User(msgspec.Struct):
    username: str = ""


class _Status(msgspec.Struct):
    code: int = 0


class _Event(msgspec.Struct, rename="camel"):
    verb: str
    user: _User
    object_ref: _Reference | None = None
    annotations: dict[str, str] = {}


_event = msgspec.json.Decoder(_Event)


def rights_of(role: Json) -> frozenset[Right]:
    """The rights that a ClusterRole spells out."""
    return frozenset(
        Right(verb, _resource(resource, group))
        for rule in role["rules"]
        for group, resource, verb in product(rule["apiGroups"], rule["resources"], rule["verbs"])
    )


def asked_by(endpoint: Endpoint, log: Path) -> Asked:
    """What the ServiceAccount behind `endpoint` asked for, and whether RBAC let it."""
    name = "system:serviceaccount:" + endpoint.describe.rpartition(" as ")[2].replace("/", ":")
    until(f"the audit log knows {name}", lambda: any(_events(log, name)))
    seen: dict[bool, set[Right]] = {True: set(), False: set()}
    for event in _events(log, name):
        reference = event.object_ref
        if reference is None or reference.api_group in _FREE:
            continue
        right = Right(event.verb, _resource(reference.resource, reference.api_group))
        if reference.subresource:
            right = Right(right.verb, f"{right.resource}/{reference.subresource}")
        seen[event.annotations.get("authorization.k8s.io/decision") == "allow"].add(right)
    return Asked(frozenset(seen[True]), frozenset(seen[False]))


def idle(role: Json, asked: Asked) -> list[Right]:
    """The rights of a role that nothing came of."""
    return sorted(
        right
        for right in rights_of(role)
        if right not in JUDGED and not any(right.covers(used) for used in asked.allowed)
    )


def assert_all_used(roles: Iterable[str], endpoint: Endpoint, log: Path) -> None:
    """Fails on any request that was refused, and on any right of these roles that lay idle."""
    asked = asked_by(endpoint, log)
    assert not asked.refused, f"refused: {sorted(asked.refused)}"
    lazy = {name: rights for name in roles if (rights := idle(shipped_role(name), asked))}
    assert not lazy, f"never used: {lazy}"


def _resource(resource: str, group: str) -> str:
    plural, slash, sub = resource.partition("/")
    return (f"{plural}.{group}" if group and plural != "*" else plural) + slash + sub


def _events(log: Path, user: str) -> Iterator[_Event]:
    for line in log.read_bytes().splitlines():
        if user.encode() in line:
            event = _event.decode(line)
            if event.user.username == user:
                yield event
