"""When a restored workload is ready: as `kubectl rollout status` says; old pods do not count."""

from __future__ import annotations

from typing import Any

import pytest

from lifeboat.restore.wait import why_not_ready

SEEN = {"observedGeneration": 2}
OLD_AND_NEW = {**SEEN, "replicas": 2, "readyReplicas": 2, "availableReplicas": 2}


def why(kind: str, status: dict[str, Any], **spec: Any) -> str:
    live = {"metadata": {"generation": 2}, "spec": {"replicas": 2, **spec}, "status": status}
    return why_not_ready(kind, live)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({**OLD_AND_NEW, "observedGeneration": 1}, "was not seen by its controller yet"),
        ({**OLD_AND_NEW, "updatedReplicas": 1}, "has 1 of 2 pods updated"),
        (
            {**OLD_AND_NEW, "replicas": 3, "updatedReplicas": 2},
            "has 2 of 3 pods updated, the others end",
        ),
        (
            {**OLD_AND_NEW, "updatedReplicas": 2, "availableReplicas": 1},
            "has 1 of 2 pods available",
        ),
        ({**OLD_AND_NEW, "updatedReplicas": 2}, ""),
    ],
)
def test_a_deployment_is_ready_when_its_new_pods_are(status: dict[str, Any], told: str) -> None:
    assert why("Deployment", status) == told


def test_a_paused_deployment_is_not_rolled_out() -> None:
    assert why("Deployment", OLD_AND_NEW, paused=True) == ""


@pytest.mark.parametrize(
    ("update", "strategy", "told"),
    [
        ({"updateRevision": "b", "updatedReplicas": 1}, {}, "has 1 of 2 pods updated"),
        ({"updateRevision": "b", "updatedReplicas": 1}, {"rollingUpdate": {"partition": 1}}, ""),
        ({"updateRevision": "b", "updatedReplicas": 0}, {"type": "OnDelete"}, ""),
        ({"updateRevision": "a"}, {}, ""),
        ({"updateRevision": "a", "readyReplicas": 1}, {}, "has 1 of 2 pods ready"),
    ],
)
def test_a_stateful_set_is_ready_when_its_new_pods_are(
    update: dict[str, Any], strategy: dict[str, Any], told: str
) -> None:
    status = {**OLD_AND_NEW, "currentRevision": "a", **update}
    assert why("StatefulSet", status, updateStrategy=strategy) == told


def test_a_daemon_set_is_ready_when_its_new_pods_are() -> None:
    status = {**SEEN, "desiredNumberScheduled": 2, "numberReady": 2, "updatedNumberScheduled": 1}
    assert why("DaemonSet", status) == "has 1 of 2 pods updated"
    assert why("DaemonSet", status, updateStrategy={"type": "OnDelete"}) == ""
    assert why("DaemonSet", {**status, "updatedNumberScheduled": 2}) == ""


@pytest.mark.parametrize("kind", ["ReplicaSet", "ReplicationController"])
def test_what_rolls_nothing_out_is_ready_with_its_pods(kind: str) -> None:
    assert why(kind, {**SEEN, "readyReplicas": 1}) == "has 1 of 2 pods ready"
    assert why(kind, {**SEEN, "readyReplicas": 2}) == ""
