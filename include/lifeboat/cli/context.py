"""Commands that show what a rebuilt cluster needs besides the objects of a point."""

from __future__ import annotations

from typing import Any

import msgspec

from lifeboat.cli.options import AsJson, Include, InstanceArg, Key, PointArg, VaultUrl
from lifeboat.cli.output import show_json, show_lines, show_table
from lifeboat.cli.source import Source
from lifeboat.point import catalog
from lifeboat.point.context import (
    DEFINITION,
    IMAGES,
    SERVED,
    Definition,
    ImageStates,
    Served,
    noted,
)
from lifeboat.point.images import read_images
from lifeboat.point.manifest import open_contents
from lifeboat.report.owners import describe_owners, read_owners


def context(
    instance: InstanceArg,
    point: PointArg = "latest",
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Show the cluster that a point is of: its version, the kinds that it served, and how Azure had
    it defined."""
    opened = Source(include=include, vault_url=vault, key=key).vault(instance)
    manifest = catalog.find(opened, instance, point)
    found = noted(opened, instance, DEFINITION, manifest.point, Definition)
    served = noted(opened, instance, SERVED, manifest.point, Served)
    if as_json:
        since, definition = found or ("", None)
        show_json(
            {
                "point": manifest.point,
                "cluster": manifest.cluster,
                "serverVersion": manifest.server_version,
                "served": served[1].kinds if served else None,
                "definedSince": since,
                "definition": definition,
            }
        )
        return
    lines = [
        f"point      {manifest.point} of cluster {manifest.cluster}",
        f"version    Kubernetes {manifest.server_version}",
        f"served     {_describe_served(served[1]) if served else 'not noted'}",
    ]
    show_lines([*lines, *(_describe(*found) if found else [_NOTHING])])


def owners(
    instance: InstanceArg,
    point: PointArg = "latest",
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Show what of a point Helm, Argo CD and Flux could bring back, by namespace."""
    opened = Source(include=include, vault_url=vault, key=key).vault(instance)
    manifest = catalog.find(opened, instance, point)
    parts = read_owners(open_contents(opened, manifest))
    if as_json:
        told = [msgspec.to_builtins(part) | {"onlyHere": part.only_here} for part in parts]
        show_json({"point": manifest.point, "namespaces": told})
        return
    rows = []
    for part in parts:
        owned = ", ".join(f"{owner}: {count}" for owner, count in part.owners.items())
        counts = (str(part.objects), str(part.only_here), str(part.made))
        rows.append((part.namespace or "-", *counts, owned or "-"))
    show_table(("NAMESPACE", "OBJECTS", "ONLY HERE", "BY WORKLOADS", "COULD COME BACK WITH"), rows)
    show_lines(describe_owners(parts))


def images(
    instance: InstanceArg,
    point: PointArg = "latest",
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List the images that a point's objects name, and what registries said of them last."""
    opened = Source(include=include, vault_url=vault, key=key).vault(instance)
    manifest = catalog.find(opened, instance, point)
    uses = read_images(open_contents(opened, manifest))
    found = noted(opened, instance, IMAGES, manifest.point, ImageStates)
    said = {state.image: state for state in found[1].images} if found else {}
    if as_json:
        told = [msgspec.to_builtins(use) | {"registry": said.get(use.image)} for use in uses]
        since = found[0] if found else ""
        show_json({"point": manifest.point, "checkedSince": since, "images": told})
        return
    rows = [
        (
            use.image,
            said[use.image].state if use.image in said else "not asked",
            str(use.objects),
            ", ".join(use.digests) or "-",
        )
        for use in uses
    ]
    show_table(("IMAGE", "REGISTRY", "OBJECTS", "RAN AS"), rows)
    reasons = (said[use.image] for use in uses if use.image in said and said[use.image].reason)
    show_lines(f"{state.image}: {state.reason}" for state in reasons)


_NOTHING = (
    "defined    not known: only AKS clusters that clusters.yaml names by their id are asked for"
)


def _describe(since: str, definition: Definition) -> list[str]:
    if definition.unread:
        return [f"defined    could not be read since {since}: {definition.unread}"]
    properties = _part(definition.cluster, "properties")
    addons = _part(properties, "addonProfiles")
    enabled = sorted(name for name, addon in addons.items() if _part(addons, name).get("enabled"))
    return [
        f"defined    {definition.cluster.get('id', '')}, unchanged since {since}",
        f"           in {definition.cluster.get('location', '')}, ordered as Kubernetes"
        f" {properties.get('kubernetesVersion', '')}; API {definition.api_version}",
        f"add-ons    {', '.join(enabled) or 'none'}",
        *(_describe_pool(pool) for pool in definition.node_pools),
    ]


def _describe_served(served: Served) -> str:
    if served.unread:
        return f"not known: {served.unread}"
    several = sum(len(versions) > 1 for versions in served.kinds.values())
    return f"{len(served.kinds)} kinds, {several} of them in several versions (--json names them)"


def _describe_pool(pool: dict[str, Any]) -> str:
    told = _part(pool, "properties")
    count = told.get("count")
    if count is None:
        count = f"{told.get('minCount', '?')} to {told.get('maxCount', '?')}"
    version = told.get("currentOrchestratorVersion") or told.get("orchestratorVersion") or "?"
    return f"node pool  {pool.get('name', '')}: {count} of {told.get('vmSize', '?')}, {version}"


def _part(of: dict[str, Any], name: str) -> dict[str, Any]:
    """An object within an object; empty where Azure sent none."""
    found = of.get(name)
    return found if isinstance(found, dict) else {}
