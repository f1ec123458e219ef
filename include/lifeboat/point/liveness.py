"""Which blobs the points of an instance need: nothing that is named here is ever deleted.

Many points share a base and a layer; each of those is read once, and a point then costs no more
than its own changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from lifeboat.errors import BlobMissing, Damaged, NewerFormat
from lifeboat.point.contents import Overlay, decode_changes
from lifeboat.point.manifest import Manifest
from lifeboat.ports.store import BlobStat
from lifeboat.vault.packs import ROOT as PACKS
from lifeboat.vault.packs import pack_key
from lifeboat.vault.rows import pack_names
from lifeboat.vault.trees import ROOT as TREES
from lifeboat.vault.trees import BlobRef, Layer, tree_key
from lifeboat.vault.vault import Vault


@dataclass
class Named:
    """Names of packs and of tree blobs."""

    packs: set[str] = field(default_factory=set)
    trees: set[str] = field(default_factory=set)

    @property
    def keys(self) -> set[str]:
        """Their keys in the store."""
        return {*map(pack_key, self.packs), *map(tree_key, self.trees)}


def stored_blobs(vault: Vault) -> dict[str, BlobStat]:
    """Every pack and tree of the vault by key; two listings."""
    return {stat.key: stat for root in (PACKS, TREES) for stat in vault.store.list(root)}


def bereft(
    vault: Vault, manifests: Sequence[Manifest], stored: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """Points whose data is gone, and which blobs of it, given the keys of all stored packs and
    trees. Finds what is missing or a tree that cannot be read; a damaged pack finds scrub."""
    try:
        if needed_by(vault, manifests).keys.issubset(stored):
            return {}
    except (BlobMissing, Damaged, NewerFormat):
        pass  # whose it is, is told one by one
    found = {}
    for manifest in manifests:
        try:
            gone = needed_by(vault, [manifest]).keys.difference(stored)
            what = tuple(f"{key} is missing" for key in sorted(gone))
        except (BlobMissing, Damaged, NewerFormat) as error:
            what = (error.message,)
        if what:
            found[manifest.point] = what
    return found


def mentioned_by(vault: Vault, manifests: Iterable[Manifest]) -> Named:
    """Every blob that these points mention, if only in a row that later changes hide. Cheap; what a
    point needs is a part of it."""
    named, bases = Named(), set()
    layers: set[BlobRef] = set()
    for manifest in manifests:
        named.trees.update(manifest.tree.names)
        bases.add(manifest.tree.base)
        if manifest.tree.layer:
            layers.add(manifest.tree.layer)
        named.packs |= _packs_of(decode_changes(manifest.tree))
    for base in bases:
        named.packs |= vault.trees.open_base(base).packs()
    for layer in layers:
        named.packs |= _packs_of(vault.trees.read_layer(layer))
    return named


def needed_by(vault: Vault, manifests: Iterable[Manifest]) -> Named:
    """Exactly the blobs without which one of these points would not be whole."""
    named = Named()
    groups: dict[tuple[str, ...], list[Manifest]] = {}
    for manifest in manifests:
        named.trees.update(manifest.tree.names)
        groups.setdefault(manifest.tree.names, []).append(manifest)
    bases: dict[str, list[str]] = {}
    for group in groups.values():
        named.packs |= _packs_of_group(vault, group, bases)
    return named


def _packs_of_group(vault: Vault, group: list[Manifest], bases: dict[str, list[str]]) -> set[str]:
    """Packs that points over one base and one layer need: those that all of their changes leave
    without a row are not needed."""
    ref = group[0].tree
    if ref.base.name not in bases:
        bases[ref.base.name] = [e.place.pack for e in vault.trees.open_base(ref.base)]
    packs = _packs_by_ordinal(vault, group[0], bases[ref.base.name])
    rows = Counter(pack for pack in packs if pack)
    emptied: set[str] | None = None
    needed: set[str] = set()
    for manifest in group:
        changes = decode_changes(manifest.tree)
        needed |= _packs_of(changes)
        hidden = Counter(
            packs[ordinal]
            for ordinals in (changes.changed, changes.gone)
            for ordinal in accumulate(ordinals)
        )
        empty = {pack for pack, count in hidden.items() if count == rows[pack]}
        emptied = empty if emptied is None else emptied & empty
    return needed | (rows.keys() - (emptied or set()))


def _packs_by_ordinal(vault: Vault, manifest: Manifest, base: list[str]) -> list[str]:
    """The pack of every row under the changes, "" where the layer took a row away."""
    if manifest.tree.layer is None:
        return base
    lower = Overlay(len(base))
    lower.put(vault.trees.read_layer(manifest.tree.layer), f"tree {manifest.tree.layer.name}")
    packs = [*base, *(entry.place.pack for entry in lower.added)]
    for ordinal, (_, place) in lower.changed.items():
        packs[ordinal] = place.pack
    for ordinal in lower.gone:
        packs[ordinal] = ""
    return packs


def _packs_of(layer: Layer) -> set[str]:
    return {*pack_names(layer.places), *pack_names(layer.added.places)}
