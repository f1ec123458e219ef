"""What happens to an object that exists: every mode against every answer of the server."""

from __future__ import annotations

import pytest

from lifeboat.restore.model import Action, Mode
from lifeboat.restore.modes import Trial, decide, may_delete, mode_for, untried
from tests.support.kinds import (
    CLAIM,
    CLUSTER_ROLE,
    CONFIG_MAP,
    CRD,
    DEPLOYMENT,
    NAMESPACE,
    SERVICE_ACCOUNT,
)

EQUAL, DIFFERS = Trial(), Trial(("data.a: 1 → 2",))
FIXED = Trial(refused="field is immutable")
LOST = Trial(refused="field is immutable", remake_refused="not allowed any more")


@pytest.mark.parametrize(
    ("mode", "equal", "differs", "fixed", "lost"),
    [
        ("merge", "skip", "merge", "conflict", "conflict"),
        ("replace", "skip", "replace", "recreate", "conflict"),
        ("recreate", "recreate", "recreate", "recreate", "conflict"),
        ("fail", "skip", "conflict", "conflict", "conflict"),
    ],
)
def test_the_table_of_modes(
    mode: Mode, equal: Action, differs: Action, fixed: Action, lost: Action
) -> None:
    wanted = (equal, differs, fixed, lost)
    assert tuple(decide(mode, t, "")[0] for t in (EQUAL, DIFFERS, FIXED, LOST)) == wanted


def test_what_may_not_be_deleted_is_a_conflict_that_says_both_reasons() -> None:
    action, reason = decide("replace", FIXED, "its data would be lost")
    assert action == "conflict"
    assert reason == "field is immutable; it is not deleted: its data would be lost"
    assert decide("replace", DIFFERS, "its data would be lost")[0] == "replace"
    assert decide("recreate", EQUAL, "its data would be lost")[0] == "conflict"


def test_what_could_not_be_made_again_is_not_deleted() -> None:
    action, reason = decide("recreate", LOST, "")
    assert (action, reason) == (
        "conflict",
        "exists; deleted, it could not be made anew: not allowed any more",
    )


def test_service_accounts_are_merged_and_named_kinds_win() -> None:
    of: dict[str, Mode] = {"configmaps": "merge", "serviceaccounts": "recreate"}
    assert mode_for(CONFIG_MAP, "fail", of) == "merge"
    assert mode_for(DEPLOYMENT, "fail", of) == "fail"
    assert mode_for(SERVICE_ACCOUNT, "recreate", of) == "merge"


def test_cluster_scoped_objects_are_changed_only_when_their_kind_is_named() -> None:
    assert mode_for(CLUSTER_ROLE, "recreate", {}) is None
    assert mode_for(CLUSTER_ROLE, "skip", {"clusterroles": "replace"}) == "replace"
    assert "cluster-scoped" in untried(CLUSTER_ROLE, None, swap=False)


def test_a_live_claim_is_deleted_only_by_name() -> None:
    assert may_delete(CLAIM, swap=False)
    assert may_delete(CLAIM, swap=True) == ""
    for mode in ("skip", "merge", "replace", "recreate"):
        assert "data of a live claim" in untried(CLAIM, mode, swap=False)
    assert untried(CLAIM, "recreate", swap=True) == ""
    assert untried(CLAIM, "replace", swap=True)
    assert untried(CLAIM, "fail", swap=False) == ""


@pytest.mark.parametrize("kind", [NAMESPACE, CRD, SERVICE_ACCOUNT])
def test_some_kinds_are_never_deleted(kind: object) -> None:
    assert may_delete(kind, swap=True)  # type: ignore[arg-type]
