"""Whose word a failover or failback needs, where Airflow runs it."""

from __future__ import annotations

from lifeboat.errors import NotApproved
from lifeboat.standby.sides import Sides


def ensure_answerable(sides: Sides, asked_by: str) -> None:
    """Raises NotApproved when nobody could ever agree: a second person is wanted, and there is no
    first."""
    if sides.wanted.approval == "second-person" and not asked_by:
        raise NotApproved(
            f"{sides.title} needs a second person, and nobody knows who asked for this",
            hint="trigger it with an account of your own, not from a DAG that nobody triggered",
        )


def ensure_may_agree(sides: Sides, asked_by: str, who: str) -> None:
    """Raises NotApproved when a second person must agree and `who` is not."""
    if sides.wanted.approval != "second-person":
        return
    ensure_answerable(sides, asked_by)
    if who in ("", asked_by):
        raise NotApproved(
            f"it was asked for by {asked_by}, who may not agree to it alone",
            hint="a second person, with an account of their own, must look at it",
        )
