"""The labels and annotations by which Lifeboat knows its own objects in a cluster.

They stand here because both sides of the ports must agree on them: adapters set what steps leave
out.
"""

from __future__ import annotations

MANAGED = "lifeboat.dev/managed"
"""Label `"true"` of objects that are Lifeboat's own: never captured, found by reconcile."""

RESTORE = "lifeboat.dev/restore"
"""Annotation of what a restore created, by which its retry knows it; a label of its helpers."""

RESTORED_FROM = "lifeboat.dev/restored-from"
"""Annotation: the point that an object came from."""

STANDBY = "lifeboat.dev/standby"
"""Annotation of what a standby made: the instance that it stands by for. Nothing without it is
touched there."""

HELD = "lifeboat.dev/held"
"""Annotation of what is held so that it does not run, and what to bring it back to: `replicas=3`,
`suspend=false`. The name, too, of the node label and the scheduling gate that hold pods."""
