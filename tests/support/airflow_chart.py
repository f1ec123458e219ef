"""What Airflow's official chart 1.22 takes, as far as deploy/helm/values.yaml sets it.

Facts that were read in the chart's documentation and schema and written down: the chart itself is
in no index that the tests use. What Kubernetes takes below a path comes from its official client.
"""

from __future__ import annotations

from typing import Any

from kubernetes.client import V1PodSecurityContext, V1ResourceRequirements, V1SecurityContext

Schema = dict[str, Any]

STRING: Schema = {"type": "string", "minLength": 1}
BOOLEAN: Schema = {"type": "boolean"}
REPLICAS: Schema = {"type": "integer", "minimum": 1}
WORDS: Schema = {"type": "object", "additionalProperties": STRING}
PULL: Schema = {"enum": ["Always", "Never", "IfNotPresent"]}
ENV: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"name": STRING, "value": STRING},
        "required": ["name", "value"],
        "additionalProperties": False,
    },
}


def _of(model: Any) -> Schema:
    """An object of Kubernetes: the fields that its API has."""
    names = dict.fromkeys(model.attribute_map.values(), True)
    return {"type": "object", "properties": names, "additionalProperties": False}


def _account(path: str) -> dict[str, Schema]:
    return {
        f"{path}.create": BOOLEAN,
        f"{path}.name": STRING,
        f"{path}.annotations": WORDS,
    }


PATHS: dict[str, Schema] = {
    "executor": {"type": "string", "pattern": "^[A-Z][a-zA-Z0-9]+Executor$"},
    "airflowVersion": STRING,
    "defaultAirflowTag": STRING,
    "images.airflow.repository": STRING,
    "images.airflow.tag": STRING,
    "images.airflow.pullPolicy": PULL,
    "images.pod_template.repository": STRING,
    "images.pod_template.tag": STRING,
    "images.pod_template.pullPolicy": PULL,
    "fernetKeySecretName": STRING,
    "apiSecretKeySecretName": STRING,
    "jwtSecretName": STRING,
    "postgresql.enabled": BOOLEAN,
    "redis.enabled": BOOLEAN,
    "data.metadataSecretName": STRING,
    "securityContexts.pod": _of(V1PodSecurityContext),
    # `containers` for all, `container` for one component.
    "securityContexts.containers": _of(V1SecurityContext),
    "env": ENV,
    "extraEnvFrom": STRING,  # YAML as a text, for Helm's templates
    **_account("workers.kubernetes.serviceAccount"),
    "workers.kubernetes.resources": _of(V1ResourceRequirements),
    "workers.labels": WORDS,
    "triggerer.replicas": REPLICAS,
    **_account("triggerer.serviceAccount"),
    "triggerer.labels": WORDS,
    "scheduler.replicas": REPLICAS,
    "apiServer.replicas": REPLICAS,
    **_account("apiServer.serviceAccount"),
    "apiServer.labels": WORDS,
    "dagProcessor.enabled": BOOLEAN,
    "dagProcessor.replicas": REPLICAS,
    "logs.persistence.enabled": BOOLEAN,
    "logs.persistence.size": STRING,
    "logs.persistence.storageClassName": STRING,
    "rbac.create": BOOLEAN,
    "allowPodLaunching": BOOLEAN,
    "statsd.enabled": BOOLEAN,
    "statsd.extraMappings": {"type": "array", "items": {"type": "object"}},
    "createUserJob.useHelmHooks": BOOLEAN,
    "migrateDatabaseJob.enabled": BOOLEAN,
    "migrateDatabaseJob.useHelmHooks": BOOLEAN,
}


def schema() -> Schema:
    """Of a whole values.yaml, in which nothing but these paths is known."""
    root: Schema = {"type": "object", "properties": {}, "additionalProperties": False}
    for path, leaf in PATHS.items():
        *folders, last = path.split(".")
        node = root
        for folder in folders:
            empty = {"type": "object", "properties": {}, "additionalProperties": False}
            node = node["properties"].setdefault(folder, empty)
        node["properties"][last] = leaf
    return root
