"""Globs over names of namespaces and objects, as Velero 1.18 has them: `*`, `?`, `[abc]`, `[a-z]`.

Not here: `**`, `|`, `()`, `!`, `{}`, `,` and `[]`, which Velero refuses too, so that a list of
names means the same in both.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

_WRONG = re.compile(r"\*\*|[|()!{},]")
_NAMESPACE = re.compile(r"[a-z0-9*?\[\]-]+")
# Names of RBAC objects are path segments: capitals, colons and more (API conventions, "Names").
_OBJECT = re.compile(r"[A-Za-z0-9*?\[\].:_@~+=-]+")
_SETS = re.compile(r"\[([^\[\]]*)\]")


def check_glob(pattern: str) -> None:
    """Raises ValueError, saying what would be right, on what is no glob of namespaces."""
    _check(pattern, _NAMESPACE, "a namespace name or glob: a-z, 0-9 and -, with * ? [abc] [a-z]")


def check_name_glob(pattern: str) -> None:
    """The same for the names of objects, which know more characters."""
    _check(pattern, _OBJECT, "an object's name or a glob: letters, digits, . - _ : with * ? [abc]")


def _check(pattern: str, allowed: re.Pattern[str], right: str) -> None:
    wrong = _WRONG.search(pattern)
    if wrong:
        raise ValueError(
            f"a glob without {wrong[0]!r}: * stands for any characters, ? for one, [abc] and [a-z]"
            " for one of a set; write several names as several list items"
        )
    if not allowed.fullmatch(pattern):
        raise ValueError(right)
    for content in _SETS.findall(pattern):
        _check_set(content)
    if set(_SETS.sub("", pattern)) & set("[]"):
        raise ValueError("a closed set of characters, such as [abc]")


def _check_set(content: str) -> None:
    if not content:
        raise ValueError("a set that names characters, such as [abc]; [] matches nothing")
    if re.search(r"[*?]", content):
        raise ValueError("a set of letters, digits and -, such as [a-z]; * and ? stand outside it")
    for low, high in re.findall(r"(.)-(.)", content):
        if low > high:
            raise ValueError(f"a range that runs upwards: [{high}-{low}], not [{low}-{high}]")


def any_matches(patterns: Iterable[str], name: str) -> bool:
    """Whether one of the (checked) patterns covers the whole of `name`."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
