"""Points as generations of a plain dictionary: what dump and commit would make of them."""

from __future__ import annotations

from lifeboat.clock import utc_now
from lifeboat.point.contents import Contents, TreeRef
from lifeboat.point.successor import Seen, next_tree
from lifeboat.vault.keys import generate_key
from lifeboat.vault.records import Place
from lifeboat.vault.rows import Entry, Key
from lifeboat.vault.vault import Vault, create_vault
from tests.support.memory_store import MemoryStore

Model = dict[Key, tuple[str, Place]]


def fresh_vault() -> Vault:
    return create_vault(MemoryStore(), generate_key(), utc_now)


def key(number: int) -> Key:
    return ("apps", "v1", "Kind", f"ns-{number % 7}", f"object-{number:04d}")


def at(generation: int, number: int) -> tuple[str, Place]:
    """A record that only this generation of this object has, in a pack of its generation."""
    pack = f"{generation:016x}"
    return f"{generation:06x}{number:010x}", Place(pack, 4, 1000 + generation, 9, number % 9)


def step(
    vault: Vault, previous: Contents | None, was: Model, now: Model, dictionaries: tuple[bytes, ...]
) -> TreeRef:
    """What dump and commit do: tell what is kept and what was stored."""
    kept = bytearray(previous.overlay.space if previous else 0)
    stored = []
    for name, place in sorted(now.items()):
        found = previous.find(name) if previous else None
        if found and was.get(name) == place:
            assert (found[1].record, found[1].place) == place
            kept[found[0]] = 1
        else:
            stored.append((found[0] if found else -1, Entry(*name, *place)))
    return next_tree(
        vault.trees, previous, Seen(kept, len(stored), lambda: iter(stored)), dictionaries
    )


def grow(
    vault: Vault, first: set[int], steps: list[tuple[set[int], set[int]]]
) -> tuple[list[Model], list[TreeRef]]:
    """A first generation of these numbers, then one a step, which touches some and removes some."""
    models: list[Model] = [{key(n): at(0, n) for n in first}]
    trees = [step(vault, None, {}, models[0], ())]
    for generation, (touched, gone) in enumerate(steps, start=1):
        now = dict(models[-1])
        now.update({key(n): at(generation, n) for n in touched})
        for number in gone:
            now.pop(key(number), None)
        trees.append(step(vault, Contents(vault, trees[-1]), models[-1], now, ()))
        models.append(now)
    return models, trees
