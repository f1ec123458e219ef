"""A transform as people write it: one YAML document of maps and rules (docs/transforms.md).

Form only: nothing here knows an object. Every mistake that can be seen without one is refused.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from jsonpointer import JsonPointer, JsonPointerException
from pydantic import AfterValidator, Field, model_validator

from lifeboat.policy.fields import Strict, Switch, refuse
from lifeboat.policy.patterns import Globs, KindNames, Selector
from lifeboat.restore.transforms.strategic import check_patch

IDENTITY = ("apiVersion", "kind", "metadata.name", "metadata.namespace")
"""What a transform may not change: the plan knows the object by it."""


def _check_pointer(text: str) -> str:
    try:
        JsonPointer(text)
    except JsonPointerException:
        raise refuse(
            "a JSON pointer (RFC 6901) such as /spec/replicas; in names write ~1 for / and ~0 for ~"
        ) from None
    return text


Pointer = Annotated[str, AfterValidator(_check_pointer)]
"""A place in an object; `*` stands for each item of a list."""


def _check_regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise refuse(f"a regular expression: {error}") from None
    return text


Regex = Annotated[str, AfterValidator(_check_regex)]


class Match(Strict):
    """A field of the object. Of a path with `*`, one of the items has to hold."""

    path: Pointer = Field(description="The field, a JSON pointer.", examples=["/spec/type"])
    value: Any = Field(default=None, description="What it has to be, as JSON compares.")
    regex: Regex = Field(default="", description="What some part of its text has to match.")
    exists: Switch = Field(
        default=True, description="Without value and regex: whether it has to be there."
    )

    @model_validator(mode="after")
    def _one_question(self) -> Match:
        asked = self.model_fields_set & {"value", "regex", "exists"}
        if len(asked) > 1:
            names = " and ".join(sorted(asked))
            raise refuse("one of value, regex or exists", found=names)
        return self

    @property
    def wants_value(self) -> bool:
        """Whether `value` was written; null is a value."""
        return "value" in self.model_fields_set


class When(Strict):
    """Which objects a rule is for: all that is written has to hold."""

    kinds: KindNames = Field(
        default=(),
        description="Kinds, such as deployments, Deployment.apps or *.apps. Default all.",
    )
    name_regex: Regex = Field(
        default="", description="What some part of the name has to match. Default all."
    )
    namespaces: Globs = Field(
        default=(),
        description="Globs of the namespaces that the objects were captured in. Default all, and"
        " the cluster scope.",
    )
    labels: Selector = Field(default="", description="A Kubernetes label selector. Default all.")
    matches: tuple[Match, ...] = Field(default=(), description="Fields of the object.")


class Operation(Strict):
    """One operation of a JSON patch (RFC 6902). A path with `*` means each item of a list."""

    op: Literal["add", "remove", "replace", "move", "copy", "test"] = Field(
        description="What to do, as RFC 6902 says."
    )
    path: Pointer = Field(description="Where, a JSON pointer.")
    from_: Pointer = Field(default="", alias="from", description="With move and copy: whence.")
    value: Any = Field(default=None, description="With add, replace and test: the value.")
    regex: Regex = Field(
        default="",
        description="With replace: only what it matches of the text is replaced by value, in which"
        r" \1 is the first group.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Operation:
        wanted = {
            "add": {"value"}, "replace": {"value"}, "test": {"value"},
            "move": {"from_"}, "copy": {"from_"}, "remove": set[str](),
        }[self.op]  # fmt: skip
        there = self.model_fields_set - {"op", "path"}
        for name in sorted(wanted - there):
            raise refuse(f"{name.strip('_')} with op: {self.op}", found="nothing")
        allowed = wanted | ({"regex"} if self.op == "replace" else set())
        for name in sorted(there - allowed):
            key = name.strip("_")
            raise refuse(f"no {key} with op: {self.op}", found=key, at=(key,))
        if self.regex and not isinstance(self.value, str):
            raise refuse("text, to put in place of what regex matches", at=("value",))
        if self.regex:
            self._check_groups()
        return self

    def _check_groups(self) -> None:
        try:
            re.compile(f"{self.regex}|").sub(str(self.value), "")
        except (re.error, IndexError):
            raise refuse("a replacement that names groups of regex only", at=("value",)) from None


class Rule(Strict):
    """What to change of which objects. Of several ways in one rule the JSON patch comes first, then
    the merge patch, then the strategic merge patch."""

    name: str = Field(default="", description="What the report calls it. Default its number.")
    when: When = Field(default=When(), description="Which objects. Default all.")
    json_patch: tuple[Operation, ...] = Field(
        default=(), description="Operations in order; where a test fails, none of them is done."
    )
    merge_patch: dict[str, Any] = Field(
        default={}, description="A JSON merge patch (RFC 7396): null removes, lists are replaced."
    )
    strategic_patch: dict[str, Any] = Field(
        default={}, description="A strategic merge patch: lists are merged by their items' names."
    )

    @model_validator(mode="after")
    def _does_something(self) -> Rule:
        if not (self.json_patch or self.merge_patch or self.strategic_patch):
            raise refuse("jsonPatch, mergePatch or strategicPatch", found="none of them")
        wrong = check_patch(self.strategic_patch)
        if wrong:
            raise refuse(wrong.expected, found=wrong.found, at=("strategicPatch", *wrong.path))
        return self


class Maps(Strict):
    """What is called something else in the target, wherever it is named."""

    storage_classes: dict[str, str] = Field(
        default={}, description="StorageClasses of claims, templates of claims and volumes."
    )
    images: dict[str, str] = Field(
        default={},
        description="Beginnings of images of all containers; the longest that fits is replaced.",
        examples=[{"registry.example.com/shop": "mirror.example.net/shop"}],
    )
    zones: dict[str, str] = Field(
        default={}, description="Zones in node selectors, node affinities, claims and classes."
    )
    node_selectors: dict[str, str | None] = Field(
        default={},
        description="Entries of node selectors, LABEL=VALUE each; null drops one.",
        examples=[{"agentpool=old": "agentpool=new"}],
    )
    hosts: dict[str, str] = Field(
        default={},
        description="Hosts of Ingresses, routes and gateways; *.example.com for all below it.",
    )

    @model_validator(mode="after")
    def _well_formed(self) -> Maps:
        for name in ("storage_classes", "images", "zones", "hosts"):
            for key, value in getattr(self, name).items():
                if not key or not value:
                    at = (_yaml(name), key)
                    raise refuse("FROM: TO, neither of them empty", found="nothing", at=at)
        for key, value in self.node_selectors.items():
            for text in (key, value):
                if text is not None and not all(text.partition("=")[::2]):
                    at = ("nodeSelectors", key)
                    raise refuse("LABEL=VALUE: LABEL=VALUE, or null", found=repr(text), at=at)
        for key, value in self.hosts.items():
            if key.startswith("*.") != value.startswith("*."):
                raise refuse("*.FROM: *.TO, or two whole hosts", at=("hosts", key))
        return self


def _yaml(name: str) -> str:
    return Maps.model_fields[name].alias or name


class Transform(Strict):
    """A file of include/transforms: the maps first, then the rules, each in order."""

    maps: Maps = Field(default=Maps(), description="Other names in the target. Default none.")
    rules: tuple[Rule, ...] = Field(default=(), description="Changes by condition. Default none.")
