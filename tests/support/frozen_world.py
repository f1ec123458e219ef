"""A world whose policy stills things, with one log of all that happens to them, in order."""

from __future__ import annotations

from typing import Any

from lifeboat.point.manifest import Manifest, Run
from lifeboat.ports.calls import Call
from lifeboat.ports.cluster import Json, Kind
from lifeboat.ports.pods import Target
from lifeboat.steps.backup import backup
from lifeboat.steps.enumerate import enumerate_scope
from lifeboat.steps.scope import Scope
from tests.support.kinds import DEPLOYMENT, JOB, NAMESPACE, POD
from tests.support.manifests import manifest
from tests.support.world import POLICY, World

RUN = Run("run-1", "manual")
SPACES = "select: {namespaces: {include: [shop, web]}}"


class FrozenWorld(World):
    """Namespaces shop (a database of two pods, and a pod beside it) and web (a front end of three
    replicas). `log` tells commands, requests, Jobs, changes of replicas and snapshots."""

    def __init__(self, sections: str) -> None:
        base = POLICY.replace("select: {namespaces: {include: [shop]}}", SPACES)
        super().__init__(base + sections)
        self.log: list[str] = []
        self.job_status: Json = {"conditions": [{"type": "Complete", "status": "True"}]}
        self.cluster.create(NAMESPACE, None, manifest(NAMESPACE, "web"))
        for name, labels in (("db-0", {"app": "db"}), ("db-1", {"app": "db"}), ("web", {})):
            self.pod("shop", name, labels)
        self.deployment("web", "front", 3)
        self.pods.seen = self._command
        self.calls.seen = self._request
        self.calls.resolve = lambda place: f"value of {place}"
        self.cluster.reactions["Job.batch"] = self._job
        snapshot = self.cluster.reactions["VolumeSnapshot.snapshot.storage.k8s.io"]

        def cut(body: Json) -> None:
            self.log.append(f"snapshot {body['spec']['source']['persistentVolumeClaimName']}")
            snapshot(body)

        self.cluster.reactions["VolumeSnapshot.snapshot.storage.k8s.io"] = cut
        patch = self.cluster.patch

        def patched(kind: Kind, namespace: str | None, name: str, body: Any, **more: Any) -> Json:
            if "replicas" in body.get("spec", {}):
                self.log.append(f"scale {namespace}/{name} to {body['spec']['replicas']}")
            return patch(kind, namespace, name, body, **more)

        self.cluster.patch = patched  # type: ignore[method-assign]

    def pod(
        self, namespace: str, name: str, labels: dict[str, str] | None = None, **annotations: str
    ) -> Json:
        """A running pod of two containers; annotations with a prefix of one letter for Velero's."""
        spec = {"containers": [{"name": "main"}, {"name": "side"}]}
        pod = manifest(POD, name, spec=spec, status={"phase": "Running"})
        prefix = {"a": "pre.hook.backup.velero.io/", "b": "post.hook.backup.velero.io/"}
        told = {prefix[key[0]] + key[2:].replace("_", "-"): v for key, v in annotations.items()}
        pod["metadata"].update(namespace=namespace, labels=labels or {}, annotations=told)
        return self.cluster.put(POD, pod)

    def deployment(self, namespace: str, name: str, replicas: int) -> None:
        body = manifest(DEPLOYMENT, name, spec={"replicas": replicas, "template": {}})
        body["metadata"]["namespace"] = namespace
        self.cluster.put(DEPLOYMENT, body)

    def replicas(self, namespace: str = "web", name: str = "front") -> int:
        return int(self.cluster.get(DEPLOYMENT, namespace, name)["spec"]["replicas"])

    def scope(self, run: Run = RUN) -> Scope:
        return enumerate_scope(self.context(), run)

    def point(self, run: Run = RUN) -> Manifest:
        stored = backup(self.context(), run, lambda _: None)
        assert stored is not None
        return stored

    def _command(self, target: Target, command: tuple[str, ...]) -> None:
        self.log.append(f"{command[0]} {target.namespace}/{target.pod}")

    def _request(self, call: Call) -> None:
        self.log.append(call.title)

    def _job(self, body: Json) -> None:
        image = body["spec"]["template"]["spec"]["containers"][0]["image"]
        self.log.append(f"job {image}")
        body["status"] = self.job_status

    def jobs(self) -> list[Json]:
        return list(self.cluster.objects(JOB).values())
