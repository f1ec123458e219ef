"""The zoo: tests/e2e/zoo on a control plane of its own, protected as a whole.

It has webhooks, quotas and a default priority that would meddle with other tests' objects.
"""

from __future__ import annotations

import base64
import os
import stat
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import yaml

from lifeboat.point.manifest import Manifest, open_contents
from lifeboat.policy.instance import Instance
from lifeboat.policy.places import VolumeReaderEntry
from lifeboat.ports.cluster import Json
from lifeboat.steps.context import Context
from lifeboat.vault.keys import generate_key
from lifeboat.wiring import NoConnections, make_vault, open_context
from local.api import KubeApi, has_condition, wait_until
from local.cluster import LocalCluster
from local.errors import ApiError
from tests.support.app import DRIVER, captured, local_instance

FOLDER = Path(__file__).resolve().parents[1] / "e2e" / "zoo"
NAMESPACES = ("zoo-limits", "zoo-operator", "zoo-shop")
Key = tuple[str, str, str]
"""Kind with group, namespace ("" outside), name."""

_POLICY: dict[str, Any] = {
    "clusters": ["local"],
    "objectives": {"rpo": "1h", "rto": "10m"},
    # The bytes of these lie on a server of their own, and no CSI driver has them.
    "volumes": {"rules": [{"when": {"volumeTypes": ["nfs", "hostPath"]}, "action": "skip"}]},
    "retention": {"keep": {"last": 9}},
    "restore": {
        "statusKinds": ["ledgers.zoo.example.com"],
        "order": [
            {"first": "httproutes", "then": "aquariums"},
            {"first": "aquariums", "then": "validatingwebhookconfigurations"},
        ],
        "operators": ["*-operator"],
    },
}
_MERGE = "application/merge-patch+json"
_CRD = "CustomResourceDefinition"


def _has_pods(live: Json) -> bool:
    return bool(live["status"].get("readyReplicas", 0) == live["spec"]["replicas"])


_AWAKE: tuple[tuple[str, str, Callable[[Json], bool]], ...] = (
    ("apps/v1", "Deployment", _has_pods),
    ("apps/v1", "StatefulSet", _has_pods),
    ("apps/v1", "ReplicaSet", _has_pods),
    ("v1", "ReplicationController", _has_pods),
    ("apps/v1", "DaemonSet", lambda live: bool(live["status"].get("numberReady"))),
    ("v1", "PersistentVolumeClaim", lambda live: bool(live["status"].get("phase") == "Bound")),
)


def _fill(folder: Path, number: int) -> None:
    """Of each volume other bytes: text, bytes that are none, what is empty, may be run, points
    elsewhere or has a name that is no ASCII."""
    inner = folder / "inner" / f"{number}"
    inner.mkdir(parents=True)
    (inner / "ledger").write_bytes(bytes(range(256)) * (number + 1))
    (inner / "empty").touch()
    (folder / "run.sh").write_text(f"echo {number}\n")
    (folder / "run.sh").chmod(0o750)
    (folder / "tierpfleger-grüße").write_text(str(number))
    (folder / "newest").symlink_to(f"inner/{number}/ledger")


def _read(folder: Path) -> dict[str, bytes]:
    found = {}
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        content = b""
        if stat.S_ISLNK(info.st_mode):
            content = os.fsencode(path.readlink())
        elif stat.S_ISREG(info.st_mode):
            content = path.read_bytes()
        mode = stat.filemode(info.st_mode).encode()
        found[str(path.relative_to(folder))] = mode + b" " + content
    return found


@dataclass
class Zoo:
    """All manifests of the folder, in the order of its files, and the engine opened on them."""

    cluster: LocalCluster
    folder: Path

    @property
    def api(self) -> KubeApi:
        return self.cluster.api

    def manifests(self) -> list[Json]:
        """As written, with the cluster's own authority for every caBundle."""
        document = yaml.safe_load(self.cluster.kubeconfig.read_text())
        authority = document["clusters"][0]["cluster"]["certificate-authority-data"]
        assert base64.b64decode(authority).startswith(b"-----BEGIN CERTIFICATE")
        texts = (path.read_text() for path in sorted(FOLDER.glob("*.yaml")))
        return [
            made
            for text in texts
            for made in yaml.safe_load_all(text.replace("{{ca}}", authority))
            if made is not None
        ]

    def load(self) -> None:
        """Create everything and wait until the controllers are through with it."""
        (self.folder / "key").write_text(generate_key())
        (self.folder / "key").chmod(0o600)
        make_vault(self._instance().vault, NoConnections())
        for made in self.manifests():
            self._create(made)
        wait_until("the zoo is awake", self.is_awake, 180)
        for number, place in enumerate(sorted(self.folders())):
            _fill(self.folders()[place], number)

    def folders(self) -> dict[tuple[str, str], Path]:
        """The folder behind each claim of the driver's, by namespace and name."""
        found = {}
        for space in self.spaces():
            for one in self.api.list("v1", "PersistentVolumeClaim", space):
                volume = self.api.get("v1", "PersistentVolume", "", one["spec"]["volumeName"])
                if "csi" in volume["spec"]:
                    name = one["metadata"]["name"]
                    found[space, name] = self.cluster.claim_path(space, name)
        return found

    def bytes(self) -> dict[tuple[str, str], dict[str, bytes]]:
        """What lies in these folders: of each path its mode and its content or where it points."""
        return {place: _read(folder) for place, folder in self.folders().items()}

    def _create(self, made: Json) -> None:
        metadata = made["metadata"]
        for owner in metadata.get("ownerReferences", ()):
            where = "" if owner["kind"] == "Keeper" else metadata["namespace"]
            live = self.api.get(owner["apiVersion"], owner["kind"], where, owner["name"])
            owner["uid"] = live["metadata"]["uid"]
        path = self.api.path(made["apiVersion"], made["kind"], metadata.get("namespace", ""))
        self.api.request("POST", path, made)
        if made["kind"] == _CRD:
            name = metadata["name"]
            wait_until(f"{name} is served", lambda: self._is_served(name), 60)
        if made["kind"] == "Aquarium" and "status" in made:
            status = f"{path}/{metadata['name']}/status"
            self.api.request("PATCH", status, {"status": made["status"]}, _MERGE)

    def _is_served(self, name: str) -> bool:
        live = self.api.get("apiextensions.k8s.io/v1", _CRD, "", name)
        spec = live["spec"]
        if not has_condition(live, "Established"):
            return False
        for version in spec["versions"]:
            found = self.api.request("GET", f"/apis/{spec['group']}/{version['name']}")
            names = [one["name"] for one in found["resources"]]
            if spec["names"]["plural"] not in names:
                return False
        return True

    def spaces(self) -> list[str]:
        """The namespaces of the zoo and its copies."""
        found = (one["metadata"]["name"] for one in self.api.list("v1", "Namespace"))
        return [name for name in found if name.startswith("zoo-")]

    def is_awake(self) -> bool:
        """Whether every workload of the zoo's namespaces has its pods, every claim its volume."""
        role = self.api.get("rbac.authorization.k8s.io/v1", "ClusterRole", "", "zoo-all")
        return bool(role["rules"]) and all(self._is_awake(space) for space in self.spaces())

    def _is_awake(self, space: str) -> bool:
        return all(
            is_awake(one)
            for api_version, kind, is_awake in _AWAKE
            for one in self.api.list(api_version, kind, space)
        ) and not self.api.gone("v1", "ConfigMap", space, "kube-root-ca.crt")

    def _instance(self) -> Instance:
        reader = VolumeReaderEntry(driver=DRIVER, root=str(self.cluster.csi_root))
        return local_instance("zoo", _POLICY, self.cluster, self.folder, reader)

    def context(self) -> Context:
        """A freshly opened engine."""
        return open_context(self._instance(), NoConnections())

    def backup(self) -> Manifest:
        """One whole backup in this process."""
        return captured(self.context(), f"run-{uuid.uuid4()}")

    def bodies(self, point: Manifest) -> dict[Key, Json]:
        """Every object that a point holds."""
        contents = open_contents(self.context().vault, point)
        reader = contents.reader()
        found: dict[Key, Json] = {}
        for _, entry in contents.rows():
            body: Json = msgspec.json.decode(reader.read(entry.record, entry.place))
            found[(entry.group_kind, entry.namespace, entry.name)] = body
        return found

    def lose(self) -> None:
        """Delete every object of the zoo and its copies, and wait until all of it is gone."""
        manifests = self.manifests()
        outside = [one for one in manifests if "namespace" not in one["metadata"]]
        for made in outside:  # an API that nobody answers for keeps namespaces from going
            if made["kind"] not in ("Namespace", _CRD):
                self._delete(made["apiVersion"], made["kind"], "", made["metadata"]["name"])
        self._empty(self.spaces())
        for made in outside:
            self._delete(made["apiVersion"], made["kind"], "", made["metadata"]["name"])
        for made in outside:
            where = (made["apiVersion"], made["kind"], "", made["metadata"]["name"])
            wait_until(f"{where} is gone", partial(self._is_gone, where), 120)

    def _empty(self, namespaces: list[str]) -> None:
        """Delete namespaces with all that is in them, claims' volumes too."""
        for space in namespaces:
            for api_version, kind in (("apps/v1", "Deployment"), ("apps/v1", "StatefulSet")):
                for one in self.api.list(api_version, kind, space):
                    self._delete(api_version, kind, space, one["metadata"]["name"])
            for one in self.api.list("zoo.example.com/v1", "Aquarium", space):
                self._delete("zoo.example.com/v1", "Aquarium", space, one["metadata"]["name"])
            # A namespace that holds protected claims is looked at again only every eight seconds.
            wait_until(f"{space} uses no claims", partial(self._is_idle, space), 60)
            for one in self.api.list("v1", "PersistentVolumeClaim", space):
                name = one["metadata"]["name"]
                self._delete("v1", "PersistentVolumeClaim", space, name)
            self.api.delete("v1", "Namespace", "", space)
        for space in namespaces:
            gone = partial(self.api.gone, "v1", "Namespace", "", space)
            wait_until(f"{space} is gone", gone, 120)

    def _is_idle(self, space: str) -> bool:
        return not any(
            pod["metadata"]["labels"].get("app") in ("cache", "db")
            for pod in self.api.list("v1", "Pod", space)
        )

    def _delete(self, api_version: str, kind: str, space: str, name: str) -> None:
        """Whoever would see to its finalizers is not there."""
        where = self.api.path(api_version, kind, space, name)
        try:
            live = self.api.request("GET", where)
            if any(one.startswith("zoo.") for one in live["metadata"].get("finalizers", ())):
                self.api.request("PATCH", where, {"metadata": {"finalizers": None}}, _MERGE)
        except ApiError as error:
            if error.status != 404:
                raise
        self.api.delete(api_version, kind, space, name)

    def _is_gone(self, where: tuple[str, str, str, str]) -> bool:
        try:
            return self.api.gone(*where)
        except ApiError as error:
            if error.status == 404:  # its definition went first
                return True
            raise
