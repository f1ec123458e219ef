"""What happens to an object that exists, by mode: the rules, and nothing but the rules.

Pure: it is told what the API server said when it was asked without consequence (`trial`).
docs/restore.md has the same table for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lifeboat.policy.selection import kind_named
from lifeboat.ports.cluster import Json, Kind
from lifeboat.ports.marks import STANDBY
from lifeboat.restore.choice import CLAIM, NAMESPACE
from lifeboat.restore.model import Action, Mode

SERVICE_ACCOUNT = "ServiceAccount"

NEVER_DELETED = {
    NAMESPACE: "it would take everything along that lies in it",
    "CustomResourceDefinition.apiextensions.k8s.io": "it would take all its resources along",
    "PersistentVolume": "it would take its data along",
    CLAIM: "its data would be lost; name the claim to have it made anew",
    SERVICE_ACCOUNT: "running pods use its tokens",
}
"""Kinds that no mode deletes, and why. A claim is deleted when it is asked for by its name."""

EQUAL = "equal"
CLUSTER_SCOPED = "exists; cluster-scoped objects are changed only where their kind is asked for"
LIVE_DATA = "exists; the data of a live claim is left alone"
FOREIGN = "exists, and the standby did not make it: it is left alone"


class Trial(NamedTuple):
    """What the API server answered to a dry run: what would differ, or why it refuses; `untried`:
    why it could not answer, then `fields` is what would differ if it changed nothing on the way.
    `remake_refused`: what it would say to the same object being made anew, empty when it would take
    it."""

    fields: tuple[str, ...] = ()
    refused: str = ""
    untried: str = ""
    remake_refused: str = ""


def mode_for(kind: Kind, mode: Mode, mode_of: Mapping[str, Mode]) -> Mode | None:
    """The mode that applies to a kind; None for a cluster-scoped one that nobody named. A named
    kind wins over the common mode; ServiceAccounts are merged whatever is asked."""
    if kind.group_kind == SERVICE_ACCOUNT:
        return "merge"
    for text, named in mode_of.items():
        if kind_named(text, kind):
            return named
    return mode if kind.namespaced else None


def may_delete(kind: Kind, *, swap: bool) -> str:
    """Why no mode deletes an object of this kind; empty when it may be deleted. `swap`: the data of
    this very claim may go."""
    if kind.group_kind == CLAIM and swap:
        return ""
    return NEVER_DELETED.get(kind.group_kind, "")


def is_own(kind: Kind, metadata: Json, mark: str) -> bool:
    """Whether a restore may touch a live object: any without a mark, else those that carry it. The
    account that every namespace has is merged whoever made it."""
    if not mark or (kind.group_kind == SERVICE_ACCOUNT and metadata["name"] == "default"):
        return True
    return bool((metadata.get("annotations") or {}).get(STANDBY) == mark)


def untried(kind: Kind, mode: Mode | None, *, swap: bool) -> str:
    """Why nothing need be tried: the object is left as it is. Empty when the mode wants more."""
    if mode is None:
        return CLUSTER_SCOPED
    if kind.group_kind == CLAIM and mode != "fail" and not (mode == "recreate" and swap):
        return LIVE_DATA
    return "exists" if mode == "skip" else ""


def decide(mode: Mode, trial: Trial, keep: str) -> tuple[Action, str]:
    """Action and reason for an object that exists, after the dry run of its mode. `keep` says why
    it may not be deleted, empty when it may."""
    if mode == "fail":
        if trial.refused:
            return "conflict", f"exists and differs: {trial.refused}"
        if trial.untried:
            return "conflict", f"exists and seems to differ; {trial.untried}"
        return ("conflict", "exists and differs") if trial.fields else ("skip", EQUAL)
    if mode == "recreate":
        return _remade("exists", trial, keep)
    if trial.refused:
        if mode == "replace":
            return _remade(trial.refused, trial, keep)
        return "conflict", trial.refused
    if not trial.fields:
        return "skip", EQUAL
    reason = f"exists; not tried: {trial.untried}" if trial.untried else "exists"
    return ("replace", reason) if mode == "replace" else ("merge", reason)


def _remade(reason: str, trial: Trial, keep: str) -> tuple[Action, str]:
    if keep:
        return "conflict", f"{reason}; it is not deleted: {keep}"
    if trial.remake_refused:
        return "conflict", f"{reason}; deleted, it could not be made anew: {trial.remake_refused}"
    return "recreate", reason
