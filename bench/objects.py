"""Objects as an API server sends them: Deployments, ConfigMaps and Secrets with real proportions.

Forty Deployments and forty ConfigMaps to twenty Secrets; 4 to 8 KB each, half of a Deployment is
managedFields; Secrets are random and hardly compress. Everything comes from one seed.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from lifeboat.ports.cluster import Kind

NAMESPACE = Kind("", "v1", "namespaces", "Namespace", False, verbs=("get", "list", "create"))
CONFIG_MAP = Kind("", "v1", "configmaps", "ConfigMap", True, verbs=("get", "list", "create"))
SECRET = Kind("", "v1", "secrets", "Secret", True, verbs=("get", "list", "create"))
DEPLOYMENT = Kind("apps", "v1", "deployments", "Deployment", True, verbs=("get", "list", "create"))
CLAIM = Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", True, verbs=("list",))
VOLUME = Kind("", "v1", "persistentvolumes", "PersistentVolume", False, verbs=("list",))
KINDS = (NAMESPACE, CONFIG_MAP, SECRET, DEPLOYMENT, CLAIM, VOLUME)

_WORDS = (
    "order", "stock", "cart", "payment", "invoice", "user", "session", "search", "index",
    "cache", "queue", "mail", "report", "price", "catalog", "gateway", "worker", "ledger",
    "notify", "audit", "token", "profile", "media", "image", "geo", "route",
)  # fmt: skip
_OBJECTS_A_NAMESPACE = 100
_MIX = (DEPLOYMENT, CONFIG_MAP, DEPLOYMENT, CONFIG_MAP, SECRET)


@dataclass
class Item:
    """One object: `revision` counts its changes."""

    kind: Kind
    namespace: str
    name: str
    seed: int
    revision: int = 0

    def raw(self) -> bytes:
        """The JSON of the object at its revision, as an item of a list."""
        fixed, fresh = random.Random(self.seed), random.Random(f"{self.seed}/{self.revision}")
        body = _BODIES[self.kind.kind](self, fixed, fresh)
        return msgspec.json.encode(body)


def stream_items(count: int, kind: Kind) -> Iterator[Item]:
    """The objects of one kind among `count` in namespaces of a hundred, in the order in which an
    API server lists them; they are made as they are asked for."""
    for start in range(0, count, _OBJECTS_A_NAMESPACE):
        space = f"team-{start // _OBJECTS_A_NAMESPACE:04d}"
        if kind == NAMESPACE:
            yield Item(kind, "", space, start)
            continue
        numbers = range(start, min(count, start + _OBJECTS_A_NAMESPACE))
        found = [_item(kind, space, n) for n in numbers if _MIX[n % len(_MIX)] == kind]
        yield from sorted(found, key=lambda item: item.name)


def make_items(count: int) -> list[Item]:
    """All of them, kind by kind."""
    return [
        item
        for kind in (NAMESPACE, CONFIG_MAP, SECRET, DEPLOYMENT)
        for item in stream_items(count, kind)
    ]


def _item(kind: Kind, namespace: str, number: int) -> Item:
    chooser = random.Random(number)
    name = f"{chooser.choice(_WORDS)}-{chooser.choice(_WORDS)}-{number:06d}"
    return Item(kind, namespace, name, number)


def change(items: Iterable[Item]) -> None:
    """A new revision of each."""
    for item in items:
        item.revision += 1


def _metadata(item: Item, fixed: random.Random, manager: str, fields: Any) -> dict[str, Any]:
    created = f"2025-{fixed.randint(1, 12):02d}-{fixed.randint(1, 28):02d}T10:00:00Z"
    entry = {
        "manager": manager,
        "operation": "Update",
        "apiVersion": item.kind.api_version,
        "time": created,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    app = item.name.rsplit("-", 1)[0]
    found: dict[str, Any] = {
        "name": item.name,
        "uid": f"{fixed.getrandbits(32):08x}-{fixed.getrandbits(16):04x}-4a2b-8c1d-"
        f"{fixed.getrandbits(48):012x}",
        "resourceVersion": str(fixed.randint(10**6, 10**8) + item.revision),
        "creationTimestamp": created,
        "labels": {
            "app.kubernetes.io/name": app,
            "app.kubernetes.io/part-of": item.namespace,
            "app.kubernetes.io/managed-by": "Helm",
        },
        "annotations": {"meta.helm.sh/release-name": app},
        "managedFields": [entry],
    }
    if item.namespace:
        found["namespace"] = item.namespace
    return found


def _namespace(item: Item, fixed: random.Random, _fresh: random.Random) -> dict[str, Any]:
    meta = _metadata(item, fixed, "kubectl", {"f:metadata": {"f:labels": {}}})
    return {"metadata": meta, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}


def _config_map(item: Item, fixed: random.Random, fresh: random.Random) -> dict[str, Any]:
    lines = []
    for number in range(64):
        one, other = fixed.choice(_WORDS), fixed.choice(_WORDS)
        source = fresh if number == 7 else fixed
        value = source.choice((str(source.randint(0, 9999)), f"http://{other}.svc:8080/{one}"))
        lines.append(f"{one}.{other}.{fixed.randint(0, 99)}={value} # {fixed.choice(_WORDS)}")
    meta = _metadata(item, fixed, "helm", {"f:data": {".": {}, "f:application.properties": {}}})
    return {"metadata": meta, "data": {"application.properties": "\n".join(lines)}}


def _secret(item: Item, fixed: random.Random, fresh: random.Random) -> dict[str, Any]:
    data = {
        name: base64.b64encode(fresh.randbytes(size)).decode()
        for name, size in (("tls.key", 1700), ("token", 600), ("password", 32))
    }
    meta = _metadata(item, fixed, "helm", {"f:data": {f"f:{name}": {} for name in data}})
    return {"metadata": meta, "type": "Opaque", "data": data}


def _deployment(item: Item, fixed: random.Random, fresh: random.Random) -> dict[str, Any]:
    app = item.name.rsplit("-", 1)[0]
    tag = f"{1 + item.revision // 50}.{item.revision % 50}.{fixed.randint(0, 30)}"
    env = [
        {"name": f"{fixed.choice(_WORDS).upper()}_{n}", "value": fixed.choice(_WORDS) + str(n)}
        for n in range(12)
    ]
    container = {
        "name": app,
        "image": f"registry.example.com/{item.namespace}/{app}:{tag}",
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": env,
        "resources": {
            "limits": {"cpu": f"{fixed.randint(1, 8) * 250}m", "memory": "512Mi"},
            "requests": {"cpu": "100m", "memory": f"{fixed.randint(1, 8) * 64}Mi"},
        },
        "livenessProbe": _probe("/healthz"),
        "readinessProbe": _probe("/ready"),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }
    labels = {"app": app, "team": item.namespace}
    replicas = fixed.randint(1, 5)
    moment = f"2026-0{fresh.randint(1, 9)}-1{fresh.randint(0, 9)}T0{fresh.randint(0, 9)}:12:44Z"
    template: dict[str, Any] = {
        "metadata": {"labels": labels},
        "spec": {
            "containers": [container],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": app,
            "securityContext": {"runAsNonRoot": True},
            "schedulerName": "default-scheduler",
        },
    }
    fields: dict[str, Any] = {f"f:{name}": {".": {}, "f:value": {}} for name in template["spec"]}
    many: dict[str, Any] = {
        f'k:{{"name":"{e["name"]}"}}': {".": {}, "f:name": {}, "f:value": {}} for e in env
    }
    spec = {"f:template": {"f:spec": {**fields, "f:containers": {f"k:{app}": {"f:env": many}}}}}
    return {
        "metadata": {
            **_metadata(item, fixed, "kube-controller-manager", {"f:spec": spec, "f:status": spec}),
            "generation": 1 + item.revision,
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": template,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}},
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
        },
        "status": {
            "observedGeneration": 1 + item.revision,
            "replicas": replicas,
            "updatedReplicas": replicas,
            "readyReplicas": replicas,
            "availableReplicas": replicas,
            "conditions": [
                {
                    "type": "Available",
                    "status": "True",
                    "lastUpdateTime": moment,
                    "lastTransitionTime": moment,
                    "reason": "MinimumReplicasAvailable",
                    "message": "Deployment has minimum availability.",
                }
            ],
        },
    }


def _probe(path: str) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "http", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


_BODIES = {
    "Namespace": _namespace,
    "ConfigMap": _config_map,
    "Secret": _secret,
    "Deployment": _deployment,
}
