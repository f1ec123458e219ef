"""The bodies of what a move makes in a cluster: its pod, its Secret, its clone. The only place that
builds them; calls nothing.

Pod security: without a user of its own the pod is root and keeps one right, DAC_OVERRIDE, without
which it could not read other users' files (Pod Security Standards, level `baseline`); a fill needs
more, to give files back their owners. Nothing else of `restricted` is missing.
"""

from __future__ import annotations

from lifeboat.adapters import restic
from lifeboat.adapters import snapshot_api as api
from lifeboat.adapters.restic import Access
from lifeboat.policy.vault_tier import VaultTier
from lifeboat.ports import marks
from lifeboat.ports.cluster import Json, Kind
from lifeboat.ports.movers import Move, Save

POD = Kind("", "v1", "pods", "Pod", namespaced=True)
SECRET = Kind("", "v1", "secrets", "Secret", namespaced=True)
MOVER = "lifeboat.dev/mover"
CONTAINER = "restic"
DATA = ("/", "data")
"""Where the volume is mounted: the folder, and its name there."""

_SECRET_MOUNT = "/run/lifeboat"  # noqa: S105 - a folder
_SCRATCH = "/scratch"
_RIGHTS = {
    "save": ["DAC_OVERRIDE"],
    "fill": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "MKNOD", "SETFCAP"],
}


def name_of(move: Move) -> str:
    """Of everything that one move makes; a DNS-1123 label."""
    if isinstance(move, Save):
        one = move.snapshot
        return f"lifeboat-save-{api.digest(one.instance, one.point, one.volume.title, length=16)}"
    parts = (move.instance, move.restore_id, move.namespace, move.claim)
    return f"lifeboat-fill-{api.digest(*parts, length=16)}"


def labels(move: Move) -> dict[str, str]:
    """By which reconcile finds it, and capture passes over it."""
    one = move.snapshot if isinstance(move, Save) else move
    return {
        marks.MANAGED: "true",
        MOVER: _word(move),
        api.POINT: one.point,
        api.INSTANCE: api.instance_label(one.instance),
    }


def claim(move: Save) -> Json:
    """The clone to read from: as the snapshot's claim was, so that its class can make it."""
    volume = move.snapshot.volume
    return {
        "apiVersion": api.CLAIM.api_version,
        "kind": api.CLAIM.kind,
        "metadata": {"name": name_of(move), "labels": labels(move)},
        "spec": {
            "accessModes": [next(iter(volume.access_modes), "ReadWriteOnce")],
            "storageClassName": volume.storage_class,
            "volumeMode": volume.volume_mode,
            "resources": {"requests": {"storage": str(move.snapshot.size)}},
        },
    }


def secret(move: Move, access: Access) -> Json:
    """The repository's password as a file, the store's credential as environment."""
    return {
        "apiVersion": SECRET.api_version,
        "kind": SECRET.kind,
        "metadata": {"name": name_of(move), "labels": labels(move)},
        "type": "Opaque",
        "stringData": {restic.PASSWORD_FILE: access.password, **access.environment},
    }


def pod(move: Move, access: Access, tier: VaultTier, claim_name: str) -> Json:
    """One container that runs one script once."""
    volumes: list[Json] = [
        {"name": "data", "persistentVolumeClaim": {"claimName": claim_name}},
        {
            "name": "password",
            "secret": {
                "secretName": name_of(move),
                "items": [{"key": restic.PASSWORD_FILE, "path": restic.PASSWORD_FILE}],
                "defaultMode": 0o444,
            },
        },
        {"name": "scratch", "emptyDir": {}},
    ]
    if access.folder:
        place = {"path": access.folder, "type": "DirectoryOrCreate"}
        volumes.append({"name": "repository", "hostPath": place})
    spec: Json = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": int(tier.timeout.total_seconds()),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": _pod_security(tier),
        "containers": [_container(move, access, tier)],
        "volumes": volumes,
        "nodeSelector": dict(tier.node_selector),
        "tolerations": [
            {key: value for key, value in one.model_dump().items() if value}
            for one in tier.tolerations
        ],
    }
    if tier.service_account and isinstance(move, Save):
        spec["serviceAccountName"] = tier.service_account
    return {
        "apiVersion": POD.api_version,
        "kind": POD.kind,
        "metadata": {"name": name_of(move), "labels": labels(move) | access.pod_labels},
        "spec": spec,
    }


def _container(move: Move, access: Access, tier: VaultTier) -> Json:
    saving = isinstance(move, Save)
    mounts: list[Json] = [
        # Only the container's view is read-only: a clone is as after a power cut, and mounting it
        # may have to replay its journal.
        {"name": "data", "mountPath": "".join(DATA), "readOnly": saving},
        {"name": "password", "mountPath": _SECRET_MOUNT, "readOnly": True},
        {"name": "scratch", "mountPath": _SCRATCH},
    ]
    if access.folder:
        mounts.append({"name": "repository", "mountPath": access.folder})
    limits = {"cpu": tier.cpu, "memory": tier.memory}
    plain = {
        "RESTIC_REPOSITORY": access.url,
        "RESTIC_PASSWORD_FILE": f"{_SECRET_MOUNT}/{restic.PASSWORD_FILE}",
        "RESTIC_CACHE_DIR": f"{_SCRATCH}/cache",
        "RESTIC_PROGRESS_FPS": "0.1",  # a line every ten seconds
        "TMPDIR": _SCRATCH,
        restic.OPTIONS_VARIABLE: access.options,
        restic.RESULT_VARIABLE: "/dev/termination-log",
    }
    return {
        "name": CONTAINER,
        "image": tier.image,
        "command": ["/bin/sh", "-c", restic.SAVE if saving else restic.FILL, "lifeboat"],
        "args": _arguments(move),
        "env": [
            *({"name": key, "value": value} for key, value in plain.items()),
            *(
                {"name": key, "valueFrom": {"secretKeyRef": {"name": name_of(move), "key": key}}}
                for key in sorted(access.environment)
            ),
        ],
        "resources": {"limits": limits, "requests": {"cpu": "100m", "memory": "128Mi"}},
        "securityContext": _container_security(move, tier),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }


def _arguments(move: Move) -> list[str]:
    if isinstance(move, Save):
        return [restic.tags(move.snapshot), restic.host(move.snapshot), *DATA]
    return [move.files, DATA[0]]


def _pod_security(tier: VaultTier) -> Json:
    profile = {"seccompProfile": {"type": "RuntimeDefault"}}
    if tier.run_as_user:
        user = {"runAsUser": tier.run_as_user, "runAsGroup": tier.run_as_user}
        return {**profile, **user, "runAsNonRoot": True}
    return {**profile, "runAsUser": 0, "runAsGroup": 0}


def _container_security(move: Move, tier: VaultTier) -> Json:
    added = {} if tier.run_as_user else {"add": _RIGHTS[_word(move)]}
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], **added},
    }


def _word(move: Move) -> str:
    return "save" if isinstance(move, Save) else "fill"
