"""What another cluster's API does not serve of what a point holds, or not for long: the first
question of an upgrade rehearsal. A test restore into that cluster answers the others.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from lifeboat.point.manifest import open_contents, read_manifest
from lifeboat.restore.warnings.served import nearest
from lifeboat.steps.context import Context


def missing_api(context: Context, point: str) -> tuple[str, ...]:
    """A sentence for each kind and version of the point that the context's cluster does not serve,
    or calls deprecated, and for each API of it that does not answer."""
    manifest = read_manifest(context.vault, context.instance.id, point)
    contents = open_contents(context.vault, manifest)
    held = Counter((entry.group_kind, entry.version) for _, entry in contents.rows())
    discovery = context.cluster.discover()
    served = {kind.group_kind: kind for kind in discovery.kinds}
    told = [f"API {group} does not answer: {why}" for group, why in discovery.failures.items()]
    for (name, version), count in sorted(held.items()):
        what = f"{count} {name} in version {version}"
        kind = served.get(name)
        if kind is None:
            told.append(f"{what}: {discovery.server_version} does not serve this kind")
        elif version not in kind.versions:
            told.append(
                f"{what}: {discovery.server_version} does not serve this version; they are restored"
                f" as {nearest(version, kind.versions)}"
            )
        elif warning := context.cluster.deprecation(replace(kind, version=version)):
            told.append(f"{what}: {warning}")
    return tuple(told)
