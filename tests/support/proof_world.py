"""A world in which test restores run to their end: pods run at once, claims are bound, Jobs end.

`jobs` says how Jobs end, by a word of their command or image: what they print, and whether they
fail. `made` are the bodies of Jobs in the order of their creation.
"""

from __future__ import annotations

import copy
from typing import Any

from lifeboat.clock import rfc3339
from lifeboat.point.facts import Verdict, read_verdicts
from lifeboat.point.manifest import Manifest, Run
from lifeboat.proof.run import Place, prove
from lifeboat.steps.backup import backup
from tests.support.kinds import POD, kind
from tests.support.manifests import manifest
from tests.support.world import POLICY, World

EVENT = kind("v1", "events", "Event")
QUOTA = kind("v1", "resourcequotas", "ResourceQuota")
LIMITS = kind("v1", "limitranges", "LimitRange")
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
OBJECTS = "testRestore:\n  timeout: 5s\n  checks:\n    - objectsComplete\n"


class ProofWorld(World):
    """`sections` is the policy's `testRestore`, and what else it has beyond World's."""

    def __init__(
        self, sections: str = "testRestore: {timeout: 5s, checks: [objectsComplete]}\n"
    ) -> None:
        self.jobs: dict[str, tuple[str, bool]] = {}
        self.made: list[dict[str, Any]] = []
        self.pod_status: dict[str, Any] = READY
        super().__init__(POLICY + sections)
        self.cluster.kinds += [EVENT, QUOTA, LIMITS]
        for name in ("db-0", "db-1"):
            body = manifest(POD, name, spec={"containers": [{"name": "main"}]})
            body["metadata"]["labels"] = {"app": "db"}
            self.cluster.create(POD, "shop", body)

    def back_up(self, run: str = "run-1") -> Manifest:
        made = backup(self.context(), Run(run, "cli"), lambda _: None)
        assert made is not None
        self.tick(minutes=10)
        return made

    def prove(self, point: str, run: str = "test-1", place: Place | None = None) -> Verdict:
        return prove(self.context(), point, run, lambda _: None, place)

    def judged(self, point: str) -> Verdict:
        """The newest verdict of a point."""
        return read_verdicts(self.context().vault, "shop.local", point)[-1]

    def _controlled(self) -> None:
        super()._controlled()
        self.cluster.reactions["Pod"] = self._run
        self.cluster.reactions["PersistentVolumeClaim"] = self._bind
        self.cluster.reactions["Job.batch"] = self._work

    def _snapshot(self, body: dict[str, Any]) -> None:
        known = body["spec"]["source"].get("volumeSnapshotContentName")
        if known:  # of a restore: its content is there, and nothing is cut
            body["status"] = {"readyToUse": True, "boundVolumeSnapshotContentName": known}
        else:
            super()._snapshot(body)

    def _run(self, body: dict[str, Any]) -> None:
        body["status"] = copy.deepcopy(self.pod_status)

    def _bind(self, body: dict[str, Any]) -> None:
        body["spec"]["volumeName"] = "pv-1"
        body["status"] = {"phase": "Bound"}

    def _work(self, body: dict[str, Any]) -> None:
        self.made.append(copy.deepcopy(body))
        meta = body["metadata"]
        container = body["spec"]["template"]["spec"]["containers"][0]
        words = [container["image"], *container.get("command", ()), *container.get("args", ())]
        said, fails = next((self.jobs[word] for word in words if word in self.jobs), ("", False))
        pod = manifest(POD, f"{meta['name']}-1", spec={"containers": [{"name": "hook"}]})
        labels = {"batch.kubernetes.io/job-name": meta["name"]}
        pod["metadata"].update(namespace=meta["namespace"], labels=labels)
        pod["status"] = {"phase": "Failed" if fails else "Succeeded"}
        self.cluster.put(POD, pod)
        self.cluster.logs[f"{meta['namespace']}/{meta['name']}-1"] = said
        kind_of_end = "Failed" if fails else "Complete"
        end = {"type": kind_of_end, "status": "True", "reason": "BackoffLimitExceeded"}
        body["status"] = {"conditions": [end]}

    def warn(self, namespace: str, message: str) -> None:
        """An event of type Warning."""
        body = manifest(EVENT, f"e-{len(self.cluster.objects(EVENT))}")
        body["metadata"]["namespace"] = namespace
        about = {"kind": "Pod", "namespace": namespace, "name": "db-0"}
        body |= {"type": "Warning", "reason": "BackOff", "message": message}
        body |= {"involvedObject": about, "lastTimestamp": rfc3339(self.now)}
        self.cluster.put(EVENT, body)
