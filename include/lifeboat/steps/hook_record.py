"""The documents of a freeze: what is about to be stilled, and how each hook went.

They lie in the vault and are written before what they tell happens: after any crash, and any edit
of the policy, a thaw knows from them what it has to undo. Each attempt at freezing has a number.

    attempt 0:  frozen   begun-0  pre-0   begun-1  pre-1   …   post-1  post-0   thawed
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from lifeboat.clock import parse_rfc3339
from lifeboat.point import layout
from lifeboat.ports.pods import Target
from lifeboat.vault.vault import Vault

Phase = Literal["pre", "post"]
_FROZEN = "frozen"
_THAWED = "thawed"


class Step(msgspec.Struct, frozen=True):
    """One command, as it was when it was frozen. `seconds` is its time-out, `fails` its onError."""

    command: tuple[str, ...]
    seconds: float
    fails: bool


class PodAction(msgspec.Struct, frozen=True, tag="pod"):
    """One container and what is run in it; `asked_by` the policy or the pod's annotations."""

    target: Target
    pre: Step | None
    post: Step | None
    asked_by: Literal["policy", "pod"] = "policy"

    @property
    def title(self) -> str:
        return f"pod {self.target.title}"


class ScaleAction(msgspec.Struct, frozen=True, tag="scale"):
    """A workload, by kind (deployment or statefulset) and name, and the replicas that it had."""

    namespace: str
    kind: str
    name: str
    replicas: int
    seconds: float

    @property
    def title(self) -> str:
        return f"{self.kind}/{self.name} in {self.namespace}"


class CallAction(msgspec.Struct, frozen=True, tag="http"):
    """The policy's `http` section as it was; it names headers' values and holds none."""

    hook: dict[str, Any]

    @property
    def title(self) -> str:
        told = self.hook.get("pre") or self.hook.get("post") or {}
        return f"http {str(told.get('url', '')).partition('?')[0]}"


class JobAction(msgspec.Struct, frozen=True, tag="job"):
    """The policy's `job` section as it was."""

    hook: dict[str, Any]

    @property
    def title(self) -> str:
        told = self.hook.get("pre") or self.hook.get("post") or {}
        return f"job {told.get('image', '')} in {self.hook.get('namespace', '')}"


Action = PodAction | ScaleAction | CallAction | JobAction


def asked_by(action: Action) -> Literal["policy", "pod"]:
    """Who wants the stillness: a pod's own hook never decides over a whole point."""
    return action.asked_by if isinstance(action, PodAction) else "policy"


class Frozen(msgspec.Struct, frozen=True):
    """What one attempt is about to still, in this order. `began` and `until` (the end of maxFreeze)
    are RFC 3339, `notes` what has to be told of it."""

    began: str
    until: str
    actions: tuple[Action, ...]
    notes: tuple[str, ...] = ()


class Begun(msgspec.Struct, frozen=True):
    """The action's turn has come: from here on it has to be thawed."""

    at: str


class Outcome(msgspec.Struct, frozen=True):
    """How one phase of an action went: `exit_code` None where there is none or it is not known;
    `trouble` says what failed, `note` what else has to be told; both are empty when all is well.
    Not `started`: it was refused, so nothing happened that a thaw had to undo."""

    exit_code: int | None = None
    seconds: float = 0.0
    trouble: str = ""
    note: str = ""
    started: bool = True


class Thawed(msgspec.Struct, frozen=True):
    """The end of an attempt. `early`: it was not ended by the run that waited for the cut, but by
    the limit or by somebody else; `uncut` are volumes whose snapshots were not cut by then."""

    ended: str
    uncut: tuple[str, ...] = ()
    early: str = ""


class Attempt:
    """One attempt at freezing for one point: its documents."""

    def __init__(self, vault: Vault, instance: str, point: str, number: int) -> None:
        self.number = number
        self._vault = vault
        self._place = (instance, point, number)

    def frozen(self) -> Frozen | None:
        return self._vault.find_document(self._key(_FROZEN), Frozen)

    def begin(self, frozen: Frozen) -> None:
        """Raises BlobExists when another process begins the same attempt."""
        self._vault.put_document(self._key(_FROZEN), frozen)

    def thawed(self) -> Thawed | None:
        return self._vault.find_document(self._key(_THAWED), Thawed)

    def end(self, thawed: Thawed) -> None:
        self._vault.settle_document(self._key(_THAWED), thawed, Thawed)

    def touch(self, action: int, now: str) -> None:
        self._vault.settle_document(self._key(f"begun-{action}"), Begun(now), Begun)

    def touched(self, action: int) -> bool:
        return self._vault.find_document(self._key(f"begun-{action}"), Begun) is not None

    def keep(self, phase: Phase, action: int, outcome: Outcome) -> None:
        self._vault.settle_document(self._key(f"{phase}-{action}"), outcome, Outcome)

    def outcome(self, phase: Phase, action: int) -> Outcome | None:
        return self._vault.find_document(self._key(f"{phase}-{action}"), Outcome)

    def _key(self, what: str) -> str:
        return layout.hook(*self._place, what)


def next_attempt(vault: Vault, instance: str, point: str) -> Attempt:
    return Attempt(vault, instance, point, len(list(attempts(vault, instance, point))))


def attempts(vault: Vault, instance: str, point: str) -> Iterator[tuple[Attempt, Frozen]]:
    """Every attempt for a point, the first first."""
    number = 0
    while True:
        attempt = Attempt(vault, instance, point, number)
        frozen = attempt.frozen()
        if frozen is None:
            return
        yield attempt, frozen
        number += 1


def unthawed(vault: Vault, instance: str) -> dict[str, Frozen]:
    """The points of which an attempt has not been thawed, with the latest such attempt. One
    listing; nothing is read where no hook ran since the parts were cleaned away."""
    open_points: dict[str, set[str]] = {}
    for stat in vault.store.list(layout.all_parts(instance)):
        place = layout.hook_place(instance, stat.key)
        if place is None:
            continue
        point, number, what = place
        if what == _FROZEN:
            open_points.setdefault(point, set()).add(number)
    found = {}
    for point in sorted(open_points):
        for attempt, frozen in attempts(vault, instance, point):
            if attempt.thawed() is None:
                found[point] = frozen
    return found


def is_over(frozen: Frozen, now: str) -> bool:
    """Whether the freeze has lasted as long as it may."""
    return parse_rfc3339(now) >= parse_rfc3339(frozen.until)
