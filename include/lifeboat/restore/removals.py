"""Lists what lies in the target namespaces and what of it the point lacks, for a prune."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from lifeboat.errors import Forbidden, UsageError
from lifeboat.point.manifest import Manifest, read_policy
from lifeboat.policy.load import parse_policy
from lifeboat.policy.picking import Picker
from lifeboat.ports.cluster import Kind
from lifeboat.ports.marks import STANDBY
from lifeboat.restore.choice import Chooser
from lifeboat.restore.leave import Seen
from lifeboat.restore.live import listed_state
from lifeboat.restore.model import NO_RECORD, NOWHERE, PlanItem, RestoreRequest
from lifeboat.restore.order import REMOVALS
from lifeboat.restore.superfluous import prunable, superfluous
from lifeboat.steps.context import Context

Holds = Callable[[str, str, str], bool]
"""Whether the point holds an object: source namespace, kind, name."""


_seen = msgspec.json.Decoder(Seen).decode


class Removals:
    """The `delete` items of one plan. Raises UsageError for an incomplete point: what it lacks may
    only be missing there."""

    def __init__(
        self, context: Context, request: RestoreRequest, manifest: Manifest, holds: Holds
    ) -> None:
        if not manifest.complete:
            raise UsageError(
                f"point {manifest.point} is incomplete: what it lacks cannot be told from what was"
                " not there",
                hint="restore without prune, or from a complete point",
            )
        text = read_policy(context.vault, manifest)
        policy = parse_policy(text, f"point {manifest.point}", manifest.policy)
        self._context, self._request, self._holds = context, request, holds
        self._select = policy.select
        self._chooser = Chooser(request.choice, request.kinds)
        self.warnings: list[str] = []

    def items(self, kinds: Iterable[Kind], spaces: Mapping[str, str]) -> Iterator[PlanItem]:
        """What is deleted, kind by kind; `spaces` are the target namespaces that exist, by source.
        Kinds that may not be listed are warned of and left."""
        picker = Picker(self._select, spaces)
        for kind in filter(prunable, sorted(kinds)):
            for source, namespace in spaces.items():
                try:
                    yield from self._of(kind, source, namespace, picker)
                except Forbidden as error:
                    self.warnings.append(f"{kind.resource} not pruned: {error.message}")
                    break

    def _of(self, kind: Kind, source: str, namespace: str, picker: Picker) -> Iterator[PlanItem]:
        states: dict[str, str] = {}

        def live() -> Iterator[Seen]:
            for page in self._context.cluster.list_pages(kind, namespace=namespace):
                for raw in page.items:
                    seen = _seen(raw)
                    mark = self._request.mark
                    if mark and seen.metadata.annotations.get(STANDBY) != mark:
                        continue
                    if not self._holds(source, kind.kind, seen.metadata.name):
                        states[seen.metadata.name] = listed_state(raw)[1]
                        yield seen

        def captured(name: str, labels: Mapping[str, str]) -> bool:
            # What a standby made was captured once, whatever the policy takes now.
            return bool(self._request.mark) or not picker.why_not(kind, source, name, labels)

        may_swap = self._request.may_swap
        for seen in superfluous(kind, live(), self._chooser, captured, may_swap):
            name = seen.metadata.name
            yield PlanItem(
                wave=REMOVALS,
                kind=kind,
                source_namespace=source,
                namespace=namespace,
                name=name,
                record=NO_RECORD,
                place=NOWHERE,
                action="delete",
                reason="not in the point",
                live_version=states[name],
            )
