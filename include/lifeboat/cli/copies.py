"""How copies stand, beside the list of points."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lifeboat.errors import LifeboatError
from lifeboat.steps.context import AtCopy
from lifeboat.steps.copy_plan import CopyPlan, plan_copy
from lifeboat.vault.vault import Vault

VOLUME_DATA = "the data of volumes lies in snapshots beside the disks, in no vault and in no copy"


@dataclass(frozen=True)
class Copies:
    """What each copy has and lacks, and why one could not be read."""

    plans: tuple[CopyPlan, ...]
    failures: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.plans or self.failures)

    def holding(self, point: str) -> list[str]:
        """Names of the copies that hold the point."""
        return [plan.vault for plan in self.plans if point in plan.there]


def read_copies(first: Vault, copies: Iterable[AtCopy | LifeboatError]) -> Copies:
    """A copy that cannot be read is told and hides nothing else."""
    plans, failures = [], []
    for copy in copies:
        if isinstance(copy, LifeboatError):
            failures.append(str(copy))
            continue
        try:
            plans.append(plan_copy(first, copy))
        except LifeboatError as error:
            failures.append(f"copy {copy.instance.vault.name} cannot be read: {error}")
    return Copies(tuple(plans), tuple(failures))


def describe_copies(copies: Copies) -> list[str]:
    """One line a copy: how many points it has and lacks, and its newest."""
    lines = []
    for plan in copies.plans:
        only = f", newest {plan.newest}" if plan.newest else ""
        late = f"LACKS {len(plan.lacks)} points" if plan.lacks else "lacks none"
        lines.append(f"copy {plan.vault}: {len(plan.there)} points{only}; {late}")
    return [*lines, *(f"COPY       {failure}" for failure in copies.failures)]
