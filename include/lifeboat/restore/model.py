"""The documents of a restore: what was asked, what is planned, what came of it."""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec

from lifeboat.point.facts import Phase
from lifeboat.policy.recovery import Approval
from lifeboat.ports.cluster import Kind
from lifeboat.ports.disks import RestoreTicket, StoredSnapshot
from lifeboat.restore.choice import Choice
from lifeboat.restore.hold import Hold
from lifeboat.restore.transforms.transforms import TransformText
from lifeboat.vault.crypto import RECORD_ID_BYTES
from lifeboat.vault.records import Place

Mode = Literal["skip", "merge", "replace", "recreate", "fail"]
Action = Literal[
    "create", "merge", "replace", "recreate", "delete", "skip", "conflict", "leave", "unserved"
]
ACTIONS: tuple[Action, ...] = get_args(Action)
"""Stored plans name an action by its position: new ones come last."""
TO_APPLY: tuple[Action, ...] = ("create", "merge", "replace", "recreate", "delete")
"""What changes the target; the other actions only say why nothing happens."""
RESTORED: tuple[Action, ...] = ("create", "merge", "replace", "recreate")
"""After these an object of the point is there."""
NOT_RESTORED: tuple[Action, ...] = ("conflict", "unserved")
"""What was asked for and cannot be: each is a failure of the restore, by name."""
SET_ASIDE: tuple[Action, ...] = (*NOT_RESTORED, "leave")
"""Nothing is sent to the target for these."""


class RestoreRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a person asked for.

    `namespaces` empty means every namespace of the point; `mapping` renames source namespaces;
    `prefix` and `suffix` rename the others. `kinds` (as in a policy: `deployments`,
    `Deployment.apps`, …) empty means all; `choice` picks objects out of what is left. `mode` says
    what happens to objects that exist (restore/modes.py), `mode_of` of which kinds something else.
    `prune` deletes what the point lacks; `scale_down` stops workloads while they are changed.
    `volumes_as` is a template for new names of claims, which come alone then. `from_vault`: volumes
    from their files in the vault, where there are any, even if there is a snapshot. `compare_all`:
    what differs is told of objects that are left alone, too; `try_creates`: creates are tried by
    dry run. Cluster-scoped objects are changed only where `mode_of` names their kind; with
    `outside`, only these kinds of them come at all. `asked_by`: who, where it is known; `approval`:
    whose word is wanted, beside what the policy asks for. `in_flight`: requests that may be open at
    once, 0 until planning has looked up the policy's. `transforms` are kept as they were written:
    what is approved is what is applied, whatever becomes of the files. With `scratch`, `scale` is
    the most replicas of a workload (None: as many as it had), `node_selector` pins its pods.
    `status_of` are kinds whose status is restored, `operators` globs of source namespaces whose
    workloads are to be ready before custom resources come; planning adds the policy's to both.
    `defaults` are the target's default classes by kind, as planning found them; `answering` the
    Services that no mapping takes from live objects outside namespaces (restore/services.py).

    For a standby (docs/standby.md): `standby` is its cluster and `turn` the number of the event in
    its log that this restore belongs to (0: none is asked for); `mark` is what its objects carry,
    and nothing else that exists is touched then; `hold` is what does not run; `swap`: every claim
    that the point has data for is made anew with it.
    """

    instance: str
    point: str
    namespaces: tuple[str, ...] = ()
    mapping: dict[str, str] = {}
    kinds: tuple[str, ...] = ()
    mode: Mode = "skip"
    volumes: bool = True
    from_vault: bool = False
    cluster_scoped: bool = True
    outside: tuple[str, ...] = ()
    scratch: bool = False
    transforms: tuple[TransformText, ...] = ()
    scale: int | None = None
    node_selector: dict[str, str] = {}
    dry_run: bool = False
    in_flight: int = 0
    choice: Choice = Choice()
    mode_of: dict[str, Mode] = {}
    prefix: str = ""
    suffix: str = ""
    volumes_as: str = ""
    prune: bool = False
    scale_down: bool = False
    compare_all: bool = False
    try_creates: bool = False
    approval: Approval = "none"
    asked_by: str = ""
    status_of: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    defaults: dict[str, str] = {}
    answering: dict[str, tuple[str, ...]] = {}
    standby: str = ""
    turn: int = 0
    mark: str = ""
    hold: Hold = ""
    swap: bool = False

    def may_swap(self, claim: str) -> bool:
        """Whether a live claim of this name may be deleted, to be made anew with its data."""
        return self.swap or claim in self.choice.claims


NO_RECORD = "0" * (2 * RECORD_ID_BYTES)
NOWHERE = Place("0" * 16, 0, 0, 0, 0)
"""Record and place of an item that the point does not hold: one to delete."""


class PlanItem(msgspec.Struct, frozen=True, kw_only=True):
    """One object of the point and what is going to happen to it.

    `fields` says what differs from the live object, for people; `live_version` is its state at
    planning (restore/live.py), "" where there was none: a target that moved since is not guessed
    at. `owned`: the captured object has owner references (restore/owners.py).
    """

    wave: int
    kind: Kind
    source_namespace: str
    namespace: str
    name: str
    record: str
    place: Place
    action: Action
    reason: str = ""
    fields: tuple[str, ...] = ()
    live_version: str = ""
    owned: bool = False

    @property
    def title(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind.group_kind} {where}{self.name}"


class PlanVolume(msgspec.Struct, frozen=True):
    """One claim to be made from its snapshot, in the target namespace; `storage_class`: not of its
    own class, which makes no volumes, but of this one."""

    snapshot: StoredSnapshot
    namespace: str
    claim: str
    item: PlanItem
    storage_class: str = ""


class Rebind(msgspec.Struct, frozen=True):
    """A volume that a person made, which is there and nobody's: a restored claim gets it again."""

    volume: str
    namespace: str
    claim: str


class PlanPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """Some objects of one wave, stored beside the plan under their digest (restore/parts.py);
    `owned` of them have owner references."""

    wave: int
    digest: str
    actions: dict[Action, int]
    owned: int = 0


class RestorePlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a restore is going to do, in order; its objects lie in parts, so that memory does
    not grow with them. `digest` is over all of it: exactly the plan of this digest is applied.
    `hooks` is the policy's `restoreHooks` as it was then. `older`: the target is of an older
    Kubernetes than the cluster that was captured. `unbound`: claims (`namespace/name`) that get no
    volume, so that nothing waits for who uses them."""

    restore: str
    created: str
    request: RestoreRequest
    parts: tuple[PlanPart, ...]
    volumes: tuple[PlanVolume, ...]
    warnings: tuple[str, ...]
    digest: str = ""
    hooks: dict[str, Any] = {}
    older: bool = False
    rebinds: tuple[Rebind, ...] = ()
    unbound: tuple[str, ...] = ()

    def counts(self) -> dict[Action, int]:
        """Objects by action, for a summary line."""
        found = dict.fromkeys(ACTIONS, 0)
        for part in self.parts:
            for action, number in part.actions.items():
                found[action] += number
        return found


Result = Literal["created", "merged", "replaced", "deleted", "unchanged", "skipped", "failed"]


Again = Literal["", "late", "moved"]
"""Why another try may help (restore/late.py): what was missing may still come; or the target moved
since it was looked at, and it has to be looked at anew."""


class Outcome(msgspec.Struct, frozen=True):
    """What happened to one object."""

    title: str
    result: Result
    detail: str = ""
    again: Again = ""


class PartResult(msgspec.Struct, frozen=True):
    """What became of one part of the plan; stored, so that a restarted restore goes on after it.

    `counts` has every object of the part that was acted on, `outcomes` those of which more is to be
    said than that they were restored. `changes`: what was changed on the way, with its object.
    """

    wave: int
    counts: dict[Result, int]
    outcomes: tuple[Outcome, ...]
    changes: tuple[str, ...]
    seconds: float


class Waited(msgspec.Struct, frozen=True):
    """How waiting for workloads ended: what was not ready, with the reason."""

    not_ready: tuple[str, ...]
    seconds: float


class VolumeOutcome(msgspec.Struct, frozen=True):
    """One restored claim: the handle of its new volume and, where it can be read, the digest of its
    bytes next to the one recorded at capture."""

    title: str
    handle: str = ""
    content_digest: str = ""
    captured_digest: str = ""
    error: str = ""


class VolumesResult(msgspec.Struct, frozen=True):
    """What came of all volumes; `tickets` are what is needed to poll them again, `changes` what was
    changed of their claims on the way, each with its claim."""

    volumes: tuple[VolumeOutcome, ...]
    tickets: tuple[RestoreTicket, ...]
    seconds: float
    changes: tuple[str, ...] = ()


class HookOutcome(msgspec.Struct, frozen=True):
    """How one hook went: `trouble` says what failed, and is empty when all is well; it fails the
    restore when `fails`, else it is a warning. `exit_code` None: there is none, or it is not
    known."""

    title: str
    fails: bool
    exit_code: int | None = None
    seconds: float = 0.0
    trouble: str = ""


class HooksResult(msgspec.Struct, frozen=True):
    """What came of all hooks; `notes` is what else has to be told of them."""

    hooks: tuple[HookOutcome, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def failed(self) -> list[str]:
        """What fails the restore, a line each."""
        return [f"hook {h.title}: {h.trouble}" for h in self.hooks if h.trouble and h.fails]

    @property
    def warnings(self) -> list[str]:
        """What does not, but has to be told."""
        told = [f"hook {h.title}: {h.trouble}" for h in self.hooks if h.trouble and not h.fails]
        return [*told, *self.notes]


class RestoreReport(msgspec.Struct, frozen=True, kw_only=True):
    """The account of a restore (P6): every object is in one of the counts, and `results` has all
    of them; every failure, change and omission is named. Of many that say the same of a kind, some
    are named and the others counted; each of them stands in the results of its part."""

    restore: str
    instance: str
    point: str
    started: str
    ended: str
    ok: bool
    created: int
    merged: int
    unchanged: int
    skipped: tuple[str, ...]
    left: int
    failed: tuple[str, ...]
    changes: tuple[str, ...]
    volumes: tuple[VolumeOutcome, ...]
    warnings: tuple[str, ...]
    phases: tuple[Phase, ...]
    dry_run: bool = False
    results: dict[Result, int] = {}
    hooks: tuple[HookOutcome, ...] = ()
