"""What is said to restic and what it answers: scripts, environment, tags, JSON lines.

Calls nothing. A pod runs the scripts as `sh -c SCRIPT lifeboat ARGUMENT…`; tests run the same with
a restic of this machine. restic's exit codes and messages: its documentation, "Scripting" (0.17
and newer).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from lifeboat.clock import parse_rfc3339, rfc3339
from lifeboat.ports.disks import StoredSnapshot
from lifeboat.ports.movers import Kept, Saved

PASSWORD_FILE = "password"  # noqa: S105 - the name of the Secret's key
RESULT_VARIABLE = "LIFEBOAT_RESULT"
OPTIONS_VARIABLE = "LIFEBOAT_RESTIC_OPTIONS"

_NANOSECONDS = re.compile(r"(\.\d{6})\d+")
_SIGNATURE = re.compile(r"sig=[^&\s\"']+")

# $1 tags, $2 host, $3 folder, $4 what of it; restic keeps paths from $3 on, with the mode and owner
# of $4 itself. Only calls that share the repository's lock, so that several movers
# work at once. A snapshot with these tags that is there already may be of an attempt that could not
# read everything (exit code 3), or was killed before it told: the files are compared with it again,
# and a second one is made only where they differ.
SAVE = r"""
set -u
r() { restic $LIFEBOAT_RESTIC_OPTIONS "$@"; }
told=$(r cat config --json 2>&1)
code=$?
if [ $code -eq 10 ]; then
  told=$(r init --json 2>&1) || told=$(r cat config --json 2>&1)
  code=$?
fi
if [ $code -ne 0 ]; then
  echo "$told" >&2
  exit $code
fi
cd "$3" || exit 1
there=$(r snapshots --json --tag "$1") || exit $?
again=
case "$there" in *'"id"'*) again=--skip-if-unchanged ;; esac
r backup --json --retry-lock 10m --host "$2" --tag "$1" $again "$4" || exit $?
r snapshots --json --tag "$1" --latest 1 >"$LIFEBOAT_RESULT"
"""

# $1 snapshot, $2 the folder that its paths go into. Files that are there already in full are left,
# so an attempt that begins again goes on.
FILL = r"""
set -u
restic $LIFEBOAT_RESTIC_OPTIONS restore --json --retry-lock 10m --sparse --target "$2" "$1"
"""


@dataclass(frozen=True)
class Access:
    """A repository and what opens it. `environment` holds credentials; `folder` is the path of one
    that lies in a folder, `pod_labels` what a pod needs to be given an identity."""

    url: str
    password: str = field(repr=False)
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    options: str = ""
    folder: str = ""
    pod_labels: dict[str, str] = field(default_factory=dict)


class _Summary(msgspec.Struct):
    total_files_processed: int = 0
    total_bytes_processed: int = 0
    data_added_packed: int = 0


class _Snapshot(msgspec.Struct):
    id: str
    time: str = ""
    tags: list[str] = []
    summary: _Summary = msgspec.field(default_factory=_Summary)


class _Line(msgspec.Struct):
    message_type: str = ""
    percent_done: float = 0.0
    message: str = ""


def tags(snapshot: StoredSnapshot) -> str:
    """Of one volume of one point; together they find its snapshot again."""
    return f"instance={snapshot.instance},point={snapshot.point},uid={snapshot.volume.claim_uid}"


def host(snapshot: StoredSnapshot) -> str:
    """By it restic finds the volume's snapshot of the point before, and reads only what changed."""
    return f"{snapshot.instance}/{snapshot.volume.title}"


def saved(answer: str) -> Saved | None:
    """What a save left as its result; None when that is no snapshot."""
    found = _snapshots(answer)
    if not found:
        return None
    newest = max(found, key=lambda one: one.time)
    summary = newest.summary
    return Saved(
        newest.id,
        summary.total_files_processed,
        summary.total_bytes_processed,
        summary.data_added_packed,
    )


def kept(answer: str) -> tuple[Kept, ...]:
    """What `snapshots --json` listed, but for what is not ours."""
    found = []
    for one in _snapshots(answer):
        named = dict(tag.partition("=")[::2] for tag in one.tags)
        if named.get("point") and named.get("instance"):
            found.append(Kept(one.id, named["point"], named["instance"], _moment(one.time)))
    return tuple(found)


def percent(log: str) -> int | None:
    """How far a move is, by the last line of its log that tells it."""
    found = None
    for line in _lines(log):
        if line.message_type in ("status", "summary"):
            done = 1.0 if line.message_type == "summary" else line.percent_done
            found = min(100, int(done * 100))
    return found


def complaint(log: str) -> str:
    """The reason of a failure, in a line: restic's own last word, else the last line of the log.
    A signature of a URL that it may name is left out."""
    told = [line.message for line in _lines(log) if line.message_type == "exit_error"]
    lines = told or [line for line in log.splitlines() if line.strip()]
    last = lines[-1].strip().partition("\n")[0] if lines else ""
    return _SIGNATURE.sub("sig=…", last.removeprefix("Fatal: "))[:300]


def _moment(text: str) -> str:
    """Restic writes nanoseconds and the zone of who wrote; empty when it wrote none."""
    return rfc3339(parse_rfc3339(_NANOSECONDS.sub(r"\1", text))) if text else ""


def _snapshots(answer: str) -> list[_Snapshot]:
    try:
        return msgspec.json.decode(answer or "[]", type=list[_Snapshot] | None) or []
    except msgspec.DecodeError:
        return []


def _lines(log: str) -> Iterable[_Line]:
    for line in log.splitlines():
        try:
            yield msgspec.json.decode(line, type=_Line)
        except msgspec.DecodeError:
            continue
