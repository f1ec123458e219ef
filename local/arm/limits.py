"""Azure's limits and how long things take, in one place; a test may turn any of them down.

The numbers are Azure's own documentation's ("Create an incremental snapshot", "Copy an incremental
snapshot to a new region", "Instant access snapshots"). How long a copy takes Azure does not say.
"""

from __future__ import annotations

from dataclasses import dataclass, field

FAST = ("PremiumV2_LRS", "UltraSSD_LRS")
"""Disks whose snapshots are copied in the background, where everybody sees it."""

DISK_SKUS = (
    "Standard_LRS",
    "StandardSSD_LRS",
    "StandardSSD_ZRS",
    "Premium_LRS",
    "Premium_ZRS",
    *FAST,
)
FOUR_TIB_GB = 4096

COPY_START_API = "2020-12-01"
INSTANT_ACCESS_API = "2025-01-02"


@dataclass(frozen=True)
class Limits:
    """`window` and `window_creations`: so many snapshots of a disk in so many seconds."""

    snapshots_of_a_disk: int = 500
    window: int = 300
    window_creations: int = 7
    pending_of_a_fast_disk: int = 3
    background_copies: int = 50
    copies_into_a_region: int = 100
    disks_at_once: int = 5
    disks_at_once_instant: int = 15
    instant_minutes: tuple[int, int] = (60, 300)


@dataclass(frozen=True)
class Delays:
    """Seconds. `operation` is how long any long-running operation takes, `background` the copy
    behind a snapshot of a fast disk, `copy` one across regions, `hydration` a fast disk made from a
    snapshot; `retry_after` is what a pending operation asks for."""

    operation: float = 0.0
    background: float = 600.0
    copy: float = 900.0
    hydration: float = 600.0
    retry_after: int = 0


@dataclass(frozen=True)
class Region:
    """`zones` it has; without any there is no zone-redundant storage either."""

    name: str
    zones: tuple[str, ...] = ("1", "2", "3")


@dataclass(frozen=True)
class Settings:
    """All that a stand-in is made with; `page` resources in one page of a list."""

    limits: Limits = field(default_factory=Limits)
    delays: Delays = field(default_factory=Delays)
    regions: tuple[Region, ...] = (
        Region("westeurope"),
        Region("northeurope"),
        Region("swedencentral"),
        Region("westus", ()),
    )
    page: int = 100
