"""Who is told of what: `include/alerts.yaml`. Form only; `lifeboat.report.concerns` says when."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lifeboat.policy.fields import (
    CRITICALITIES,
    ConnectionId,
    Criticality,
    Duration,
    Name,
    SecretRef,
    Strict,
    refuse,
    unique,
)
from lifeboat.policy.instance import Instance

ConcernKind = Literal[
    "late", "failing", "unproven", "slow", "damaged", "snapshots", "behind", "unreadable"
]


class Email(Strict):
    """Messages by SMTP."""

    to: Annotated[tuple[str, ...], AfterValidator(unique)] = Field(
        min_length=1,
        description="The addresses that get every message.",
        examples=[["ops@example.com"]],
    )
    sender: str = Field(
        default="",
        description="The address that messages come from. Default empty: what the connection says"
        " (`from_email`).",
        examples=["lifeboat@example.com"],
    )
    connection: ConnectionId = Field(
        default="smtp_default", description="The Airflow connection of type smtp."
    )


class Receiver(Strict):
    """Somebody who is told, by exactly one of `slack`, `webhook`, `email`."""

    name: Name = Field(
        description="What the receiver is called: 1 to 40 of a-z, 0-9 and -. Who gets another name"
        " is told anew of everything that is wrong.",
        examples=["ops"],
    )
    slack: SecretRef | None = Field(
        default=None,
        description="Where the address of an incoming webhook of Slack lies, which is a secret:"
        " env:NAME, file:/absolute/path or connection:<id> (its password).",
        examples=["connection:slack_ops"],
    )
    webhook: SecretRef | None = Field(
        default=None,
        description="Where the address lies that gets a POST with JSON (docs/alerts.md), as for"
        " `slack`.",
    )
    email: Email | None = Field(default=None, description="Messages by SMTP.")
    about: tuple[ConcernKind, ...] = Field(
        default=(),
        description="Which concerns (docs/alerts.md). Default none written: all.",
        examples=[["late", "damaged"]],
    )
    criticality: Criticality = Field(
        default="low",
        description="Only of policies that are at least as critical. Default low: of all.",
        examples=["high"],
    )
    labels: dict[str, str] = Field(
        default_factory=dict,
        description="Only of clusters that have all these labels in clusters.yaml. Default none: of"
        " all.",
        examples=[{"environment": "production"}],
    )

    @model_validator(mode="after")
    def _one_way(self) -> Receiver:
        ways = {"slack": self.slack, "webhook": self.webhook, "email": self.email}
        chosen = [way for way, value in ways.items() if value is not None]
        if len(chosen) != 1:
            raise refuse(
                "exactly one of slack, webhook and email",
                found=" and ".join(chosen) or "none of them",
            )
        return self

    def hears(self, kind: ConcernKind) -> bool:
        """Whether this concern, of whatever it is, is told to this receiver."""
        return not self.about or kind in self.about

    def wants(self, instance: Instance, kind: ConcernKind) -> bool:
        """Whether this concern of this instance is told to this receiver."""
        policy, labels = instance.policy, instance.cluster.labels
        return (
            self.hears(kind)
            and CRITICALITIES.index(policy.criticality) >= CRITICALITIES.index(self.criticality)
            and all(labels.get(name) == value for name, value in self.labels.items())
        )


class AlertsFile(Strict):
    """The whole of alerts.yaml."""

    failures: Annotated[int, Field(strict=True, ge=1)] = Field(
        default=3,
        description="After how many backups in a row without a complete point an instance is"
        " `failing`. Default 3: one failure that the next run makes good wakes nobody.",
    )
    unproven_after: Duration = Field(
        default=timedelta(days=31),
        description="How long after its last proof an instance with testRestore is `unproven`,"
        " where its testRestore.within does not say it. Default 31d.",
        examples=["8d"],
    )
    snapshots: Annotated[int, Field(strict=True, ge=1)] = Field(
        default=400,
        description="From how many points with snapshots on an instance nears the limit of Azure,"
        " 500 snapshots of a disk. Default 400.",
    )
    receivers: tuple[Receiver, ...] = Field(
        default=(), description="Who is told. Default none: nobody."
    )

    @model_validator(mode="after")
    def _names_are_unique(self) -> AlertsFile:
        names = [receiver.name for receiver in self.receivers]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise refuse(
                    "a name of its own; an earlier receiver has this one",
                    found=repr(name),
                    at=("receivers", index, "name"),
                )
        return self
