"""The only place that spells the keys of an instance's documents (docs/format.md, "Keys")."""

from __future__ import annotations

import hashlib

ROOT = "instances/"

FILES = "files"
"""The restic repository with files of volumes, beside our own keys: nothing of ours lies there."""
FILES_CONFIG = f"{FILES}/config"
"""Restic's own first file: where it is, there is a repository."""


def instance_root(instance: str) -> str:
    """Prefix of every document of an instance."""
    return f"{ROOT}{instance}/"


def points(instance: str) -> str:
    """Prefix of an instance's manifests."""
    return f"{ROOT}{instance}/points/"


def manifest(instance: str, point: str) -> str:
    return f"{points(instance)}{point}"


def claim(instance: str, run: str) -> str:
    """The document by which every attempt of one run agrees on one point id."""
    digest = hashlib.sha256(run.encode()).hexdigest()[:32]
    return f"{ROOT}{instance}/claims/{digest}"


def claims(instance: str) -> str:
    return f"{ROOT}{instance}/claims/"


def scope(instance: str, point: str) -> str:
    return f"{ROOT}{instance}/scopes/{point}"


def all_parts(instance: str) -> str:
    """Prefix of the parts of every point."""
    return f"{ROOT}{instance}/parts/"


def parts(instance: str, point: str) -> str:
    return f"{all_parts(instance)}{point}/"


def part(instance: str, point: str, shard: str) -> str:
    return f"{parts(instance, point)}{shard}"


def hook(instance: str, point: str, attempt: int, what: str) -> str:
    """What one attempt at freezing left: frozen, thawed, and how each command went."""
    return f"{parts(instance, point)}hook.{attempt}.{what}"


def hook_place(instance: str, key: str) -> tuple[str, str, str] | None:
    """The inverse of `hook`: point, attempt and what; None for the key of another part."""
    point, _, name = key.removeprefix(all_parts(instance)).partition("/")
    words = name.split(".")
    if len(words) != 3 or words[0] != "hook":
        return None
    return point, words[1], words[2]


def figures(instance: str, point: str, attempt: int) -> str:
    """What was taken for test restores while one attempt stood still."""
    return part(instance, point, f"figures.{attempt}")


def spilled(instance: str, point: str, shard: str, attempt: str, number: int) -> str:
    """Rows that one attempt at a shard could not hold in memory."""
    return f"{part(instance, point, shard)}.{attempt}.{number}"


def policy(instance: str, digest: str) -> str:
    """The text of a policy, by its digest (`sha256:<hex>`)."""
    return f"{ROOT}{instance}/policies/{digest.removeprefix('sha256:')[:32]}"


def notes(instance: str, topic: str = "") -> str:
    """Prefix of what is noted of an instance's cluster; the next segments are topic and point."""
    return f"{ROOT}{instance}/context/" + (f"{topic}/" if topic else "")


def note(instance: str, topic: str, point: str) -> str:
    return f"{notes(instance, topic)}{point}"


def alerts(instance: str) -> str:
    """Prefix of the notes on who was told what, oldest first for one receiver and concern."""
    return f"{ROOT}{instance}/alerts/"


def alert(instance: str, receiver: str, kind: str, moment: str, state: str) -> str:
    """`state` is entered or left; `moment` sorts as text."""
    return f"{alerts(instance)}{receiver}/{kind}/{moment}-{state}"


def verdicts(instance: str) -> str:
    """Prefix of all verdicts of an instance; the next segment is the point."""
    return f"{ROOT}{instance}/verdicts/"


def verdict(instance: str, point: str, test: str) -> str:
    return f"{verdicts(instance)}{point}/{test}"


def holds(instance: str) -> str:
    """Prefix of all holds of an instance; the next segment is the point."""
    return f"{ROOT}{instance}/holds/"


def hold(instance: str, point: str, hold_id: str) -> str:
    return f"{holds(instance)}{point}/{hold_id}"


def releases(instance: str) -> str:
    """Prefix of all releases; a release has the point and the id of the hold that it ends."""
    return f"{ROOT}{instance}/releases/"


def release(instance: str, point: str, hold_id: str) -> str:
    return f"{releases(instance)}{point}/{hold_id}"


def gaps(instance: str) -> str:
    return f"{ROOT}{instance}/gaps/"


def gap(instance: str, tick: str) -> str:
    return f"{gaps(instance)}{tick}"


def tombstones(instance: str) -> str:
    return f"{ROOT}{instance}/tombstones/"


def tombstone(instance: str, point: str) -> str:
    return f"{tombstones(instance)}{point}"


def orphans(instance: str) -> str:
    return f"{ROOT}{instance}/orphans/"


def orphan(instance: str, what: str) -> str:
    """When something that no point names was first seen."""
    return f"{orphans(instance)}{hashlib.sha256(what.encode()).hexdigest()[:32]}"


def damaged_packs(instance: str) -> str:
    """Prefix of the records of packs that scrub found damaged; the next segment is the pack."""
    return f"{ROOT}{instance}/damaged/"


def damaged_pack(instance: str, pack: str) -> str:
    return f"{damaged_packs(instance)}{pack}"


def restores(instance: str) -> str:
    """Prefix of what restores and test restores left; the next segment is the restore."""
    return f"{ROOT}{instance}/restores/"


def restore_plan(instance: str, restore: str) -> str:
    return f"{restores(instance)}{restore}/plan"


def restore_items(instance: str, restore: str, digest: str) -> str:
    """One part of a plan's objects, named after its digest."""
    return f"{restores(instance)}{restore}/items/{digest}"


def restore_result(instance: str, restore: str, digest: str) -> str:
    """What became of the part of this digest."""
    return f"{restores(instance)}{restore}/results/{digest}"


def restore_part(instance: str, restore: str, part: str) -> str:
    """What one step of a restore left for the next ones and for the report."""
    return f"{restores(instance)}{restore}/{part}"


def standby(instance: str, cluster: str) -> str:
    """Prefix of the log of one standby, oldest event first."""
    return f"{ROOT}{instance}/standby/{cluster}/"


def standby_event(instance: str, cluster: str, number: int) -> str:
    return f"{standby(instance, cluster)}{number:08d}"


AUDIT = "audit/"
"""Prefix of the vault's audit trail, of all instances."""


def audit_event(moment: str, ident: str) -> str:
    """`moment` is a stamp (ident.py); a folder a month."""
    return f"{AUDIT}{moment[:6]}/{moment}-{ident}"


def last_segment(key: str) -> str:
    return key.rsplit("/", 1)[-1]
