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
