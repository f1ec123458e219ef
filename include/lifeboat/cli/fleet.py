"""Commands over all clusters at once: fleet unprotected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
import typer

from lifeboat.cli.options import AsJson, Include
from lifeboat.cli.output import show_json, show_lines
from lifeboat.cli.source import Source
from lifeboat.errors import LifeboatError, UsageError
from lifeboat.point.exposure import OpenSpace, OpenVolume
from lifeboat.policy.load import load_include
from lifeboat.steps.unprotected import Coverage, find_unprotected

fleet_app = typer.Typer(no_args_is_help=True, help="Look at all clusters at once.")


class ClusterReport(msgspec.Struct, frozen=True):
    """`coverage` is None where the cluster could not be asked; `error` says why."""

    cluster: str
    policies: tuple[str, ...]
    coverage: Coverage | None
    error: str = ""


@fleet_app.command("unprotected")
def unprotected(
    cluster: Annotated[str, typer.Option("--cluster", help="only this cluster")] = "",
    include: Include = None,
    as_json: AsJson = False,
) -> None:
    """Name the namespaces and volumes that no policy protects, in every cluster of clusters.yaml.

    Ends with the exit code of the first cluster that could not be asked, after telling of all.
    """
    source = Source(include=include)
    found = load_include(source.folder)
    entries = [one for one in found.clusters.clusters if cluster in ("", one.name)]
    if not entries:
        known = ", ".join(one.name for one in found.clusters.clusters) or "none"
        raise UsageError(
            f"no cluster {cluster!r} in clusters.yaml" if cluster else "clusters.yaml names none",
            hint=f"known are {known}",
        )
    reports, failed = [], 0
    for entry in entries:
        policies = found.policies_on(entry.name)
        names = tuple(policy.name for policy in policies)
        try:
            coverage = find_unprotected(policies, *source.cluster_of(entry))
            reports.append(ClusterReport(entry.name, names, coverage))
        except LifeboatError as error:
            failed = failed or error.exit_code
            reports.append(ClusterReport(entry.name, names, None, error.message))
    broken = sorted({problem.file for problem in found.problems})
    if as_json:
        show_json({"clusters": reports, "unreadable": broken})
    else:
        show_lines(line for report in reports for line in _told(report))
        show_lines(f"not read: {file}; see lifeboat policy check" for file in broken)
    if failed:
        raise typer.Exit(failed)


def _told(report: ClusterReport) -> Iterator[str]:
    by = f"{len(report.policies)} policies: {', '.join(report.policies)}"
    yield f"{report.cluster} ({by if report.policies else 'no policy'})"
    coverage = report.coverage
    if coverage is None:
        yield f"  cannot be asked: {report.error}"
        return
    own = [space for space in coverage.namespaces if not space.system]
    yield f"  namespaces: {coverage.protected} protected, {len(own)} not"
    yield from (f"    {line}" for space in own for line in _space(space))
    lost = [volume for volume in coverage.volumes if not volume.system]
    yield f"  volumes: {coverage.snapshotted} protected, {len(lost)} not"
    yield from (f"    {_volume(volume)}" for volume in lost)
    system = [space.namespace for space in coverage.namespaces if space.system]
    system += [volume.volume for volume in coverage.volumes if volume.system]
    if system:
        yield f"  of the system, not selected: {', '.join(system)}"


def _space(space: OpenSpace) -> Iterator[str]:
    if space.partly:
        yield f"{space.namespace}: only partly, by {', '.join(space.partly)}"
    else:
        yield f"{space.namespace}: {_reasons(space.reasons)}"


def _volume(volume: OpenVolume) -> str:
    return f"{volume.volume}: {_reasons(volume.reasons)}"


def _reasons(reasons: dict[str, str]) -> str:
    told = [f"{reason} ({policy})" if policy else reason for policy, reason in reasons.items()]
    return "; ".join(told) or "no policy is made for this cluster"
