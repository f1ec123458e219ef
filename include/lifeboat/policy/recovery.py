"""What a policy asks of restores."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lifeboat.policy.fields import Strict

Approval = Literal["none", "required", "second-person"]
APPROVALS: tuple[Approval, ...] = ("none", "required", "second-person")


class Recovery(Strict):
    """How points may be restored."""

    approval: Approval = Field(
        default="none",
        description="Who must approve a restore's plan before anything is changed: none (nobody),"
        " required (a person sees the plan and approves it; whoever asked for it may),"
        " second-person (somebody other than who asked for it). A form or a command may ask for"
        " more, never for less. Test restores need none. Default none.",
        examples=["required"],
    )


def stricter(one: Approval, other: Approval) -> Approval:
    """The one of two that asks for more."""
    return max(one, other, key=APPROVALS.index)
