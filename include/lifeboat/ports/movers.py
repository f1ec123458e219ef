"""What Lifeboat needs of whoever carries the files of volumes into the vault's store and back.

Start and poll are two calls and neither waits. Guarantees (tests/contract/test_movers.py):
- names are derived from what is moved: starting the same move twice is one pod, and a pod that
  begins again finds what an earlier one has stored.
- `finish` removes everything that the move made for itself (pod, clone, Secret), whatever became of
  it, and may be called at any time and again.
- the credential of the store and the repository's password are in a Secret and nowhere else: in no
  argument, no log, no error, no ticket.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from lifeboat.ports.cluster import Json
from lifeboat.ports.disks import StoredSnapshot, Volume

Phase = Literal["absent", "running", "done", "failed"]


@dataclass(frozen=True)
class Saved:
    """Files of one volume at one point, as the repository names them. Sizes in bytes; `added` is
    what they took in the store, compressed."""

    id: str
    files: int
    bytes: int
    added: int


@dataclass(frozen=True)
class Save:
    """From a clone of this snapshot into the repository."""

    snapshot: StoredSnapshot


@dataclass(frozen=True)
class Fill:
    """From the repository (`files` names them there) into the new claim `namespace/claim` of `size`
    bytes at least. `claim_body` is the claim to create, already mapped and cleaned."""

    files: str
    point: str
    instance: str
    namespace: str
    claim: str
    restore_id: str
    size: int
    claim_body: Json = field(default_factory=dict, compare=False)


Move = Save | Fill


@dataclass(frozen=True)
class MoveState:
    """What polling found. `detail`: what a running move waits for, empty when it works; `saved` of
    a Save that is done; `error` of one that failed and will not go on by itself."""

    phase: Phase
    percent: int | None = None
    detail: str = ""
    error: str = ""
    saved: Saved | None = None


@dataclass(frozen=True)
class Leftover:
    """Something in the cluster that carries our marks of a mover. `kind`: Pod, Secret or
    PersistentVolumeClaim; `created` RFC 3339."""

    kind: str
    namespace: str
    name: str
    point: str
    created: str


@dataclass(frozen=True)
class Kept:
    """One snapshot in the repository, by the tags that a Save gave it."""

    id: str
    point: str
    instance: str
    created: str


class Movers(Protocol):
    """Moves for one cluster and one vault."""

    def why_not(self, volume: Volume) -> str:
        """Empty when the files of this volume can be saved, else the reason in a sentence."""
        ...

    def start(self, move: Move) -> None:
        """Raises AlreadyExists when a Fill finds a claim of this name that it did not make."""
        ...

    def poll(self, move: Move) -> MoveState: ...

    def finish(self, move: Move) -> None: ...

    def leftovers(self, instance: str) -> tuple[Leftover, ...]:
        """What movers of this instance left behind, or are using now (reconcile)."""
        ...

    def remove(self, leftover: Leftover) -> None:
        """Something gone is no error."""
        ...


class Repository(Protocol):
    """The repository itself, from the machine that the engine runs on. Raises StoreUnavailable when
    it cannot be reached, Unsupported where no restic is installed, WrongKey."""

    def kept(self, instance: str) -> tuple[Kept, ...]:
        """Everything of this instance; nothing where there is no repository yet."""
        ...

    def forget(self, ids: tuple[str, ...]) -> None:
        """Remove these, and what only they needed. Ids that are gone are no error."""
        ...
