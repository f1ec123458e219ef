"""Commands about transforms: try one on a point, without any cluster."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import typer

from lifeboat.cli.options import (
    AsJson,
    Include,
    InstanceArg,
    Key,
    Kinds,
    Namespaces,
    PointArg,
    TransformFiles,
    VaultUrl,
)
from lifeboat.cli.output import say, show_json, show_lines
from lifeboat.cli.source import Source
from lifeboat.errors import TransformFailed, UsageError
from lifeboat.point import catalog
from lifeboat.point.contents import Contents
from lifeboat.point.manifest import open_contents
from lifeboat.point.wanted import Wanted
from lifeboat.ports.cluster import Json
from lifeboat.restore.transform import Target, clean
from lifeboat.restore.transforms.transforms import Transforms, read_transform
from lifeboat.vault.rows import Entry

transform_app = typer.Typer(no_args_is_help=True, help="Changes of objects on their way back.")


class Tried(msgspec.Struct, frozen=True):
    """What became of one object: the changed fields, or why the transform cannot be done."""

    kind: str
    namespace: str
    name: str
    changes: list[str]
    error: str = ""


@transform_app.command("try")
def try_out(
    instance: InstanceArg,
    point: PointArg = "latest",
    transform: TransformFiles = None,
    kind: Kinds = None,
    namespace: Namespaces = None,
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Show what transforms would change of a point's objects. Asks no cluster, changes nothing."""
    if not transform:
        raise UsageError("no transform was named", hint="--transform FILE, as often as needed")
    source = Source(include=include, vault_url=vault, key=key)
    transforms = Transforms(read_transform(source.folder, name) for name in transform)
    opened = source.vault(instance)
    manifest = catalog.find(opened, instance, point)
    wanted = Wanted(tuple(kind or ()), tuple(namespace or ()))
    target = Target(restore="", point=manifest.point, mapping={})
    tried = _tried(open_contents(opened, manifest), wanted, transforms, target)
    failed = 0
    if as_json:
        documents = list(tried)
        failed = sum(bool(one.error) for one in documents)
        show_json(documents)
    else:
        say(f"point {manifest.point}, captured {manifest.captured_from}")
        changed = 0
        for one in tried:
            show_lines(_lines(one))
            failed += bool(one.error)
            changed += not one.error
        show_lines([f"{changed} objects changed, {failed} failed"])
    if failed:
        raise TransformFailed(f"{failed} objects cannot be transformed")


def _tried(
    contents: Contents, wanted: Wanted, transforms: Transforms, target: Target
) -> Iterator[Tried]:
    """Every object that is changed, or cannot be, as a restore would have it before."""
    reader = contents.reader()
    for entry in contents.select(wanted):
        record = reader.read(entry.record, entry.place)
        body = clean(msgspec.json.decode(record, type=Json), target).body
        try:
            changes = transforms.apply(body, entry.namespace)[1]
        except TransformFailed as error:
            yield _named(entry, [], error.message)
            continue
        if changes:
            yield _named(entry, changes)


def _named(entry: Entry, changes: list[str], error: str = "") -> Tried:
    return Tried(entry.group_kind, entry.namespace, entry.name, changes, error)


def _lines(one: Tried) -> Iterator[str]:
    where = f"{one.namespace}/" if one.namespace else ""
    yield f"{'FAILED ' if one.error else 'changed'} {one.kind} {where}{one.name}"
    for line in one.changes or [one.error]:
        yield f"    {line}"
