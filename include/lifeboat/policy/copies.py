"""The `copies` section of a policy: further vaults that every point goes to."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from lifeboat.policy.fields import Name, Strict, refuse
from lifeboat.policy.rules import Retention


class Copy(Strict):
    """Another vault that gets every point, after it was committed to the policy's own."""

    vault: Name = Field(
        description="The vault that keeps the copies, by its name in clusters.yaml. Made with"
        " `lifeboat vault init NAME --copy-of FIRST` and holds the same bytes (docs/copies.md).",
        examples=["offsite"],
    )
    retention: Retention | None = Field(
        default=None,
        description="How many points stay in this copy, and for how long its store keeps them from"
        " everybody (lock). Default: the policy's own retention.",
    )


def settled(
    copies: Iterable[Copy], vault: str, retention: Retention, *, scheduled: bool
) -> tuple[Copy, ...]:
    """The copies with their retention filled in from the policy's own.

    Raises a refusal for the policy's own vault, for a vault that stands there twice, and for an
    `onDemand` without a schedule.
    """
    filled: dict[str, Copy] = {}
    for index, copy in enumerate(copies):
        if copy.vault == vault:
            raise refuse(
                "another vault than the policy's own: a copy in the same place is none",
                found=repr(copy.vault),
                at=("copies", index, "vault"),
            )
        if copy.vault in filled:
            raise refuse(
                "each vault once",
                found=f"{copy.vault!r} a second time",
                at=("copies", index, "vault"),
            )
        rules = copy.retention or retention
        if rules.on_demand is not None and not scheduled:
            raise refuse(
                "no onDemand: without a schedule every point is made on demand",
                found=str(rules.on_demand),
                at=("copies", index, "retention", "onDemand"),
            )
        if not rules.timezone:
            rules = rules.model_copy(update={"timezone": retention.timezone})
        filled[copy.vault] = copy.model_copy(update={"retention": rules})
    return tuple(filled.values())
