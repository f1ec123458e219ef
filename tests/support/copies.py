"""A world whose points also go to a second place, and what must hold there."""

from __future__ import annotations

from dataclasses import dataclass, field

from lifeboat.point import catalog
from lifeboat.point.manifest import open_contents, read_manifest, read_policy
from lifeboat.policy.instance import CopyPlace
from lifeboat.policy.load import parse_policy
from lifeboat.policy.model import VaultEntry
from lifeboat.ports.store import Store
from lifeboat.steps.context import AtCopy
from lifeboat.steps.copy import Copied, copy_points
from lifeboat.vault.keys import generate_key
from lifeboat.vault.replica import create_replica
from lifeboat.vault.vault import Vault, open_vault
from tests.support.crash import Fuse, Fused
from tests.support.memory_store import MemoryStore
from tests.support.vaults import INSTANCE
from tests.support.world import World

KEEP = "{keep: {last: 50}}"


def quiet(_: str) -> None: ...


@dataclass
class Pair:
    """A world and the place of its copy; `keep` is the copy's retention. A fuse counts the
    calls of both stores."""

    world: World
    keep: str = KEEP
    place: Store = field(default_factory=MemoryStore)
    key: str = field(default_factory=generate_key)

    def __post_init__(self) -> None:
        if isinstance(self.place, MemoryStore):
            self.place.clock = self.world.clock
        create_replica(self.place, self.key, self.world.store, self.world.key, self.world.clock)

    def there(self, fuse: Fuse | None = None) -> AtCopy:
        """The copy, freshly opened."""
        text = f"clusters: [a]\nobjectives: {{rpo: 1h}}\nretention: {self.keep}\n"
        entry = VaultEntry(name="offsite", url="file:///other", key="env:NONE")
        place = CopyPlace(entry, parse_policy(text, "x.yaml", "x").retention)
        vault = open_vault(self.place, self.key)
        if fuse:
            vault.store = Fused(self.place, fuse)
        return AtCopy(self.world.context().instance.at(place), vault, self.world.clock)

    def copy(self, fuse: Fuse | None = None, point: str = "", in_flight: int = 1) -> Copied:
        """Copy once, one blob after the other unless told otherwise."""
        source = self.world.context(fuse).vault
        return copy_points(source, self.there(fuse), quiet, point, in_flight)

    def points(self) -> list[str]:
        """Ids in the copy, oldest first."""
        return catalog.point_ids(self.there().vault, INSTANCE)


def assert_whole(vault: Vault, point: str) -> None:
    """Every object of the point and the text of its policy can be read from this place alone."""
    manifest = read_manifest(vault, INSTANCE, point)
    contents = open_contents(vault, manifest)
    reader = contents.reader()
    read = [reader.read(entry.record, entry.place) for entry in contents]
    assert len(read) == manifest.objects > 0
    assert read_policy(vault, manifest)


def assert_same_bytes(pair: Pair) -> None:
    """What both places have is equal, and the copy has nothing of its own but keys and header."""
    for stat in pair.place.list(""):
        if stat.key.startswith("keys/") or stat.key == "lifeboat.json":
            continue
        assert pair.place.get(stat.key) == pair.world.store.blobs[stat.key], stat.key
