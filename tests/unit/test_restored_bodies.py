"""What a restore changes of an object on the way."""

from __future__ import annotations

from lifeboat.restore.transform import Target, clean

TARGET = Target(restore="r", point="p", mapping={})


def test_a_deployment_that_was_updated_counts_its_revisions_anew() -> None:
    """A check that finds every restored object equal would fail for ever otherwise."""
    annotations = {"deployment.kubernetes.io/revision": "5", "team": "shop"}
    body = {"kind": "Deployment", "metadata": {"name": "web", "annotations": annotations}}
    kept = clean(body, TARGET).body["metadata"]["annotations"]
    assert set(kept) == {"team", "lifeboat.dev/restore", "lifeboat.dev/restored-from"}
