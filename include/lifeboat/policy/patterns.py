"""How policies write what they mean by patterns: globs, names of kinds, label selectors.

Form only. Each type checks item by item and points at the one that is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator

from lifeboat.policy import globs, selectors
from lifeboat.policy.fields import refuse, unique

EVERY_KIND = "*"

_KIND = re.compile(r"(\*|[A-Za-z][A-Za-z0-9]*)(\.[a-z0-9]([a-z0-9.-]*[a-z0-9])?)?")


def _each(check: Callable[[str], object]) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    """Runs `check` on every item and points at the item that it refuses."""

    def checked(items: tuple[str, ...]) -> tuple[str, ...]:
        for index, item in enumerate(items):
            try:
                check(item)
            except ValueError as error:
                raise refuse(str(error), found=repr(item), at=(index,)) from None
        return items

    return checked


def _check_kind(text: str) -> None:
    if not _KIND.fullmatch(text):
        raise ValueError(
            "a kind written like deployments, Deployment, deploy, deployments.apps, *.apps or *"
        )


def check_one_kind(text: str) -> str:
    """For a field that names one kind, not several."""
    try:
        _check_kind(text)
    except ValueError as error:
        raise refuse(str(error), found=repr(text)) from None
    return text


def _wrong_selector(error: ValueError) -> str:
    return f"a label selector such as app=web,tier in (a,b): {error}"


def _check_selector(text: str) -> str:
    try:
        selectors.parse(text)
    except ValueError as error:
        raise refuse(_wrong_selector(error)) from None
    return text


def _check_alternative(text: str) -> None:
    try:
        parsed = selectors.parse(text)
    except ValueError as error:
        raise ValueError(_wrong_selector(error)) from None
    if not parsed.requirements:
        raise ValueError("a label selector that asks for something: an empty one matches all")


def exclusive_labels(labels: str, any_labels: tuple[str, ...]) -> None:
    """Refuses `labels` and `anyLabels` beside each other: it would be unclear which one decides."""
    if labels and any_labels:
        raise refuse(
            "labels (all requirements hold) or anyLabels (one of the selectors does), not both;"
            " repeat what is common in each selector of anyLabels",
            found="labels and anyLabels",
            at=("anyLabels",),
        )


Globs = Annotated[tuple[str, ...], AfterValidator(_each(globs.check_glob)), AfterValidator(unique)]
"""Globs of namespaces."""

NameGlobs = Annotated[
    tuple[str, ...], AfterValidator(_each(globs.check_name_glob)), AfterValidator(unique)
]
"""Globs of the names of objects."""

KindNames = Annotated[tuple[str, ...], AfterValidator(_each(_check_kind)), AfterValidator(unique)]
"""Names of kinds, as kubectl takes them."""

Selector = Annotated[str, AfterValidator(_check_selector)]
"""A Kubernetes label selector; empty for all."""

Selectors = Annotated[
    tuple[str, ...], AfterValidator(_each(_check_alternative)), AfterValidator(unique)
]
"""Label selectors of which one has to hold."""
