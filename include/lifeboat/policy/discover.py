"""Clusters that are found instead of written down: what clusters.yaml says of finding them, and the
file in which they are kept.

DAG files read that file and ask nobody; `lifeboat clusters discover` and the DAG `discover` write
it. It is JSON, because every task's start reads it.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError, model_validator

from lifeboat.errors import PolicyError, Problem, UsageError
from lifeboat.policy.azure import AzureAccess, Subscription, check_fleet
from lifeboat.policy.fields import ConnectionId, Name, Strict, refuse, unique
from lifeboat.policy.schedule import Schedule

DISCOVERED_VARIABLE = "LIFEBOAT_DISCOVERED"
DISCOVERED_FILE = "discovered.json"

CONNECTION = "connection:"
"""How the ident of a cluster begins that Airflow has a connection to; others are Azure's ids."""

FleetId = Annotated[str, AfterValidator(check_fleet)]


class DiscoverAzure(AzureAccess):
    """AKS clusters that Azure knows of: by Resource Graph, and as members of fleets."""

    subscriptions: Annotated[tuple[Subscription, ...], AfterValidator(unique)] = Field(
        default=(),
        description="The subscriptions whose AKS clusters Resource Graph is asked for. Their tags"
        " become labels. Default none.",
        examples=[["11111111-2222-3333-4444-555555555555"]],
    )
    fleets: Annotated[tuple[FleetId, ...], AfterValidator(unique)] = Field(
        default=(),
        description="Fleets of Azure Kubernetes Fleet Manager, by their resource ids. Labels of the"
        " members, and `fleet` and `fleet-group`, become labels. Default none.",
        examples=[
            [
                "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/shop"
                "/providers/Microsoft.ContainerService/fleets/shops"
            ]
        ],
    )
    tags: dict[str, str] = Field(
        default_factory=dict,
        description="Only clusters that have all these labels, from tags or from a fleet. Default"
        " none: every one.",
        examples=[{"backup": "lifeboat"}],
    )

    @model_validator(mode="after")
    def _somewhere(self) -> DiscoverAzure:
        if not self.subscriptions and not self.fleets:
            raise refuse("subscriptions, fleets or both", found="neither", at=("subscriptions",))
        return self


class Discover(Strict):
    """Where clusters are found that nobody wrote down. What is found joins the clusters above."""

    azure: DiscoverAzure | None = Field(
        default=None, description="Find AKS clusters in Azure. Default none."
    )
    airflow: ConnectionId | None = Field(
        default=None,
        description="The Airflow connection of type http by which Airflow's own API is asked for"
        " connections of type kubernetes whose extra has `lifeboat`: {name, labels}. Default none.",
        examples=["lifeboat_airflow"],
    )
    schedule: Schedule = Field(
        default=Schedule(cron="17 * * * *"),
        description="When the DAG `discover` looks. Default each hour, at 17 past.",
    )


class Discovered(Strict):
    """One found cluster as it is kept. `source` is who found it, `seen` when last, `lost` since
    when it is found no more (RFC 3339, empty while it is)."""

    name: Name
    ident: str
    source: str
    labels: dict[str, str] = Field(default_factory=dict)
    location: str = ""
    seen: str
    lost: str = ""


class DiscoveredFile(Strict):
    """The whole of discovered.json."""

    clusters: tuple[Discovered, ...] = ()


def discovered_path(include: Path) -> Path:
    """LIFEBOAT_DISCOVERED, or discovered.json in the include folder."""
    named = os.environ.get(DISCOVERED_VARIABLE)
    return Path(named) if named else include / DISCOVERED_FILE


def read_discovered(include: Path) -> DiscoveredFile:
    """What was found last; nothing where nobody looked yet. Raises PolicyError for a file that is
    not what this program writes."""
    path = discovered_path(include)
    try:
        return DiscoveredFile.model_validate_json(path.read_bytes(), by_alias=True, by_name=False)
    except FileNotFoundError:
        return DiscoveredFile()
    except (OSError, ValidationError) as error:
        reason = getattr(error, "strerror", None) or "not what discovery writes"
        wanted = "a file that `lifeboat clusters discover` wrote; delete this one, and run it"
        raise PolicyError([Problem(str(path), None, "", reason, wanted)]) from None


def write_discovered(include: Path, file: DiscoveredFile) -> None:
    """Replaces the file at once: who reads it sees the old one or the new one. Raises UsageError
    where the folder cannot be written."""
    path = discovered_path(include)
    text = file.model_dump_json(by_alias=True, indent=1, exclude_defaults=True) + "\n"
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror}",
            hint=f"name a file on storage that all of Airflow shares: {DISCOVERED_VARIABLE}",
        ) from None
