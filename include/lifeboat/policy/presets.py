"""Presets: parts of policies under a name, written once in presets.yaml and shared.

A policy that names a preset is its own keys laid over the preset's: mappings are merged key by key,
everything else (lists among it) is the policy's where the policy writes it. A wrong value is told
where it stands, in the policy or in presets.yaml. What points keep is the merged policy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import Field, ValidationError, create_model
from typing_extensions import override

from lifeboat.errors import PolicyError, Problem
from lifeboat.policy.document import Document, Place
from lifeboat.policy.fields import Name, Strict
from lifeboat.policy.model import Policy
from lifeboat.policy.problems import closest, problem_at, to_problems

PRESETS_FILE = "presets.yaml"
_OWN = frozenset({"name", "description", "clusters", "cluster_labels", "preset"})
_PLAIN = re.compile(r"(?!(?i:true|false|null|yes|no|on|off)$)[A-Za-z_]([A-Za-z0-9_ ./-]*[\w/])?")

Preset = create_model(
    "Preset",
    __base__=Strict,
    __doc__="Sections of a policy, each as in a policy file.",
    **{
        name: (field.annotation, Field(default=None, description=field.description))
        for name, field in Policy.model_fields.items()
        if name not in _OWN
    },  # type: ignore[call-overload]
)


class PresetsFile(Strict):
    """presets.yaml: what policies share."""

    presets: dict[Name, Preset] = Field(  # type: ignore[valid-type]
        description="Presets by name: 1 to 40 of a-z, 0-9 and -. Each holds sections of a policy"
        " (all but name, description, clusters and clusterLabels), which must be right by"
        " themselves.",
    )


@dataclass(frozen=True)
class _Merged(Document):
    """A policy's document (its `root`) over a preset of another; `data` and `text` are of both."""

    presets: Document
    preset: str

    @override
    def place(self, path: tuple[str | int, ...]) -> Place:
        inside = ("presets", self.preset, *path)
        if self.presets.holds(inside) and not self.holds(path):
            return self.presets.place(inside)
        return super().place(path)


class Presets:
    """What presets.yaml says; None stands for a file that is not there or cannot be read.
    `problems` are those of its presets, one by one: they do not hinder the others."""

    def __init__(self, document: Document | None) -> None:
        self._document = document
        self.problems: tuple[Problem, ...] = ()
        if document is None:
            return
        try:
            PresetsFile.model_validate(document.data, by_alias=True, by_name=False)
        except ValidationError as error:
            self.problems = tuple(to_problems(error, document, PresetsFile))

    def applied(self, policy: Document) -> Document:
        """The policy's document with its preset under it; itself, when it names none.

        Raises PolicyError when there is no such preset, or something is wrong in it.
        """
        name = policy.data.get("preset")
        if not isinstance(name, str) or not name:
            return policy
        if self._document is None:
            raise _refused(policy, name, f"a {PRESETS_FILE} beside clusters.yaml that can be read")
        known = self._document.data.get("presets")
        known = known if isinstance(known, dict) else {}
        if not isinstance(known.get(name), dict):
            names = ", ".join(known) or "it has none"
            expected = f"a preset of {PRESETS_FILE}: {names}{closest(name, known)}"
            raise _refused(policy, name, expected)
        for wrong in self.problems:
            if f"{wrong.field}.".startswith(f"presets.{name}."):
                where = f"{PRESETS_FILE}:{wrong.line}"
                raise _refused(policy, name, f"a preset in which nothing is wrong: see {where}")
        data = _merge(known[name], policy.data)
        return _Merged(policy.file, _text(data, name), data, policy.root, self._document, name)


def _refused(policy: Document, name: str, expected: str) -> PolicyError:
    return PolicyError([problem_at(policy, ("preset",), repr(name), expected)])


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` laid over `below`, mappings key by key."""
    merged = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            merged[key] = _merge(below[key], above[key])
    return merged


class _Dumper(yaml.SafeDumper):
    """Quotes every text that YAML 1.2 might read as something else."""

    def text(self, data: str) -> yaml.ScalarNode:
        style = None if _PLAIN.fullmatch(data) else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    @override
    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(str, _Dumper.text)


def _text(data: dict[str, Any], preset: str) -> str:
    dumped = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return f"# The policy's file over preset {preset} of {PRESETS_FILE}, as they were.\n{dumped}"
