"""What a check is given and what it finds; run.py and checks.py build on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lifeboat.ports.flows import Flows
from lifeboat.restore.model import RestorePlan, VolumesResult
from lifeboat.steps.context import Context

OpenFlows = Callable[[str], Flows]
"""Opens the Airflow behind a connection id. Raises UsageError for an unknown one."""


@dataclass(frozen=True)
class Tested:
    """What a check may look at: the plan that was applied, the volumes' account, and what was not
    ready when waiting ended. `flows` is None where no Airflow can be asked."""

    __test__ = False  # no test case, whatever its name suggests to pytest

    context: Context
    plan: RestorePlan
    volumes: VolumesResult
    not_ready: tuple[str, ...]
    flows: OpenFlows | None = None

    @property
    def namespaces(self) -> dict[str, str]:
        """From the application's namespaces to their scratch namespaces."""
        return self.plan.request.mapping


@dataclass(frozen=True)
class Finding:
    """What came of one check. `log` is the end of what its own Job or command said, unmasked."""

    outcome: Literal["passed", "failed", "impossible"]
    detail: str
    figure: float | None = None
    log: str = ""
