"""Every error Lifeboat raises, as one tree.

Retry-ness lives in the type (`Retryable` or `Permanent`), the process exit code in the class, and a
message never carries a secret: it names the thing, what was found and what would be right.

    LifeboatError
    |- Permanent                      asking again cannot help
    |  |- UsageError             2    wrong arguments: no such policy, cluster, point, object
    |  |- PolicyError            3    a policy or cluster file is wrong: file, line, field
    |  |- Unauthorized           10   401: the credential was refused
    |  |- Forbidden              11   403: the credential may not do this
    |  |- NotFound               12   404
    |  |- AlreadyExists          13   409 on create
    |  |- Conflict               14   409 on update: the object moved on
    |  |- Invalid                15   422 / 400: the API server refuses the object
    |  |- Unsupported            16   an adapter cannot keep this promise, and says why
    |  |- StoreReadOnly          20   the store refuses writes
    |  |- StoreFull              21   no space or quota left
    |  |- BlobMissing            22
    |  |- BlobExists             23   create-if-absent lost: somebody else wrote it
    |  |- NotAVault              24   the place holds no vault (or does not exist)
    |  |- WrongKey               25   the key opens no wrapping of this vault
    |  |- Damaged                26   bytes that fail verification (blob, offset, what)
    |  |- NewerFormat            27   written by a newer major version
    |  |- SnapshotFailed         30   the driver reported an error for this volume
    |  |- NotQuiet               33   pipelines that had to stand still did not in time
    |  |- PointIncomplete        31   the point leaves out something the policy wants protected
    |  |- HookFailed             32   a hook's command failed, and the policy wants no point then
    |  |- RestoreIncomplete      40   objects that could not be restored, by name
    |  |- NotProven              41   a test restore whose checks did not all pass
    |  |- NotApproved            42   a plan that nobody approved, or not the one who must
    |  `- NotStandingBy          45   a standby that runs the application, or that moved on
    `- Retryable                      the same call may succeed later
       |- ClusterUnreachable     50
       |- Throttled              51   429; retry_after in seconds
       |- Expired                52   410: a continue token grew too old
       |- StoreUnavailable       53   5xx, time-outs, broken connections
       |- NotReady               54   a wait ran out of time
       |- KeyUnavailable         55   who keeps a vault's key (Azure Key Vault) does not answer
       |- DisksUnavailable       56   Azure Resource Manager does not answer
       |- AirflowUnreachable     57   Airflow's REST API does not answer
       `- WebhookUnreachable     59   an admission webhook that fails closed does not answer
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class LifeboatError(Exception):
    """Root of the tree. `hint` is the next step for a person; it is printed under the message."""

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class Permanent(LifeboatError):  # noqa: N818 - these read as what happened, not as types
    """Asking again cannot help."""


class Retryable(LifeboatError):  # noqa: N818
    """The same call may succeed later. `retry_after` is seconds, when the other side named them."""

    retryable = True

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class UsageError(Permanent):
    """Wrong arguments: no such policy, cluster, point or object."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a file: where, what was found, what would be right."""

    file: str
    line: int | None
    field: str
    found: str
    expected: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        field = f" {self.field}:" if self.field else ""
        found = f" found {self.found};" if self.found else ""
        return f"{where}:{field}{found} expected {self.expected}"


class PolicyError(Permanent):
    """A policy or cluster file is wrong; carries every problem found, not just the first."""

    exit_code = 3

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class Unauthorized(Permanent):
    """401: the credential was refused."""

    exit_code = 10


class Forbidden(Permanent):
    """403: the credential may not do this."""

    exit_code = 11


class NotFound(Permanent):
    """404."""

    exit_code = 12


class AlreadyExists(Permanent):
    """409 on create."""

    exit_code = 13


class Conflict(Permanent):
    """409 on update: the object moved on since it was read."""

    exit_code = 14


class Invalid(Permanent):
    """400 or 422: the API server refuses the object."""

    exit_code = 15


class Unsupported(Permanent):
    """An adapter cannot keep this promise; the message says why."""

    exit_code = 16


class StoreReadOnly(Permanent):
    """The store refuses writes."""

    exit_code = 20


class StoreFull(Permanent):
    """No space or quota left in the store."""

    exit_code = 21


class BlobMissing(Permanent):
    """The store has no blob of this key."""

    exit_code = 22


class BlobExists(Permanent):
    """Create-if-absent lost: a blob of this key is already there."""

    exit_code = 23


class NotAVault(Permanent):
    """The place holds no vault, or does not exist."""

    exit_code = 24


class WrongKey(Permanent):
    """The given key opens no wrapping of this vault."""

    exit_code = 25


class Damaged(Permanent):
    """Bytes that fail verification; the message names blob, offset and what was expected."""

    exit_code = 26


class NewerFormat(Permanent):
    """Written by a newer major version of the format."""

    exit_code = 27


class SnapshotFailed(Permanent):
    """The driver reported an error for this volume."""

    exit_code = 30


class NotQuiet(Permanent):
    """Pipelines that the policy wants to stand still did not in time; the message names them."""

    exit_code = 33


class PointIncomplete(Permanent):
    """The point leaves out something that the policy wants protected."""

    exit_code = 31


class HookFailed(Permanent):
    """A hook's command failed, and the policy wants no point then."""

    exit_code = 32


class RestoreIncomplete(Permanent):
    """Objects that could not be restored, by name."""

    exit_code = 40


class NotProven(Permanent):
    """A test restore whose checks did not all pass."""

    exit_code = 41


class NotApproved(Permanent):
    """A restore's plan that was not approved, not by somebody who may, or too long ago."""

    exit_code = 42


class TransformFailed(Permanent):
    """A user's transform cannot be done on this object."""

    exit_code = 44


class NotStandingBy(Permanent):
    """The standby runs the application now, or somebody else has moved it on: it is not touched."""

    exit_code = 45


class ClusterUnreachable(Retryable):
    """No answer from the API server."""

    exit_code = 50


class Throttled(Retryable):
    """429: come back after `retry_after` seconds."""

    exit_code = 51


class Expired(Retryable):
    """410: a continue token or resourceVersion grew too old."""

    exit_code = 52


class StoreUnavailable(Retryable):
    """The store answered 5xx, timed out or broke the connection."""

    exit_code = 53


class NotReady(Retryable):
    """A wait ran out of time; the message says what it was still waiting for."""

    exit_code = 54


class KeyUnavailable(Retryable):
    """Who keeps the vault's key answered 5xx, timed out or broke the connection."""

    exit_code = 55


class DisksUnavailable(Retryable):
    """Who snapshots the disks answered 5xx, timed out or broke the connection."""

    exit_code = 56


class AirflowUnreachable(Retryable):
    """Airflow's REST API answered 5xx, timed out or broke the connection."""

    exit_code = 57


class NotDelivered(Retryable):
    """A receiver of alerts took no message."""

    exit_code = 58


class WebhookUnreachable(Retryable):
    """The API server would take it, and an admission webhook that fails closed does not answer.
    Nothing was stored; who changes many objects may go on with the others."""

    exit_code = 59
