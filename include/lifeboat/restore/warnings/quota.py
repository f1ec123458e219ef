"""Would what is restored exceed a ResourceQuota that lies in the namespace now?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from lifeboat.ports.cluster import Json
from lifeboat.restore.warnings.usage import amount


def quota_warnings(
    namespace: str, quotas: Iterable[Json], added: Mapping[str, int]
) -> Iterator[str]:
    """One line for each resource of each live quota that `added` (see `usage`) would exceed.

    Quotas with scopes count some pods only, and are left out of the reckoning.
    """
    for quota in quotas:
        name = quota["metadata"]["name"]
        spec, status = quota.get("spec") or {}, quota.get("status") or {}
        if spec.get("scopes") or spec.get("scopeSelector"):
            continue
        used = status.get("used") or {}
        for resource, hard in sorted((spec.get("hard") or {}).items()):
            more = added.get(resource, 0)
            have = amount(resource, used.get(resource, "0"))
            limit = amount(resource, hard)
            if more and have + more > limit:
                yield (
                    f"quota {namespace}/{name}: {resource} would be"
                    f" {_spell(resource, have + more)} of {hard}"
                    f" ({used.get(resource, '0')} used, {_spell(resource, more)} restored)"
                )


def _spell(resource: str, number: int) -> str:
    if resource.endswith("cpu"):
        return f"{number / 1000:g}"
    if resource.endswith(("memory", "storage")):
        return f"{number / 2**20:g}Mi"
    return str(number)
