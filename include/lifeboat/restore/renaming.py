"""Where namespaces and claims go: one to one, by prefix and suffix, claims beside the live ones."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lifeboat.errors import UsageError

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_PLACE = "{name}"


def mapped(
    namespaces: Iterable[str], mapping: dict[str, str], prefix: str = "", suffix: str = ""
) -> dict[str, str]:
    """The whole mapping: what is mapped one to one stays, the others get prefix and suffix.

    Raises UsageError for names that no namespace may have and for two that become one.
    """
    if prefix or suffix:
        mapping = {**{name: f"{prefix}{name}{suffix}" for name in namespaces}, **mapping}
    wrong = sorted(name for name in mapping.values() if not _NAMESPACE.fullmatch(name))
    if wrong:
        raise UsageError(
            f"{', '.join(wrong)}: no name for a namespace",
            hint="1 to 63 of a-z, 0-9 and -, beginning and ending with a letter or digit",
        )
    targets = [mapping.get(name, name) for name in namespaces]
    twice = sorted({name for name in targets if targets.count(name) > 1})
    if twice:
        raise UsageError(f"two namespaces would be restored into {', '.join(twice)}")
    return mapping


def check_template(template: str) -> None:
    """Raises UsageError when a template of claims' names cannot work."""
    if not template:
        return
    if _PLACE not in template or template == _PLACE or not _NAME.fullmatch(named(template, "a")):
        raise UsageError(
            f"{template!r} makes no new names",
            hint=f"write the name's place as {_PLACE}, as {_PLACE}-restored",
        )


def named(template: str, name: str) -> str:
    """The name that a claim gets; its own without a template."""
    return template.replace(_PLACE, name) if template else name
