"""Tells what an edited policy does to the points there are, before a prune does it.

Every point carries the policy it was made with. The rules of a day ago still keep what they kept:
an edit lets points go only a day after the first point made with it, so that a slip of the hand is
seen (`lifeboat policy impact`, the log of each prune) while nothing is lost yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from lifeboat.clock import parse_rfc3339, rfc3339
from lifeboat.errors import BlobMissing, Damaged, NewerFormat, PolicyError
from lifeboat.point import catalog
from lifeboat.point.manifest import Manifest, read_policy
from lifeboat.policy.impact import Change, impact
from lifeboat.policy.instance import Instance
from lifeboat.policy.load import parse_policy
from lifeboat.policy.retention import Decision, RetentionPoint, decide
from lifeboat.policy.rules import Retention
from lifeboat.steps.retained import retention_points
from lifeboat.vault.vault import Vault

DELAY = timedelta(days=1)
"""How long after the first point made with it an edit lets points go."""


class Effect(msgspec.Struct, frozen=True):
    """One point that the edit concerns, what the policy said of it before, and what it says now."""

    point: str
    captured_to: str
    before: tuple[str, ...]
    after: tuple[str, ...]


class EditImpact(msgspec.Struct, frozen=True):
    """`against` is the point whose policy is compared, empty when there is none yet; `changed`
    whether the file is another one than then. `from_` is when points go because of the edit, empty
    while no point was made with it. `unreadable` says why nothing could be compared."""

    instance: str
    against: str
    changed: bool
    goes: tuple[Effect, ...] = ()
    stays: tuple[Effect, ...] = ()
    unreadable: str = ""
    from_: str = msgspec.field(default="", name="from")


@dataclass(frozen=True)
class Former:
    """The rules of a policy that was edited less than `DELAY` ago. `point` is the newest made with
    them, `until` when they end (None: no point was made with other ones yet). Without `rules`,
    `unreadable` says why: nobody can tell what they kept."""

    point: str
    until: datetime | None
    rules: Retention | None = None
    unreadable: str = ""


def former_rules(
    vault: Vault, instance: Instance, manifests: Sequence[Manifest], now: datetime
) -> list[Former]:
    """Rules that other texts of the policy had in the last day, newest first.

    `manifests` of the instance, oldest first. Each text is read once.
    """
    found: list[Former] = []
    met = {instance.policy_digest}
    until: datetime | None = None
    for manifest in reversed(manifests):
        captured = parse_rfc3339(manifest.captured_to)
        if manifest.policy_digest not in met:
            met.add(manifest.policy_digest)
            former = _former(vault, instance, manifest, until)
            found += [former] if former else []
        if captured <= now - DELAY:
            break
        until = captured + DELAY
    return [one for one in found if one.rules != instance.policy.retention]


def spared(
    decision: Decision,
    formers: Sequence[Former],
    points: Sequence[RetentionPoint],
    now: datetime,
) -> dict[str, str]:
    """Points that `decision` removes and former rules still keep, with the reason."""
    going = {gone.id for gone in decision.remove}
    found: dict[str, str] = {}
    for former in reversed(formers):  # the newest has the last word
        when = (
            f"until {rfc3339(former.until)}" if former.until else "until a day after the next point"
        )
        if former.rules is None:
            found.update(dict.fromkeys(going, f"{former.unreadable}, {when}"))
            continue
        for kept in decide(points, former.rules, now).keep:
            if kept.id in going:
                found[kept.id] = f"before the policy was edited: {', '.join(kept.reasons)}, {when}"
    return found


def edit_impact(vault: Vault, instance: Instance, now: datetime) -> EditImpact:
    """Reads the catalog only, and asks no cluster. Points in use by a run under way are judged as
    if they were not: they go once it is over."""
    manifests, _ = catalog.readable(vault, instance.id)
    formers = former_rules(vault, instance, manifests, now)
    if not formers:
        newest = manifests[-1].point if manifests else ""
        return EditImpact(instance.id, newest, changed=False)
    former = formers[0]
    begins = rfc3339(former.until) if former.until else ""
    if former.rules is None:
        return EditImpact(
            instance.id, former.point, changed=True, unreadable=former.unreadable, from_=begins
        )
    points = retention_points(vault, instance.id, manifests)
    found = impact(points, former.rules, instance.policy.retention, now)
    return EditImpact(
        instance=instance.id,
        against=former.point,
        changed=True,
        goes=tuple(map(_effect, found.goes)),
        stays=tuple(map(_effect, found.stays)),
        from_=begins,
    )


def _former(
    vault: Vault, instance: Instance, manifest: Manifest, until: datetime | None
) -> Former | None:
    """What a point's text says of this vault; None when it was no place of the policy's then."""
    try:
        text = read_policy(vault, manifest)
        policy = parse_policy(text, f"point {manifest.point}", manifest.policy)
    except (PolicyError, Damaged, BlobMissing, NewerFormat) as error:
        told = f"the policy of point {manifest.point} cannot be read: {error.message}"
        return Former(manifest.point, until, unreadable=told)
    places = {copy.vault: copy.retention for copy in policy.copies}
    rules = {policy.vault: policy.retention, **places}.get(instance.vault.name)
    return Former(manifest.point, until, rules) if rules else None


def _effect(change: Change) -> Effect:
    return Effect(change.point, rfc3339(change.captured_at), change.before, change.after)
