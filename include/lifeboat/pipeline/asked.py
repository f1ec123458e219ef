"""What a run was asked for: its conf has the keys of the DAG's form, and no others.

Airflow passes over a key that it does not know: a restore with `dryrun` would be a real one.
"""

from __future__ import annotations

from typing import Any

from lifeboat.errors import UsageError
from lifeboat.pipeline.opening import ERROR_KEY
from lifeboat.policy.problems import closest


def ensure_known(context: Any) -> None:
    """Before any task of a run does anything (`pre_execute`). Raises UsageError naming every key
    of the run's conf that is no param of its DAG, and the nearest one that is."""
    params = list(context["dag"].params)
    unknown = [key for key in context["dag_run"].conf or {} if key not in params]
    if not unknown:
        return
    found = " and ".join(f'"{key}"{closest(key, params)}' for key in unknown)
    error = UsageError(
        f"the run's conf has the unknown {'key' if len(unknown) == 1 else 'keys'} {found}, so"
        " nothing was done",
        hint=f"{context['dag'].dag_id} takes {', '.join(params) or 'none'}; trigger it again",
    )
    context["ti"].xcom_push(key=ERROR_KEY, value=error.message)
    raise error
