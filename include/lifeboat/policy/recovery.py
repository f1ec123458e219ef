"""What a policy asks of restores."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lifeboat.policy.fields import Strict, refuse
from lifeboat.policy.patterns import Globs, KindNames, check_one_kind
from lifeboat.ports.cluster import MOST_IN_FLIGHT

Approval = Literal["none", "required", "second-person"]
APPROVALS: tuple[Approval, ...] = ("none", "required", "second-person")

KindName = Annotated[str, AfterValidator(check_one_kind)]


class Precedence(Strict):
    """Two kinds of which one comes first. It adds to the order that every restore keeps
    (docs/restore.md): the second kind comes later, if need be; the first one never earlier."""

    first: KindName = Field(
        description="The kind that comes first, written as in select.kinds.",
        examples=["issuers.cert-manager.io"],
    )
    then: KindName = Field(
        description="The kind that waits until every object of the first one is there.",
        examples=["certificates.cert-manager.io"],
    )


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
    status_kinds: KindNames = Field(
        default=(),
        description="Kinds whose status is restored as it was captured, because their operator"
        " keeps state in it. Default none: controllers work it out anew.",
        examples=[["clusters.postgresql.cnpg.io"]],
    )
    order: tuple[Precedence, ...] = Field(
        default=(),
        description="Kinds of which one is to come before another, beyond the order that every"
        " restore keeps. Default none.",
        examples=[[{"first": "issuers.cert-manager.io", "then": "certificates.cert-manager.io"}]],
    )
    operators: Globs = Field(
        default=(),
        description="Namespaces, as they were captured, whose restored workloads are to be ready"
        " before custom resources are restored: their operators run there. After five minutes the"
        " restore goes on and its report says so. Default none.",
        examples=[["cert-manager", "*-operator"]],
    )

    requests_in_flight: int = Field(
        default=32,
        ge=1,
        le=MOST_IN_FLIGHT,
        description="How many requests a restore may have open to the API server at once, 1 to 128:"
        " dry runs while it is planned, changes while it is applied. A form or a command may ask"
        " for another number. Default 32: more made no restore faster where it was measured.",
        examples=[16],
    )

    @model_validator(mode="after")
    def _no_circle(self) -> Recovery:
        circle = circle_in((pair.first.lower(), pair.then.lower()) for pair in self.order)
        if circle:
            raise refuse(
                "pairs of which none waits for itself", found=" → ".join(circle), at=("order",)
            )
        return self


def circle_in(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """The names of a circle, the first one again at its end; empty when there is none."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for first, then in pairs:
        if first == then:
            return [first, then]
        sorter.add(then, first)
    try:
        sorter.prepare()
    except CycleError as error:
        circle = error.args[1][1:]
        begin = circle.index(min(circle))  # the same circle reads the same each time
        return [*circle[begin:], *circle[: begin + 1]]
    return []


def stricter(one: Approval, other: Approval) -> Approval:
    """The one of two that asks for more."""
    return max(one, other, key=APPROVALS.index)
