"""Who ran a task, where the workers of several would-be machines share this one.

Airflow calls it for every task (`[core] hostname_callable`), so nothing else is imported here.
"""

from __future__ import annotations

import os

WORKER = "LIFEBOAT_WORKER"


def worker_name() -> str:
    """What the environment says; the name of no worker but `local` elsewhere."""
    return os.environ.get(WORKER, "local")
