"""Which blobs a point consists of, and how the bytes of each are verified before they go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from lifeboat.errors import Damaged, UsageError
from lifeboat.point import catalog
from lifeboat.point.manifest import Manifest, read_manifest
from lifeboat.point.survey import UNREADABLE, Frame, Frames, misplaced, shelves, survey
from lifeboat.steps.transfer import Check
from lifeboat.vault.crypto import Cipher
from lifeboat.vault.packs import check_magic, pack_key
from lifeboat.vault.trees import tree_key
from lifeboat.vault.vault import Vault


@dataclass(frozen=True)
class Blob:
    """A pack or a tree that a point needs. `size` is its size, or, since nothing says how long a
    pack is, the least that it has (`exact` false)."""

    key: str
    size: int
    exact: bool
    check: Check

    def fits(self, size: int) -> bool:
        """Whether a blob of this size can be it."""
        return size == self.size if self.exact else size >= self.size


def frames_of(vault: Vault, manifest: Manifest) -> Frames:
    """What the point needs of each pack. Raises Damaged when one of its trees cannot be read."""
    frames = Frames()
    broken = [b.reason for shelf in shelves([manifest]) for b in survey(vault, shelf, frames)]
    if broken:
        raise Damaged("; ".join(dict.fromkeys(broken)))
    return frames


def newest_frames(vault: Vault, instance: str) -> Frames:
    """As `frames_of`, of the newest point there; empty without one that can be read."""
    for point in catalog.point_ids(vault, instance)[-1:]:
        try:
            return frames_of(vault, read_manifest(vault, instance, point))
        except (*UNREADABLE, UsageError):
            break
    return Frames()


def blobs_of(vault: Vault, manifest: Manifest, frames: Frames) -> dict[str, Blob]:
    """By key, what the point needs; the checks raise Damaged."""
    base, layer = manifest.tree.base, manifest.tree.layer
    key = tree_key(base.name)
    found = {key: Blob(key, base.size, True, partial(vault.trees.check_base, base))}
    if layer:
        key = tree_key(layer.name)
        found[key] = Blob(key, layer.size, True, partial(vault.trees.check_layer, layer))
    for pack in frames.packs():
        wanted = frames.of(pack)
        end = max(offset + length for _, offset, length, _ in wanted)
        check = partial(_check_pack, vault.cipher, pack, wanted, frames)
        found[pack_key(pack)] = Blob(pack_key(pack), end, False, check)
    return found


def unproven(
    vault: Vault, frames: Frames, proven: Frames, there: Iterable[str]
) -> dict[str, Check]:
    """For packs that lie in the copy already, by key: a check of the frames that are needed and
    are not among the `proven`."""
    known = set(there)
    found: dict[str, Check] = {}
    for pack in frames.packs():
        more = sorted(set(frames.of(pack)) - set(proven.of(pack)))
        if more and pack_key(pack) in known:
            found[pack_key(pack)] = partial(_check_pack, vault.cipher, pack, more, frames)
    return found


def _check_pack(
    cipher: Cipher, pack: str, wanted: list[Frame], frames: Frames, stored: bytes
) -> None:
    check_magic(pack, stored[:4])
    for frame in wanted:
        for _, record in misplaced(cipher, frame, stored, frames):
            raise Damaged(f"pack {pack} at byte {frame[1]}: is not record {record}")
