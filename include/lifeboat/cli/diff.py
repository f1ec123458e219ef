"""The command that compares: two points, or a point and the cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    changed,
    lines,
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
    spec_only: Annotated[
        bool, typer.Option("--spec-only", help="without what the API server sets by itself")
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
    look_into = not summary or spec_only
    if after == LIVE:
        compared = _with_live(source, instance, before, wanted, look_into)
    else:
        compared = _two_points(source.vault(instance), instance, (before, after), wanted, look_into)
    changes = (c for c in compared.changes if not spec_only or c.fields or c.how != "changed")
    if as_json:
        show_json(_document(compared, list(changes), summary=summary, spec_only=spec_only))
        return
    say(f"from {compared.before} to {compared.after}")
    counts: Counts = {}
    for change in changes:
        tally(counts, change)
        if not summary:
            show_lines(lines(change, spec_only=spec_only))
    show_lines(_told(compared, counts, summary=summary))


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
        if before and after and look_into:
            record = read_old(before.record, before.place)
            yield changed(key, record, read_new(after.record, after.place))
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
        if before and after and look_into:
            yield changed(key, read(before.record, before.place), after)
        else:
            yield unread(key, before, after)


def _document(
    compared: _Compared, changes: list[ObjectChange], *, summary: bool, spec_only: bool
) -> dict[str, object]:
    counts: Counts = {}
    for change in changes:
        tally(counts, change)
    document: dict[str, object] = {
        "before": compared.before,
        "after": compared.after,
        "counts": counts,
        "not_compared": compared.not_compared,
    }
    if not summary:
        document["changes"] = [as_document(change, spec_only=spec_only) for change in changes]
    return document


def _told(compared: _Compared, counts: Counts, *, summary: bool) -> Iterator[str]:
    if summary:
        width = max(map(len, counts), default=0)
        for kind, numbers in sorted(counts.items()):
            yield f"{kind:{width}}  {_numbers(numbers)}"
    totals = {how: sum(numbers[how] for numbers in counts.values()) for how in HOWS}
    yield _numbers(totals) if any(totals.values()) else "nothing differs"
    for left in compared.not_compared:
        yield f"not compared: {left.what}: {left.reason}"


def _numbers(numbers: Mapping[How, int]) -> str:
    return ", ".join(f"{numbers[how]} {how}" for how in HOWS)
