"""The command that compares: two points, or a point and the cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lifeboat.cli.options import AsJson, Include, InstanceArg, Key, Kinds, Namespaces, VaultUrl
from lifeboat.cli.output import say, show_json, show_lines
from lifeboat.cli.source import Source
from lifeboat.errors import UsageError
from lifeboat.point import catalog
from lifeboat.point.compare import compare
from lifeboat.point.contents import Contents
from lifeboat.point.manifest import LeftOut, open_contents
from lifeboat.point.wanted import Wanted
from lifeboat.report.changes import (
    HOWS,
    Counts,
    How,
    ObjectChange,
    as_document,
    lines,
    looked_into,
    needs_record,
    tally,
    unread,
)
from lifeboat.steps.live import LiveComparison, compare_live
from lifeboat.vault.vault import Vault

LIVE = "live"


@dataclass(frozen=True)
class _Compared:
    """Both sides by name, what differs, and what could not be compared."""

    before: str
    after: str
    changes: Iterator[ObjectChange]
    not_compared: tuple[LeftOut, ...] = ()


def diff(
    instance: InstanceArg,
    before: Annotated[str, typer.Argument(help="a point's id, or `latest`")],
    after: Annotated[str, typer.Argument(help="a point's id, `latest`, or `live`: the cluster")],
    kind: Kinds = None,
    namespace: Namespaces = None,
    summary: Annotated[bool, typer.Option("--summary", help="only count, by kind")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="also what the server and controllers do by themselves")
    ] = False,
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    kubeconfig: Annotated[
        Path | None, typer.Option("--kubeconfig", help="with `live`: that cluster's kubeconfig")
    ] = None,
    kube_context: Annotated[str, typer.Option("--context", help="context of --kubeconfig")] = "",
    as_json: AsJson = False,
) -> None:
    """Show what changed between two points, or since a point."""
    if before == LIVE:
        raise UsageError("`live` comes second: lifeboat diff <instance> <point> live")
    source = Source(include, vault, key, kubeconfig, kube_context)
    wanted = Wanted(tuple(kind or ()), tuple(namespace or ()))
    look_into = not (summary and everything)
    if after == LIVE:
        compared = _with_live(source, instance, before, wanted, look_into)
    else:
        compared = _two_points(source.vault(instance), instance, (before, after), wanted, look_into)
    sorted_out = _SortedOut(compared.changes, everything=everything)
    if as_json:
        show_json(_document(compared, sorted_out, summary=summary, everything=everything))
        return
    say(f"from {compared.before} to {compared.after}")
    for change in sorted_out:
        if not summary:
            show_lines(lines(change, everything=everything))
    show_lines(_told(compared, sorted_out, summary=summary))


class _SortedOut:
    """Hands out the changes that are shown; counts them, and those that are not."""

    def __init__(self, changes: Iterable[ObjectChange], *, everything: bool) -> None:
        self._changes, self._everything = changes, everything
        self.counts: Counts = {}
        self.not_shown: Counter[str] = Counter()

    def __iter__(self) -> Iterator[ObjectChange]:
        for change in self._changes:
            if change.of_itself and not self._everything:
                self.not_shown[change.kind] += 1
            else:
                tally(self.counts, change)
                yield change


def _two_points(
    vault: Vault, instance: str, points: tuple[str, str], wanted: Wanted, look_into: bool
) -> _Compared:
    before, after = (catalog.find(vault, instance, point) for point in points)
    old = open_contents(vault, before)
    new = open_contents(vault, after, beside=old)
    changes = _between(old, new, wanted, look_into)
    return _Compared(before.point, after.point, changes)


def _between(
    old: Contents, new: Contents, wanted: Wanted, look_into: bool
) -> Iterator[ObjectChange]:
    read_old, read_new = old.reader().read, new.reader().read
    for key, before, after in compare(old, new, wanted):
        if look_into and ((before and after) or needs_record(key)):
            yield looked_into(
                key,
                read_old(before.record, before.place) if before else None,
                read_new(after.record, after.place) if after else None,
            )
        else:
            yield unread(key, before, after)


def _with_live(
    source: Source, instance: str, point: str, wanted: Wanted, look_into: bool
) -> _Compared:
    context = source.context(instance)
    manifest = catalog.find(context.vault, instance, point)
    contents = open_contents(context.vault, manifest)
    found = compare_live(context, contents, wanted)
    changes = _since(contents, found, look_into)
    return _Compared(manifest.point, LIVE, changes, found.not_compared)


def _since(contents: Contents, found: LiveComparison, look_into: bool) -> Iterator[ObjectChange]:
    read = contents.reader().read
    for key, before, after in found.differences:
        if look_into and ((before and after) or needs_record(key)):
            record = read(before.record, before.place) if before else None
            yield looked_into(key, record, after)
        else:
            yield unread(key, before, after)


def _document(
    compared: _Compared, sorted_out: _SortedOut, *, summary: bool, everything: bool
) -> dict[str, object]:
    changes = [as_document(change, everything=everything) for change in sorted_out]
    document: dict[str, object] = {
        "before": compared.before,
        "after": compared.after,
        "counts": sorted_out.counts,
        "not_shown": sorted_out.not_shown,
        "not_compared": compared.not_compared,
    }
    return document if summary else {**document, "changes": changes}


def _told(compared: _Compared, found: _SortedOut, *, summary: bool) -> Iterator[str]:
    if summary:
        width = max(map(len, found.counts), default=0)
        for kind, numbers in sorted(found.counts.items()):
            yield f"{kind:{width}}  {_numbers(numbers)}"
    totals = {how: sum(numbers[how] for numbers in found.counts.values()) for how in HOWS}
    yield _numbers(totals) if found.counts else "nothing differs"
    if found.not_shown:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(found.not_shown.items()))
        yield f"not shown, set by the server and controllers alone: {kinds} (--all shows them)"
    for left in compared.not_compared:
        yield f"not compared: {left.what}: {left.reason}"


def _numbers(numbers: Mapping[How, int]) -> str:
    return ", ".join(f"{numbers[how]} {how}" for how in HOWS)
