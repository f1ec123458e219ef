"""The API's label selectors, for the fake cluster."""

from __future__ import annotations

import re
from collections.abc import Callable

_Labels = dict[str, str]
_Rule = Callable[[_Labels], bool]


def label_matcher(selector: str) -> _Rule:
    """`a=b`, `a!=b`, `a`, `!a`, `a in (b,c)`, `a notin (b,c)`, joined by commas."""
    rules = [_rule(part.strip()) for part in re.split(r",(?![^(]*\))", selector) if part.strip()]
    return lambda labels: all(rule(labels) for rule in rules)


def _rule(part: str) -> _Rule:
    if listed := re.fullmatch(r"(\S+)\s+(in|notin)\s+\((.*)\)", part):
        key, how, values = listed.groups()
        allowed, inside = {value.strip() for value in values.split(",")}, how == "in"
        return lambda labels: (labels.get(key) in allowed) == inside
    if "!=" in part:
        key, _, value = part.partition("!=")
        return lambda labels: labels.get(key) != value
    if "=" in part:
        key, _, value = part.replace("==", "=").partition("=")
        return lambda labels: labels.get(key) == value
    if part.startswith("!"):
        return lambda labels: part[1:] not in labels
    return lambda labels: part in labels
