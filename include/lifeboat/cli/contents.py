"""Commands that look into a point: contents, get."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import typer

from lifeboat.cli.copies import VOLUME_DATA
from lifeboat.cli.options import (
    AsJson,
    Include,
    InstanceArg,
    Key,
    Kinds,
    Namespaces,
    PointOption,
    VaultUrl,
)
from lifeboat.cli.output import say, show_json, show_lines, show_yaml, stream_json
from lifeboat.cli.source import Source
from lifeboat.point import catalog
from lifeboat.point.capture import Capture, describe
from lifeboat.point.manifest import open_contents
from lifeboat.point.single import find_one
from lifeboat.point.wanted import Wanted
from lifeboat.ports.cluster import Json
from lifeboat.report.secrets import masked
from lifeboat.vault.rows import Entry


def contents(
    instance: InstanceArg,
    point: PointOption = "latest",
    kind: Kinds = None,
    namespace: Namespaces = None,
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List the objects that a point holds."""
    opened = Source(include=include, vault_url=vault, key=key).vault(instance)
    manifest = catalog.find(opened, instance, point)
    wanted = Wanted(tuple(kind or ()), tuple(namespace or ()))
    found = open_contents(opened, manifest).select(wanted)
    if as_json:
        stream_json(_named(entry) for entry in found)
        return
    say(f"point {manifest.point}, captured {manifest.captured_from}")
    for line in describe(manifest.capture or Capture()):
        say(line)
    if manifest.volumes:
        say(f"{len(manifest.volumes)} volumes; {VOLUME_DATA}")
    show_lines(f"{e.group_kind:40} {e.namespace or '-':24} {e.name}" for e in found)


def get(
    instance: InstanceArg,
    kind: Annotated[str, typer.Argument(help="deployment, deployments, Deployment.apps, …")],
    name: Annotated[str, typer.Argument(help="the object's name")],
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="its namespace")] = "",
    point: PointOption = "latest",
    output: Annotated[Literal["yaml", "json"], typer.Option("--output", "-o")] = "yaml",
    reveal: Annotated[bool, typer.Option("--reveal", help="show the values of a Secret")] = False,
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Print one object of a point, without reading the others."""
    opened = Source(include=include, vault_url=vault, key=key).vault(instance)
    manifest = catalog.find(opened, instance, point)
    found = open_contents(opened, manifest)
    where = f" in namespace {namespace}" if namespace else ""
    wanted = Wanted((kind,), (namespace,) if namespace else (), name)
    entry = find_one(found, wanted, f"{kind} {name}{where}")
    body = msgspec.json.decode(found.reader().read(entry.record, entry.place), type=Json)
    shown = body if reveal else masked(body)
    say(f"{entry.group_kind} of point {manifest.point}, captured {manifest.captured_from}")
    if as_json or output == "json":
        show_json(shown)
    else:
        show_yaml(shown)


def _named(entry: Entry) -> dict[str, str]:
    return {"kind": entry.group_kind, "namespace": entry.namespace, "name": entry.name}
