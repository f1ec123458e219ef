"""Reads the include folder: clusters.yaml, presets.yaml and policies/*.yaml. The only I/O of this
room.

One broken file never hides the others: `load_include` hands back what is good and what is wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from lifeboat.errors import PolicyError, Problem, UsageError
from lifeboat.policy.alerts import AlertsFile
from lifeboat.policy.azure_fit import azure_problems
from lifeboat.policy.discover import discovered_path, read_discovered
from lifeboat.policy.document import Document, parse_document
from lifeboat.policy.fields import Strict, format_duration
from lifeboat.policy.instance import CopyPlace, Instance
from lifeboat.policy.model import ClustersFile, Policy, VaultEntry
from lifeboat.policy.presets import PRESETS_FILE, Presets
from lifeboat.policy.problems import closest, problem_at, to_problems
from lifeboat.policy.residency_fit import residency_problems
from lifeboat.policy.salvage import Salvaged, salvage
from lifeboat.policy.standby_fit import standby_problems
from lifeboat.policy.steady import SNAPSHOT_GUARD, SNAPSHOT_LIMIT, steady_state, time_until

ALERTS_FILE = "alerts.yaml"
CLUSTERS_FILE = "clusters.yaml"
POLICIES_FOLDER = "policies"

S = TypeVar("S", bound=Strict)


@dataclass(frozen=True)
class Include:
    """All that an include folder says. `problems` are of the files that gave no instances."""

    clusters: ClustersFile
    instances: tuple[Instance, ...]
    problems: tuple[Problem, ...]

    def policies_on(self, cluster: str) -> list[Policy]:
        """All policies that are in force on a cluster, by its name."""
        return [one.policy for one in self.instances if one.cluster.name == cluster]


def load_clusters(include: Path) -> ClustersFile:
    """`<include>/clusters.yaml`, joined by the clusters that were found. Raises PolicyError, also
    when the file is missing."""
    written = validated(read_document(include / CLUSTERS_FILE), ClustersFile)
    return written.joined_by(read_discovered(include).clusters) if written.discover else written


def standing_clusters(include: Path) -> ClustersFile:
    """The same without the entries that are wrong, for whoever needs one of the others. Raises
    PolicyError where the file as a whole cannot be read."""
    return _standing(include).clusters


def _standing(include: Path) -> Salvaged:
    found = salvage(read_document(include / CLUSTERS_FILE))
    if not found.clusters.discover:
        return found
    try:
        more = read_discovered(include).clusters
    except PolicyError as error:
        return replace(found, problems=(*found.problems, *error.problems))
    lost = _lost_clusters(include)
    joined = found.clusters.joined_by(more)
    return replace(found, clusters=joined, problems=(*found.problems, *lost))


def load_alerts(include: Path) -> AlertsFile:
    """`<include>/alerts.yaml`; without the file nobody is told. Raises PolicyError."""
    path = include / ALERTS_FILE
    return validated(read_document(path), AlertsFile) if path.exists() else AlertsFile()


def policy_files(include: Path) -> list[Path]:
    """`<include>/policies/*.yaml` and `*.yml`, sorted. No folder gives no files."""
    folder = include / POLICIES_FOLDER
    return sorted(
        path for path in folder.glob("*") if path.suffix in (".yaml", ".yml") and path.is_file()
    )


def load_policy(path: Path, clusters: ClustersFile) -> tuple[Instance, ...]:
    """One instance for each cluster that the policy names. Raises PolicyError."""
    return _placed(_read_policy(path, None), clusters)


def parse_policy(text: str, source: str, name: str) -> Policy:
    """A policy from its text, as every point carries it; `source` and `name` stand for the file.
    Raises PolicyError."""
    return validated(parse_document(source, text.encode()), Policy, {"name": name})


def load_include(include: Path) -> Include:
    """Everything, with every problem; raises nothing for a wrong file."""
    problems: list[Problem] = []
    standing = None
    try:
        standing = _standing(include)
        problems += standing.problems
    except PolicyError as error:
        problems += error.problems
    presets = Presets(None)
    try:
        presets = _load_presets(include)
        problems += presets.problems
    except PolicyError as error:
        problems += error.problems
    files: list[_PolicyFile] = []
    for path in policy_files(include):
        try:
            files.append(_read_policy(path, presets))
        except PolicyError as error:
            problems += error.problems
    instances: list[Instance] = []
    owners: dict[str, _PolicyFile] = {}
    for file in sorted(files, key=lambda file: (file.path.stem != file.policy.name, file.path)):
        try:
            _check_owner(file, owners)
            # Without clusters.yaml no policy can be placed; its own mistakes were found above.
            instances += _placed(file, standing.clusters, standing.broken) if standing else ()
        except PolicyError as error:
            problems += error.problems
    return Include(
        standing.clusters if standing else ClustersFile(),
        tuple(sorted(instances, key=lambda instance: instance.id)),
        tuple(sorted(problems, key=lambda problem: (problem.file, problem.line or 0))),
    )


def load_instance(include: Path, instance_id: str) -> Instance:
    """The instance of this id.

    Reads clusters.yaml and, when a file is named like the policy, that file alone.

    Raises UsageError naming the known ids, and PolicyError when the file it needs is broken.
    """
    standing = _standing(include)
    name, _, cluster = instance_id.partition(".")
    if cluster in standing.broken:
        raise PolicyError(list(standing.problems))
    broken: list[Problem] = []
    known: list[str] = []
    for path in sorted(policy_files(include), key=lambda path: (path.stem != name, path)):
        try:
            instances = _placed(_read_policy(path, None), standing.clusters, standing.broken)
        except PolicyError as error:
            if path.stem == name:
                raise
            broken += error.problems
            continue
        for instance in instances:
            if instance.id == instance_id:
                return instance
        known += [instance.id for instance in instances]
    raise _no_such_instance(instance_id, sorted(set(known)), broken)


def _no_such_instance(instance_id: str, known: list[str], broken: list[Problem]) -> UsageError:
    names = ", ".join(known) or "none: there is no policy that can be read"
    hint = f"Known instances: {names}{closest(instance_id, known)}."
    if broken:
        files = ", ".join(sorted({Path(problem.file).name for problem in broken}))
        hint += f" Not readable: {files}; see lifeboat policy check."
    return UsageError(f"there is no instance {instance_id!r}", hint=hint)


def read_document(path: Path) -> Document:
    """One YAML file. Raises PolicyError, also when it cannot be read."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise PolicyError(
            [Problem(str(path), None, "", f"an unreadable file ({reason})", "a readable file")]
        ) from None
    return parse_document(str(path), raw)


def validated(document: Document, model: type[S], defaults: dict[str, Any] | None = None) -> S:
    """The document as the model reads it. Raises PolicyError with every problem."""
    try:
        return model.model_validate(
            {**(defaults or {}), **document.data}, by_alias=True, by_name=False
        )
    except ValidationError as error:
        raise PolicyError(to_problems(error, document, model)) from None


def _lost_clusters(include: Path) -> Iterator[Problem]:
    """A warning for each cluster that is found no more. Its instances stay."""
    for one in read_discovered(include).clusters:
        if one.lost:
            yield Problem(
                str(discovered_path(include)),
                None,
                one.name,
                f"a cluster that {one.source} has not known since {one.lost}",
                f"the cluster itself; if it is gone for good: lifeboat clusters forget {one.name}",
            )


def _load_presets(include: Path) -> Presets:
    """`<include>/presets.yaml`, which may be missing. Raises PolicyError when it is no YAML."""
    path = include / PRESETS_FILE
    return Presets(read_document(path) if path.exists() else None)


@dataclass(frozen=True)
class _PolicyFile:
    path: Path
    document: Document
    policy: Policy


def _read_policy(path: Path, presets: Presets | None) -> _PolicyFile:
    """`presets` None: read them when the policy names one. Raises PolicyError."""
    document = read_document(path)
    if "preset" in document.data:
        document = (presets or _load_presets(path.parent.parent)).applied(document)
    policy = validated(document, Policy, {"name": path.stem})
    _check_snapshots(document, policy)
    return _PolicyFile(path, document, policy)


def _check_snapshots(document: Document, policy: Policy) -> None:
    """Raises PolicyError when the policy would come to hold more snapshots of a disk than Azure
    allows. Only for files: a policy that some point carries must stay readable."""
    found = steady_state(policy)
    if found is None or not policy.volumes.takes_snapshots or found.points <= SNAPSHOT_LIMIT:
        return
    assert policy.rhythm is not None
    wait = time_until(policy, SNAPSHOT_LIMIT)
    tiers = " + ".join(f"{name} {points}" for name, points in found.tiers)
    more = "more than " if found.capped else ""
    raise PolicyError(
        [
            problem_at(
                document,
                ("retention", "keep"),
                f"{more}{found.points} points at a time, and so snapshots of each disk ({tiers}, by"
                f" {policy.rhythm})",
                f"at most {SNAPSHOT_LIMIT}, which Azure allows a disk"
                f" ({found.points} > {SNAPSHOT_LIMIT}, reached"
                f" {format_duration(wait) if wait else 'late'} after the first point; at most"
                f" {SNAPSHOT_GUARD} leaves room): keep fewer, run less often, or take no snapshots"
                " (volumes: {snapshot: false})",
            )
        ]
    )


def _placed(
    file: _PolicyFile, clusters: ClustersFile, broken: frozenset[str] = frozenset()
) -> tuple[Instance, ...]:
    """`broken` are clusters whose own entries are wrong, which is told there: the policy stands on
    the others. Raises PolicyError."""
    document, policy = file.document, _with_labelled(file, clusters)
    problems = [*_unknown_clusters(document, policy, clusters, broken)]
    vault = clusters.vault(policy.vault)
    if vault is None:
        known = [entry.name for entry in clusters.vaults]
        problems.append(_unknown(document, ("vault",), policy.vault, "vault", known))
    else:
        problems += _wrong_copies(document, policy, vault, clusters)
    include = file.path.parent.parent
    problems += standby_problems(document, policy, clusters, broken, include, CLUSTERS_FILE)
    if not problems:
        problems += residency_problems(document, policy, clusters, CLUSTERS_FILE)
    if problems or vault is None:
        raise PolicyError(problems)
    digest = "sha256:" + hashlib.sha256(document.text.encode()).hexdigest()
    source = f"{file.path.parent.name}/{file.path.name}"
    entries = [entry for entry in map(clusters.cluster, policy.clusters) if entry]
    problems += [one for entry in entries for one in azure_problems(document, policy, entry)]
    if problems:
        raise PolicyError(problems)
    copies = tuple(_copy_places(policy, clusters))
    return tuple(
        Instance(policy, entry, vault, document.text, digest, source, copies) for entry in entries
    )


def _with_labelled(file: _PolicyFile, clusters: ClustersFile) -> Policy:
    """The policy with the clusters that its labels select among those that it names. Raises
    PolicyError where there are none at all: a policy that protects nothing is a mistake."""
    policy = file.policy
    if not policy.cluster_labels:
        return policy
    wanted = policy.cluster_labels.items()
    labelled = [entry.name for entry in clusters.clusters if wanted <= entry.labels.items()]
    found = [name for name in labelled if name not in policy.clusters]
    if not found and not policy.clusters:
        told = ", ".join(f"{name}: {value}" for name, value in policy.cluster_labels.items())
        expected = f"labels that some cluster of {CLUSTERS_FILE} has"
        raise PolicyError([problem_at(file.document, ("clusterLabels",), told, expected)])
    return policy.model_copy(update={"clusters": (*policy.clusters, *found)})


def _copy_places(policy: Policy, clusters: ClustersFile) -> Iterator[CopyPlace]:
    for copy in policy.copies:
        entry = clusters.vault(copy.vault)
        if entry:
            yield CopyPlace(entry, copy.retention or policy.retention)


def _wrong_copies(
    document: Document, policy: Policy, vault: VaultEntry, clusters: ClustersFile
) -> Iterator[Problem]:
    """Copies that cannot be: in no known vault, in the first vault's place, sealed otherwise."""
    for index, copy in enumerate(policy.copies):
        path = ("copies", index, "vault")
        entry = clusters.vault(copy.vault)
        if entry is None:
            known = [other.name for other in clusters.vaults if other.name != vault.name]
            yield _unknown(document, path, copy.vault, "vault", known)
        elif entry.url == vault.url:
            found = f"{copy.vault!r}, whose url is that of {vault.name}"
            yield problem_at(document, path, found, "a vault in another place")
        elif entry.encryption != vault.encryption:
            found = f"{copy.vault!r}, which has encryption: {entry.encryption}"
            expected = f"a vault with encryption: {vault.encryption}, as {vault.name} has: a copy"
            yield problem_at(document, path, found, f"{expected} holds the same bytes")


def _check_owner(file: _PolicyFile, owners: dict[str, _PolicyFile]) -> None:
    """A name belongs to the file called like it, else to the first: as `load_instance` looks.

    Raises PolicyError when another file has the name.
    """
    owner = owners.setdefault(file.policy.name, file)
    if owner is not file:
        expected = f"a name of its own: {owner.path.name} already has it"
        found = repr(file.policy.name)
        raise PolicyError([problem_at(file.document, ("name",), found, expected)])


def _unknown_clusters(
    document: Document, policy: Policy, clusters: ClustersFile, broken: frozenset[str]
) -> Iterator[Problem]:
    known = [entry.name for entry in clusters.clusters]
    for index, name in enumerate(policy.clusters):
        if name not in known and name not in broken:
            yield _unknown(document, ("clusters", index), name, "cluster", known)
    elsewhere = policy.test_restore.cluster if policy.test_restore else ""
    if elsewhere and elsewhere not in known and elsewhere not in broken:
        yield _unknown(document, ("testRestore", "cluster"), elsewhere, "cluster", known)


def _unknown(
    document: Document, path: tuple[str | int, ...], name: str, what: str, known: list[str]
) -> Problem:
    names = ", ".join(known) or "it names none"
    expected = f"a {what} of {CLUSTERS_FILE}: {names}{closest(name, known)}"
    return problem_at(document, path, repr(name), expected)
