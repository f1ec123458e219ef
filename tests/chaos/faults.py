"""What goes wrong, how and when: drawn from a seed beforehand, so a seed is the same faults in the
same order again."""

from __future__ import annotations

import random
from dataclasses import dataclass

AIRFLOW = ("worker-near", "worker-far", "scheduler", "triggerer", "api-server", "dag-processor")
"""Parts of Airflow: killed alone, what they forked goes on, or with that, as with a machine."""

KUBE, AZURITE = "kube-apiserver", "azurite"

SERVERS = ("redis", "postgres", KUBE, AZURITE)
"""Killed (Redis, the API server of the cluster) or stopped in order, and started again. The two
databases lose what they had answered for when they are killed: here that would be their fault."""

LINK = "link"
"""The network between Airflow and the cluster: cut, so that connections are reset, or held, so that
nothing arrives."""


@dataclass(frozen=True)
class Fault:
    """`after` seconds after the one before `what` goes wrong, whether that is mended or not, and is
    mended `down` seconds later. `whole`: with all that it forked; of the link: cut, not held."""

    what: str
    whole: bool
    after: float
    down: float

    def __str__(self) -> str:
        if self.what == LINK:
            how = "cut" if self.whole else "held"
        elif self.what in AIRFLOW:
            how = "killed with its children" if self.whole else "killed"
        else:
            how = "restarted"
        return f"{self.what} {how} for {self.down:.1f} s, {self.after:.1f} s later"


_AT_ONCE = 0.25
"""How many come while others have hardly begun."""


def drawn(seed: int, count: int, peace: float) -> list[Fault]:
    """So many faults, each thing as often as every other; most are about `peace` seconds apart,
    some follow at once."""
    dice = random.Random(seed)
    kinds = [*AIRFLOW, *SERVERS, LINK]
    order: list[str] = []
    while len(order) < count:
        order += dice.sample(kinds, len(kinds))
    return [
        Fault(
            what=what,
            whole=dice.random() < 0.7,
            after=dice.uniform(*((0.0, 0.2) if dice.random() < _AT_ONCE else (0.2, 2.0))) * peace,
            down=dice.uniform(0.0, 5.0),
        )
        for what in order[:count]
    ]
