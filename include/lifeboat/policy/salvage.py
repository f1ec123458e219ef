"""What of clusters.yaml still holds where an entry of it is wrong: a typo in one cluster must not
take the backups of the others down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from lifeboat.errors import PolicyError, Problem
from lifeboat.policy.document import Document
from lifeboat.policy.model import ClustersFile
from lifeboat.policy.problems import Path, paths_of, to_problems

_SECTIONS = ("clusters", "vaults")


@dataclass(frozen=True)
class Salvaged:
    """`clusters` without the entries that are wrong, `broken` the names of clusters among those,
    `problems` what is wrong with them."""

    clusters: ClustersFile
    broken: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = ()


def salvage(document: Document) -> Salvaged:
    """Raises PolicyError where what is wrong is not one entry of a list, nor `discover`."""
    try:
        return Salvaged(_read(document.data))
    except ValidationError as error:
        problems = to_problems(error, document, ClustersFile)
        wrong = {path[:2] for path in paths_of(error)}
    if not all(_may_go(path) for path in wrong):
        raise PolicyError(problems)
    try:
        clusters = _read(_without(document.data, wrong))
    except ValidationError:
        raise PolicyError(problems) from None
    names = _names(document.data.get("clusters"), wrong)
    there = {entry.name for entry in clusters.clusters}
    return Salvaged(clusters, frozenset(names) - there, tuple(problems))


def _read(data: dict[str, Any]) -> ClustersFile:
    return ClustersFile.model_validate(data, by_alias=True, by_name=False)


def _may_go(path: Path) -> bool:
    return path[:1] == ("discover",) or (
        len(path) == 2 and path[0] in _SECTIONS and isinstance(path[1], int)
    )


def _without(data: dict[str, Any], wrong: Iterable[Path]) -> dict[str, Any]:
    gone = set(wrong)
    rest = {key: value for key, value in data.items() if not any(p[0] == key for p in gone)}
    for section in _SECTIONS:
        if section in data and section not in rest:
            items = enumerate(data[section])
            rest[section] = [item for index, item in items if (section, index) not in gone]
    return rest


def _names(entries: Any, wrong: Iterable[Path]) -> Iterable[str]:
    for path in wrong:
        if path[0] == "clusters" and isinstance(path[1], int):
            entry = entries[path[1]]
            if isinstance(entry, dict) and isinstance(entry.get("name"), str):
                yield entry["name"]
