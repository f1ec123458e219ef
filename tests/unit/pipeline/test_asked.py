"""A run that is asked for something unknown does nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from lifeboat.errors import UsageError
from lifeboat.pipeline.asked import ensure_known
from lifeboat.pipeline.frame import task_defaults


def context(conf: Any, **params: Any) -> dict[str, Any]:
    dag = SimpleNamespace(dag_id="restore", params=params)
    return {"dag": dag, "dag_run": SimpleNamespace(conf=conf), "ti": Mock()}


def test_a_misspelt_key_is_refused_and_the_nearest_one_named() -> None:
    asked = context({"instance": "shop.local", "dryrun": True}, instance="", dry_run=False)
    with pytest.raises(UsageError, match=r'"dryrun" .did you mean "dry_run"') as caught:
        ensure_known(asked)
    assert "restore takes instance, dry_run" in caught.value.hint
    assert not caught.value.retryable
    assert asked["ti"].xcom_push.call_args.kwargs["value"] == caught.value.message


@pytest.mark.parametrize("conf", [None, {}, {"dry_run": True}])
def test_what_the_form_has_is_let_through(conf: Any) -> None:
    ensure_known(context(conf, dry_run=False))


def test_a_dag_without_a_form_takes_nothing() -> None:
    with pytest.raises(UsageError, match="zzz"):
        ensure_known(context({"zzz": 1}))


def test_every_task_of_every_dag_asks_first() -> None:
    assert task_defaults(1)["pre_execute"] is ensure_known
