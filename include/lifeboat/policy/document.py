"""YAML text into plain data, with the line of every value, so that errors can point at it.

YAML 1.2's core rules decide what is a number or a boolean (`no`, `on` and `12:30` are text), as in
editors. Refused with a line: tabs, duplicate keys, several documents, tags, aliases that multiply.
Pure: takes bytes, reads nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from lifeboat.errors import PolicyError, Problem

try:
    from yaml import CSafeLoader as _Base
except ImportError:  # PyYAML built without libyaml: same answers, slower
    from yaml import SafeLoader as _Base  # type: ignore[assignment]

_MAX_BYTES = 256 * 1024
_MAX_DEPTH = 32
_MAX_VALUES = 20_000
_TAG = "tag:yaml.org,2002:"


class _Loader(_Base):
    """Composes nodes only; scalars resolve by YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]{1,18}", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]{1,18}(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(_TAG + _tag, re.compile(rf"(?:{_pattern})\Z"), list(_first))


class Place(NamedTuple):
    """A value in a file: its line is 1-based, its path that within the file."""

    file: str
    line: int
    path: tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """One parsed file: its text, its data (dicts, lists, scalars), and where everything lies."""

    file: str
    text: str
    data: dict[str, Any]
    root: MappingNode

    def place(self, path: tuple[str | int, ...]) -> Place:
        """Where the value at `path` stands, or the nearest thing around it."""
        return Place(self.file, self.line(path), path)

    def holds(self, path: tuple[str | int, ...]) -> bool:
        """Whether there is a value at `path`."""
        node: Node | None = self.root
        for step in path:
            inside = _child(node, step) if node else None
            node = inside[1] if inside else None
        return node is not None

    def line(self, path: tuple[str | int, ...]) -> int:
        """The 1-based line of the key or item at `path`, or of the nearest thing around it."""
        node: Node = self.root
        line = _line(node)
        for step in path:
            inside = _child(node, step)
            if inside is None:
                break
            at, node = inside
            line = _line(at)
        return line


def parse_document(file: str, raw: bytes) -> Document:
    """Raises PolicyError with the one thing that makes `raw` unreadable; `file` is for messages."""
    text = _decode(file, raw)
    try:
        _check_depth(file, text)
        root = _compose(file, text)
    except yaml.YAMLError as error:
        raise PolicyError([_syntax_problem(file, text, error)]) from None
    if root is None or (isinstance(root, ScalarNode) and root.tag == f"{_TAG}null"):
        raise _refusal(
            file, 1, "an empty file", "at least one key: value line (docs/policy.md lists the keys)"
        )
    if not isinstance(root, MappingNode):
        found = "a list" if isinstance(root, SequenceNode) else "plain text"
        raise _refusal(file, _line(root), found, "key: value lines (docs/policy.md lists the keys)")
    data = _Builder(file).build(root)
    return Document(file, text, data, root)


def _refusal(
    file: str, line: int | None, found: str, expected: str, field: str = ""
) -> PolicyError:
    return PolicyError([Problem(file, line, field, found, expected)])


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _child(node: Node, step: str | int) -> tuple[Node, Node] | None:
    if isinstance(node, MappingNode):
        return next(((key, value) for key, value in node.value if key.value == step), None)
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def _decode(file: str, raw: bytes) -> str:
    if len(raw) > _MAX_BYTES:
        raise _refusal(file, None, f"{len(raw)} bytes", f"at most {_MAX_BYTES // 1024} KiB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _refusal(
            file,
            line,
            f"byte 0x{raw[error.start]:02x}, which is not UTF-8",
            "UTF-8: save the file so",
        ) from None


def _check_depth(file: str, text: str) -> None:
    """Composing recurses in C and would overflow its stack; events do not."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise _too_deep(file, event.start_mark.line + 1 if event.start_mark else None)


def _too_deep(file: str, line: int | None) -> PolicyError:
    return _refusal(
        file,
        line,
        f"values nested deeper than {_MAX_DEPTH}",
        "a flatter file: no key needs that depth",
    )


def _compose(file: str, text: str) -> Node | None:
    loader = _Loader(text)
    try:
        root = loader.get_node() if loader.check_node() else None
        second = loader.get_node() if loader.check_node() else None
        if second is not None:
            line = _line(second)
            raise _refusal(
                file, line, "a second document (after ---)", "one document a file: split it"
            )
        return root
    finally:
        loader.dispose()


def _syntax_problem(file: str, text: str, error: yaml.YAMLError) -> Problem:
    for number, line in enumerate(text.splitlines(), start=1):
        if "\t" in line[: len(line) - len(line.lstrip())]:
            return Problem(file, number, "", "a tab as indentation", "spaces only")
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        # Only the parser's own words: its context would quote the file, which may hold a secret.
        what = (error.problem or "cannot be read").split(" '")[0].removeprefix("found ")
        return Problem(
            file,
            mark.line + 1 if mark else None,
            "",
            f"no valid YAML: {what}",
            'closed quotes, even indentation, and quotes around text with ": ", "#", "*" or "@"',
        )
    position = getattr(error, "position", 0)
    line_number = text.count("\n", 0, position) + 1
    return Problem(file, line_number, "", "a control character", "plain text: remove it")


class _Builder:
    """Nodes into data. Aliases are followed, and everything is counted, so that none explodes."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._count = 0

    def build(self, node: Node, path: tuple[str, ...] = ()) -> Any:
        self._count += 1
        if self._count > _MAX_VALUES:
            raise _refusal(
                self._file, _line(node), f"more than {_MAX_VALUES} values", "fewer aliases (*name)"
            )
        if len(path) > _MAX_DEPTH:
            raise _too_deep(self._file, _line(node))
        if isinstance(node, MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, path)
        if isinstance(node, SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.build(item, (*path, f"[{n}]")) for n, item in enumerate(node.value)]
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        raise self._tagged(node)

    def _mapping(self, node: MappingNode, path: tuple[str, ...]) -> dict[str, Any]:
        built: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key in built:
                first = lines[key]
                raise _refusal(
                    self._file,
                    _line(key_node),
                    "the key a second time",
                    f"each key once: it is already on line {first}",
                    field="".join((*path, f".{key}")).removeprefix("."),
                )
            lines[key] = _line(key_node)
            built[key] = self.build(value_node, (*path, f".{key}"))
        return built

    def _key(self, node: Node) -> str:
        if not isinstance(node, ScalarNode):
            raise _refusal(self._file, _line(node), "a list or mapping as a key", "a plain word")
        return str(node.value)

    def _scalar(self, node: ScalarNode) -> Any:
        tag = node.tag.removeprefix(_TAG)
        try:
            if tag == "str":
                return node.value
            if tag == "null":
                return None
            if tag == "bool":
                return {"true": True, "false": False}[node.value.lower()]
            if tag in ("int", "float"):
                return int(node.value) if tag == "int" else float(node.value)
        except (ValueError, KeyError):
            pass
        raise self._tagged(node)

    def _tagged(self, node: Node) -> PolicyError:
        return _refusal(
            self._file, _line(node), "a YAML tag (!…)", "plain YAML without tags: remove it"
        )
