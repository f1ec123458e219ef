"""What a policy selects right now, without capturing anything."""

from __future__ import annotations

import msgspec

from lifeboat.errors import LifeboatError
from lifeboat.point.manifest import LeftOut
from lifeboat.policy.model import Policy
from lifeboat.policy.owners import comes_back
from lifeboat.policy.select import Select
from lifeboat.ports.cluster import Cluster
from lifeboat.ports.disks import Disks
from lifeboat.steps.claims import VolumeVerdict, find_volumes, list_claims
from lifeboat.steps.enumerate import plan_listings
from lifeboat.steps.hook_plan import plan_freeze
from lifeboat.steps.hook_record import asked_by
from lifeboat.steps.hook_run import phases
from lifeboat.steps.related import followed_kinds
from lifeboat.steps.sight import Sight, count, look


class KindCount(msgspec.Struct, frozen=True):
    """`objects` are those that a run would look at; with `narrowed`, it takes at most these."""

    kind: str
    objects: int
    narrowed: bool


class HookView(msgspec.Struct, frozen=True):
    """What would be stilled: `phases` are pre, post or both, `asked_by` the policy or the pod."""

    what: str
    phases: str
    asked_by: str


class Preview(msgspec.Struct, frozen=True):
    """`namespaces` are selected, `left_out` says why the others are not, by name. `kinds` are named
    as `deployments.apps`, `needed` those of which objects come along that the others need. `hooks`
    are in the order of the freeze. `failed` are kinds that cannot be counted and hooks that cannot
    be found, and why."""

    namespaces: tuple[str, ...]
    left_out: dict[str, str]
    kinds: tuple[KindCount, ...]
    needed: tuple[str, ...]
    volumes: tuple[VolumeVerdict, ...]
    hooks: tuple[HookView, ...]
    failed: tuple[LeftOut, ...]
    warnings: tuple[str, ...]


def preview(policy: Policy, cluster: Cluster, disks: Disks) -> Preview:
    """Asks the cluster, one small request a listing; raises what it raises, ClusterUnreachable
    among it. No vault is needed."""
    sight = look(policy, cluster)
    kinds = {kind.resource: kind for kind in sight.discovery.kinds}
    names = sight.namespaces.names
    found = find_volumes(list_claims(cluster, kinds, names), disks, policy, names)
    counts, failed = _counts(policy.select, cluster, sight)
    hooks, notes, hookless = _hooks(policy, cluster, names)
    return Preview(
        namespaces=names,
        left_out={**sight.namespaces.left_out, **sight.namespaces.opted_out},
        kinds=counts,
        needed=tuple(kind.resource for kind in followed_kinds(policy.select, kinds.values())),
        volumes=found.verdicts,
        hooks=hooks,
        failed=(*failed, *hookless),
        warnings=(*sight.warnings, *notes),
    )


def _hooks(
    policy: Policy, cluster: Cluster, namespaces: tuple[str, ...]
) -> tuple[tuple[HookView, ...], tuple[str, ...], tuple[LeftOut, ...]]:
    try:
        plan = plan_freeze(policy, cluster, namespaces)
    except LifeboatError as error:
        return (), (), (LeftOut("hooks", error.message),)
    views = tuple(
        HookView(action.title, phases(action), asked_by(action)) for action in plan.actions
    )
    return views, plan.notes, ()


def _counts(
    select: Select, cluster: Cluster, sight: Sight
) -> tuple[tuple[KindCount, ...], tuple[LeftOut, ...]]:
    counted: dict[str, int] = {}
    failed = []
    narrows = bool(select.labels or select.any_labels or select.namespace_filters)
    narrowed = set()
    left = bool(select.managed_by.left)
    for listing in plan_listings(select, sight):
        name = listing.kind.resource
        if listing.only is not None:
            counted[name] = len(listing.only)
            continue
        try:
            objects = count(cluster, listing.kind, listing.namespace)
        except LifeboatError as error:
            failed.append(LeftOut(listing.title, error.message))
            continue
        counted[name] = counted.get(name, 0) + objects
        across = listing.kind.namespaced and listing.namespace is None
        if narrows or (across and not select.every_namespace) or select.cluster_filters:
            narrowed.add(name)
        if left and comes_back(listing.kind.group_kind):
            narrowed.add(name)
    kinds = tuple(KindCount(name, counted[name], name in narrowed) for name in sorted(counted))
    return kinds, tuple(failed)
