"""Reads what people write about a restore, from a terminal or a form, into a RestoreRequest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import get_args

from lifeboat.clock import parse_rfc3339
from lifeboat.errors import UsageError
from lifeboat.policy.recovery import APPROVALS, Approval
from lifeboat.ports.cluster import MOST_IN_FLIGHT
from lifeboat.restore.choice import Choice, Chooser, parse_part
from lifeboat.restore.model import Mode, RestoreRequest
from lifeboat.restore.renaming import check_template
from lifeboat.restore.transforms.transforms import TransformText

MODES: tuple[Mode, ...] = get_args(Mode)
_CLAIMS = "persistentvolumeclaims"


@dataclass(frozen=True, kw_only=True)
class Written:
    """The wishes as people write them: lists of words, `FROM=TO` pairs, names of modes. See
    RestoreRequest and Choice for what each means."""

    namespaces: Sequence[str] = ()
    mapping: Sequence[str] = ()
    prefix: str = ""
    suffix: str = ""
    kinds: Sequence[str] = ()
    objects: Sequence[str] = ()
    names: Sequence[str] = ()
    labels: str = ""
    claims: Sequence[str] = ()
    part: str = "all"
    mode: str = "skip"
    mode_of: Sequence[str] = ()
    volumes: bool = True
    volumes_as: str = ""
    from_vault: bool = False
    prune: bool = False
    scale_down: bool = False
    compare_all: bool = False
    try_creates: bool = False
    dry_run: bool = False
    transforms: Sequence[TransformText] = ()
    status_of: Sequence[str] = ()
    approval: str = "none"
    asked_by: str = field(default="")
    in_flight: int = 0

    def request(self, instance: str, point: str) -> RestoreRequest:
        """What it means for one point. Raises UsageError naming what is wrong."""
        check_template(self.volumes_as)
        choice = self._choice()
        Chooser(choice)  # refuses what says nothing sensible
        mode_of = parse_modes(self.mode_of)
        if choice.part == "data" and not self.volumes_as:
            mode_of.setdefault(_CLAIMS, "recreate")
        return RestoreRequest(
            instance=instance,
            point=point,
            namespaces=tuple(self.namespaces),
            mapping=parse_mapping(self.mapping),
            prefix=self.prefix,
            suffix=self.suffix,
            kinds=tuple(self.kinds),
            choice=choice,
            mode=parse_mode(self.mode),
            mode_of=mode_of,
            volumes=self.volumes,
            volumes_as=self.volumes_as,
            from_vault=self.from_vault,
            prune=self.prune,
            scale_down=self.scale_down,
            compare_all=self.compare_all,
            try_creates=self.try_creates,
            dry_run=self.dry_run,
            transforms=tuple(self.transforms),
            status_of=tuple(self.status_of),
            approval=parse_approval(self.approval),
            asked_by=self.asked_by,
            in_flight=_parse_in_flight(self.in_flight),
        )

    def _choice(self) -> Choice:
        part = "data" if self.volumes_as and self.part == "all" else self.part
        if part == "data" and not (self.claims or self.volumes_as):
            raise UsageError(
                "data alone is swapped for claims that are named, since their live data is deleted",
                hint="name the claims (--claim data), or restore beside them (--volumes-as)",
            )
        if part == "data" and not self.volumes:
            raise UsageError("data alone without volumes is nothing")
        return Choice(
            objects=tuple(self.objects),
            names=tuple(self.names),
            labels=self.labels,
            claims=tuple(self.claims),
            part=parse_part(part),
        )


def parse_mapping(pairs: Iterable[str]) -> dict[str, str]:
    """`["shop=shop-copy"]` -> {"shop": "shop-copy"}. Raises UsageError naming the wrong one."""
    return _pairs(pairs, "mapping of a namespace", "FROM=TO, as shop=shop-copy")


def parse_modes(pairs: Iterable[str]) -> dict[str, Mode]:
    """`["configmaps=merge"]` -> {"configmaps": "merge"}. Raises UsageError."""
    written = _pairs(pairs, "mode of a kind", "KIND=MODE, as configmaps=merge")
    return {kind: parse_mode(mode) for kind, mode in written.items()}


def parse_mode(text: str) -> Mode:
    """Raises UsageError naming the known modes."""
    for mode in MODES:
        if text == mode:
            return mode
    raise UsageError(f"unknown mode {text!r}", hint=f"known are {', '.join(MODES)}")


def parse_approval(text: str) -> Approval:
    """Raises UsageError naming what is known."""
    for approval in APPROVALS:
        if text == approval:
            return approval
    raise UsageError(f"unknown approval {text!r}", hint=f"known are {', '.join(APPROVALS)}")


def _parse_in_flight(number: int) -> int:
    if 0 <= number <= MOST_IN_FLIGHT:
        return number
    raise UsageError(
        f"{number} requests in flight", hint=f"1 to {MOST_IN_FLIGHT}, or 0: as the policy says"
    )


def parse_moment(text: str) -> datetime | None:
    """A time with its zone (RFC 3339), None for an empty text. Raises UsageError."""
    if not text:
        return None
    try:
        return parse_rfc3339(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is no time with a time zone",
            hint="write it like 2026-11-22T23:00:00Z or 2026-11-23T01:00:00+02:00",
        ) from None


def _pairs(texts: Iterable[str], what: str, how: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in texts:
        left, equals, right = (part.strip() for part in pair.partition("="))
        if not (left and equals and right):
            raise UsageError(f"{pair!r} is no {what}", hint=f"write {how}")
        if left in found:
            raise UsageError(f"{left} is given twice: a {what} each")
        found[left] = right
    return found
