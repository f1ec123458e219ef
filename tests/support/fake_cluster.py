"""A cluster in memory that keeps the port's promises, with faults on order and a record of calls.

Passes the same contract suite as a real API server (tests/contract/test_cluster.py). It has no
controllers: a test that needs one puts a function into `reactions`.
"""

from __future__ import annotations

import copy
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from lifeboat.clock import Clock, rfc3339, utc_now
from lifeboat.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound
from lifeboat.ports.cluster import Discovery, Json, Kind, Page, PatchType
from lifeboat.ports.fields import FieldsPage
from tests.support.cluster_calls import ClusterCall, Fault
from tests.support.json_patch import json_patch, merge_patch
from tests.support.kinds import (
    BUILT_IN,
    CRD,
    NAMESPACE,
    POD,
    RULES_REVIEW,
    SNAPSHOT_KINDS,
    VERBS,
)
from tests.support.labels import label_matcher
from tests.support.listed_fields import split
from tests.support.manifests import manifest
from tests.support.reviews import EVERYTHING, reviewed
from tests.support.validation import refuse_bad_keys, refuse_immutable

_Key = tuple[str, str, str]  # resource, namespace ("" if none), name
Reaction = Callable[[Json], None]
_DNS = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_BUILT_IN = {kind.resource for kind in BUILT_IN}
_RBAC = "rbac.authorization.k8s.io"


@dataclass
class FakeCluster:
    """An API server's storage. `logs`: what pods say, by `namespace/name`; `deprecated`:
    warnings by `apps/v1 deployments`. `reactions` maps
    `Deployment.apps` to a function that may change an object as it is created (a controller's work,
    done at once). `rules`: what a review of the caller's rights says; it binds nothing."""

    clock: Clock = utc_now
    kinds: list[Kind] = field(default_factory=lambda: [*BUILT_IN, *SNAPSHOT_KINDS])
    failures: dict[str, str] = field(default_factory=dict)
    reactions: dict[str, Reaction] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    rules: list[Json] = field(default_factory=lambda: [EVERYTHING])
    calls: list[ClusterCall] = field(default_factory=list)
    server_version: str = "v1.36.3"
    deprecated: dict[str, str] = field(default_factory=dict)
    _objects: dict[_Key, Json] = field(default_factory=dict)
    _faults: list[Fault] = field(default_factory=list)
    _version: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
            self.create(NAMESPACE, None, manifest(NAMESPACE, name))
        self.calls.clear()

    def fail_next(
        self, method: str, error: Exception, times: int = 1, *, skip: int = 0, resource: str = ""
    ) -> None:
        """After `skip` calls of `method` (of one `resource` such as `deployments.apps`, if named),
        the next `times` raise `error`. A list calls once for each page."""
        if not callable(getattr(self, method, None)):
            raise ValueError(f"the cluster port has no method {method!r}")
        self._faults.append(Fault(method, error, times, skip, resource))

    def twin(self, clock: Clock) -> FakeCluster:
        """Another cluster of the same objects, with a clock of its own and no reactions."""
        with self._lock:
            other = FakeCluster(clock, list(self.kinds), dict(self.failures))
            other._objects, other._version = copy.deepcopy(self._objects), self._version
            return other

    def put(self, kind: Kind, body: Json) -> Json:
        """Set an object as a controller may, status and all; replaces one that is there."""
        with self._lock:
            stored = copy.deepcopy(body)
            meta = stored["metadata"]
            key = (kind.resource, meta.get("namespace", ""), meta["name"])
            known = self._objects.get(key, {}).get("metadata", {})
            meta.setdefault("uid", known.get("uid") or str(uuid.uuid4()))
            return self._store(key, kind, stored)

    def describe(self) -> str:
        """No address at all."""
        return "a cluster in memory"

    def discover(self) -> Discovery:
        self._enter("discover", "", "", "")
        return Discovery(tuple(sorted(self.kinds)), dict(self.failures), self.server_version)

    def list_pages(
        self,
        kind: Kind,
        *,
        namespace: str | None = None,
        label_selector: str = "",
        limit: int = 0,
    ) -> Iterator[Page]:
        found: list[Json] = []
        version = ""
        start, size = 0, limit or 1000
        while True:
            with self._lock:
                self._enter("list_pages", kind.resource, namespace or "", "")
                if not version:
                    self._served(kind)
                    found, version = self._select(kind, namespace, label_selector)
            items = tuple(self._item(kind, body) for body in found[start : start + size])
            start += size
            left = len(found) - start
            yield Page(items, version, left if left > 0 and not label_selector else None)
            if left <= 0:
                return

    def list_fields(self, kind: Kind, *, namespace: str | None = None) -> Iterator[FieldsPage]:
        return split(self.list_pages(kind, namespace=namespace))

    def get(self, kind: Kind, namespace: str | None, name: str) -> Json:
        with self._lock:
            self._enter("get", kind.resource, namespace or "", name)
            return copy.deepcopy(self._find(kind, namespace, name))

    def make(self, kind: Kind, namespace: str | None, body: Json) -> None:
        self.create(kind, namespace, body)

    def create(
        self, kind: Kind, namespace: str | None, body: Json, *, dry_run: bool = False
    ) -> Json:
        with self._lock:
            stored = copy.deepcopy(body)
            meta = stored.setdefault("metadata", {})
            if not meta.get("name") and meta.get("generateName"):
                meta["name"] = meta["generateName"] + uuid.uuid4().hex[:5]
            name = meta.get("name", "")
            self._enter("create", kind.resource, namespace or "", name)
            if kind.group == RULES_REVIEW.group:
                return reviewed(stored, self.rules)
            self._admit(kind, namespace, stored)
            key = (kind.resource, namespace or "", name)
            if key in self._objects:
                raise AlreadyExists(f'{kind.resource} "{name}" already exists')
            if kind.namespaced:
                meta["namespace"] = namespace
            meta["uid"] = str(uuid.uuid4())
            meta["creationTimestamp"] = rfc3339(self.clock())
            if "spec" in stored:  # a real one counts generations of what has a desired state
                meta["generation"] = 1
            stored.pop("status", None)
            if dry_run:
                return stored
            self._react(kind, stored)
            return self._store(key, kind, stored)

    def replace(
        self, kind: Kind, namespace: str | None, name: str, body: Json, *, dry_run: bool = False
    ) -> Json:
        with self._lock:
            self._enter("replace", kind.resource, namespace or "", name)
            known = self._find(kind, namespace, name)
            wanted = body["metadata"].get("resourceVersion")
            if wanted and wanted != known["metadata"]["resourceVersion"]:
                raise Conflict(
                    f'Operation cannot be fulfilled on {kind.resource} "{name}": the object has'
                    " been modified; please apply your changes to the latest version"
                )
            changed = copy.deepcopy(body)
            return self._change(kind, namespace, name, changed, keep_status=True, dry_run=dry_run)

    def patch(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        body: Json | list[Json],
        *,
        patch_type: PatchType = "merge",
        subresource: str = "",
        dry_run: bool = False,
    ) -> Json:
        with self._lock:
            self._enter("patch", kind.resource, namespace or "", name)
            missing = (kind.resource, namespace or "", name) not in self._objects
            if patch_type == "apply" and isinstance(body, dict) and missing:
                return self.create(kind, namespace, body, dry_run=dry_run)
            known = copy.deepcopy(self._find(kind, namespace, name))
            wanted = body.get("metadata", {}).get("uid") if isinstance(body, dict) else None
            if wanted and wanted != known["metadata"]["uid"]:
                raise Conflict(f"Precondition failed: UID in precondition: {wanted}")
            if isinstance(body, list):
                changed = json_patch(known, body)
            else:
                changed = merge_patch(known, body)
            return self._change(
                kind, namespace, name, changed, keep_status=not subresource, dry_run=dry_run
            )

    def deprecation(self, kind: Kind) -> str:
        with self._lock:
            self._enter("deprecation", kind.resource, "", "")
            self._served(kind)
            return self.deprecated.get(f"{kind.api_version} {kind.plural}", "")

    def log(self, namespace: str, pod: str, *, lines: int, container: str = "") -> str:
        with self._lock:
            self._enter("log", "pods", namespace, pod)
            self._find(POD, namespace, pod)
            return "\n".join(self.logs.get(f"{namespace}/{pod}", "").splitlines()[-lines:])

    def delete(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        *,
        propagation: Literal["Background", "Foreground", "Orphan"] = "Background",
        uid: str = "",
        version: str = "",
    ) -> None:
        with self._lock:
            self._enter("delete", kind.resource, namespace or "", name)
            try:
                known = self._find(kind, namespace, name)
            except NotFound:
                return
            for wanted, key in ((uid, "uid"), (version, "resourceVersion")):
                if wanted and wanted != known["metadata"][key]:
                    raise Conflict(f"Precondition failed: {key} in precondition: {wanted}")
            known["metadata"].setdefault("deletionTimestamp", rfc3339(self.clock()))
            self._store((kind.resource, namespace or "", name), kind, known)
            if propagation != "Orphan":
                self._collect(known["metadata"]["uid"])

    def objects(self, kind: Kind, namespace: str = "") -> dict[str, Json]:
        """What is stored, by name, for a test to look at."""
        with self._lock:
            return {
                name: copy.deepcopy(body)
                for (resource, where, name), body in self._objects.items()
                if resource == kind.resource and namespace in ("", where)
            }

    def _enter(self, method: str, resource: str, namespace: str, name: str) -> None:
        with self._lock:
            call = ClusterCall(method, resource, namespace, name)
            self.calls.append(call)
            for fault in self._faults:
                if fault.strikes(call):
                    raise fault.error

    def _served(self, kind: Kind) -> None:
        if not any(known.resource == kind.resource for known in self.kinds):
            raise NotFound("the server could not find the requested resource")

    def _find(self, kind: Kind, namespace: str | None, name: str) -> Json:
        self._served(kind)
        try:
            return self._objects[(kind.resource, namespace or "", name)]
        except KeyError:
            raise NotFound(f'{kind.resource} "{name}" not found') from None

    def _admit(self, kind: Kind, namespace: str | None, body: Json) -> None:
        self._served(kind)
        name = body["metadata"].get("name", "")
        if (body.get("apiVersion"), body.get("kind")) != (kind.api_version, kind.kind):
            raise Invalid("the API version in the data does not match the expected API version")
        plain = "/" not in name and "%" not in name
        if not plain or (kind.group != _RBAC and not _DNS.fullmatch(name)):
            raise Invalid(f'{kind.kind} "{name}" is invalid: metadata.name: Invalid value')
        refuse_bad_keys(kind, body)
        if kind.namespaced:
            where = self._find(NAMESPACE, None, namespace or "")
            if where["metadata"].get("deletionTimestamp"):
                raise Forbidden(f"namespace {namespace} is being terminated")

    def _react(self, kind: Kind, body: Json) -> None:
        if kind.resource == NAMESPACE.resource:
            body.setdefault("metadata", {}).setdefault("labels", {})[
                "kubernetes.io/metadata.name"
            ] = body["metadata"]["name"]
            body["status"] = {"phase": "Active"}
        if kind.resource == CRD.resource:
            self._serve(body)
        reaction = self.reactions.get(kind.group_kind)
        if reaction is not None:
            reaction(body)

    def _serve(self, crd: Json) -> None:
        spec = crd["spec"]
        names = spec["names"]
        served = tuple(v["name"] for v in spec["versions"] if v["served"])
        scope = spec["scope"] == "Namespaced"
        self.kinds.append(
            Kind(spec["group"], served[0], names["plural"], names["kind"], scope, VERBS, (), served)
        )
        crd["status"] = {"conditions": [{"type": "Established", "status": "True"}]}

    def _change(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        body: Json,
        *,
        keep_status: bool,
        dry_run: bool,
    ) -> Json:
        """Store a changed object; what only the server may change stays as it was."""
        known = self._find(kind, namespace, name)
        for fixed in ("uid", "name", "namespace", "creationTimestamp", "resourceVersion"):
            if fixed in known["metadata"]:
                body["metadata"][fixed] = known["metadata"][fixed]
        if keep_status:
            body.pop("status", None)
            if "status" in known:
                body["status"] = known["status"]
        refuse_bad_keys(kind, body)
        refuse_immutable(kind, known, body)
        if body == known:
            return copy.deepcopy(known)
        if body.get("spec") != known.get("spec"):
            body["metadata"]["generation"] = known["metadata"].get("generation", 1) + 1
        if dry_run:
            return copy.deepcopy(body)
        return self._store((kind.resource, namespace or "", name), kind, body)

    def _store(self, key: _Key, kind: Kind, body: Json) -> Json:
        self._version += 1
        body["metadata"]["resourceVersion"] = str(self._version)
        self._objects[key] = body
        if body["metadata"].get("deletionTimestamp"):
            self._end(key, kind, body)
        return copy.deepcopy(body)

    def _end(self, key: _Key, kind: Kind, body: Json) -> None:
        """Remove what is being deleted once nothing holds it: finalizers, a namespace's rest."""
        if kind.resource == NAMESPACE.resource:
            body["status"] = {"phase": "Terminating"}
            for other in [k for k in self._objects if k[1] == key[2]]:
                self._mark(other)
            if any(k[1] == key[2] for k in self._objects):
                return
        if not body["metadata"].get("finalizers"):
            self._objects.pop(key, None)
            self._finish_namespace(key[1])

    def _mark(self, key: _Key) -> None:
        body = self._objects[key]
        body["metadata"].setdefault("deletionTimestamp", rfc3339(self.clock()))
        if not body["metadata"].get("finalizers"):
            del self._objects[key]

    def _finish_namespace(self, name: str) -> None:
        where = (NAMESPACE.resource, "", name)
        body = self._objects.get(where)
        if body and body["metadata"].get("deletionTimestamp"):
            self._end(where, NAMESPACE, body)

    def _collect(self, owner: str) -> None:
        """Delete what the deleted object owned (background garbage collection, done at once)."""
        owned = [
            (key, body)
            for key, body in self._objects.items()
            if any(o["uid"] == owner for o in body["metadata"].get("ownerReferences", []))
        ]
        for key, body in owned:
            self._mark(key)
            self._collect(body["metadata"]["uid"])

    def _select(self, kind: Kind, namespace: str | None, selector: str) -> tuple[list[Json], str]:
        matches = label_matcher(selector)
        found = [
            copy.deepcopy(body)
            for (resource, where, _), body in sorted(self._objects.items())
            if resource == kind.resource
            and (namespace is None or where == namespace)
            and matches(body["metadata"].get("labels") or {})
        ]
        return found, str(self._version)

    def _item(self, kind: Kind, body: Json) -> bytes:
        """Lists of built-in types leave apiVersion and kind out of their items."""
        if kind.resource in _BUILT_IN:
            body = {k: v for k, v in body.items() if k not in ("apiVersion", "kind")}
        return json.dumps(body).encode()
