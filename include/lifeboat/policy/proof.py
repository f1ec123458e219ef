"""The `testRestore` section of a policy: when points are proven, where, and by which checks."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from lifeboat.policy.checks import BUILT_IN, DEFAULT_CHECKS, Captured, Check, each_once
from lifeboat.policy.fields import Count, Duration, Strict, refuse
from lifeboat.policy.hooks import NAMESPACE
from lifeboat.policy.patterns import KindNames
from lifeboat.policy.schedule import Schedule

_CIDR = r"^[0-9A-Fa-f.:]+/[0-9]{1,3}$"
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?")

DNS = "dns"
SCRATCH = "scratch"
_OPEN: Any = [{"to": DNS}, {"to": SCRATCH}]
_OPENINGS: Any = [*_OPEN, {"egress": "10.20.0.5/32", "ports": [5432]}, {"ingress": "monitoring"}]
_SHOP = {"namespace": "shop"}
_DB = {**_SHOP, "labels": "app=db"}
_COUNT = ["psql", "-At", "-c", "select count(*) from orders"]
_CHECKS: Any = [
    *BUILT_IN,
    {"http": {**_SHOP, "service": "web", "port": 80}},
    {"tcp": {**_SHOP, "service": "db", "port": 5432}},
    {"exec": {**_DB, "command": ["pg_isready"]}},
    {"name": "no order is lost", "figure": {**_DB, "command": _COUNT}},
    {"file": {**_DB, "path": "/data/sentinel"}},
    {"sql": {**_SHOP, "image": "postgres:17", "command": ["psql", "-h", "db", "-At", "-c"],
             "secrets": ["db-login"], "query": "select count(*) from orders", "atLeast": 1}},
    {"job": {**_SHOP, "image": "registry.example.com/shop/tools:4", "args": ["verify"]}},
    {"python": {"call": "shop_checks.restored:orders_add_up"}},
    {"dag": {"dag": "verify_orders"}},
]  # fmt: skip


class Opening(Strict):
    """One exception from the network policy of scratch namespaces, which denies everything else."""

    to: str = Field(
        default="",
        pattern=rf"^({DNS}|{SCRATCH})?$",
        description="dns: pods may ask kube-system for names; scratch: pods of this test restore"
        " reach each other, in all its namespaces. Default none.",
        examples=[SCRATCH],
    )
    egress: str = Field(
        default="",
        pattern=rf"({_CIDR})|^$",
        description="Addresses that pods may reach, as a CIDR. Default none.",
        examples=["10.20.0.5/32"],
    )
    ingress: str = Field(
        default="",
        pattern=NAMESPACE[:-1] + r"$|^$",
        description="A namespace whose pods may reach the restored ones. Default none.",
        examples=["monitoring"],
    )
    ports: tuple[Count, ...] = Field(
        default=(),
        description="Only these TCP ports, with egress or ingress. Default none: every port.",
        examples=[[5432]],
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Opening:
        written = [n for n in ("to", "egress", "ingress") if getattr(self, n)]
        if len(written) != 1:
            raise refuse(
                "exactly one of to, egress, ingress", found=" and ".join(written) or "none of them"
            )
        if self.to and self.ports:
            raise refuse("no ports, which go with egress or ingress", at=("ports",), found="ports")
        return self


class TestRestore(Strict):
    """Restores a point into scratch namespaces, checks it, writes the verdict, and tears down."""

    __test__ = False  # not a test case, whatever its name suggests to pytest

    schedule: Schedule | None = Field(
        default=None, description="When it runs by itself. Default none: only when triggered."
    )
    every_points: Count = Field(
        default=0,
        ge=0,
        le=1000,
        description="Proves a point as soon as so many new ones stand since the last test restore:"
        " 1 is every point. Default 0: points start none.",
        examples=[7],
    )
    within: Duration | None = Field(
        default=None,
        description="A point of this instance has to be proven at least this often, a duration:"
        " short for what matters most. The DAG `drills` picks the instances that are due, a few a"
        " day, and `lifeboat coverage` names those that are late. Default none: no drill.",
        examples=["30d"],
    )
    checks: Annotated[tuple[Check, ...], AfterValidator(each_once)] = Field(
        default=DEFAULT_CHECKS,
        min_length=1,
        description=f"What must hold before the point counts as proven. Default the three words"
        f" {', '.join(BUILT_IN)}.",
        json_schema_extra=lambda schema: schema.update(
            {"default": list(BUILT_IN), "x-default": "the three words", "x-example": _CHECKS}
        ),
    )
    timeout: Duration = Field(
        default=timedelta(minutes=15),
        description="How long the restored workloads may take to become ready, a duration."
        " Default 15m.",
        examples=["15m"],
    )
    cluster: str = Field(
        default="",
        description="Another cluster of clusters.yaml to restore into. Default empty: beside the"
        " application, in its own cluster.",
        examples=["local"],
    )
    scale: int | None = Field(
        default=None,
        ge=0,
        le=1000,
        strict=True,
        description="The most replicas that a restored workload gets. Default none: as many as it"
        " had.",
        examples=[1],
    )
    node_selector: dict[str, str] = Field(
        default={},
        description="Labels of the nodes that restored pods are pinned to, beside what they ask for"
        " themselves. Default none.",
        examples=[{"pool": "drills"}],
    )
    quota: dict[str, str] = Field(
        default={},
        description="What each scratch namespace may use at most, as in the `hard` of a"
        " ResourceQuota. Load balancers and node ports are always 0. Default none.",
        examples=[{"pods": "50", "requests.cpu": "4", "requests.memory": "8Gi"}],
    )
    limits: dict[str, str] = Field(
        default={},
        description="What a container gets that asks for nothing, as request and limit, by a"
        " LimitRange. A quota on cpu or memory refuses pods without. Default none.",
        examples=[{"cpu": "250m", "memory": "256Mi"}],
    )
    allow: tuple[Opening, ...] = Field(
        default=(Opening(to=DNS), Opening(to=SCRATCH)),
        description="Exceptions from the network policy that denies everything else. `[]` denies"
        " all. Default dns, and pods of the test restore among themselves.",
        json_schema_extra=lambda schema: schema.update(
            {"default": _OPEN, "x-default": "to: dns and to: scratch", "x-example": _OPENINGS}
        ),
    )

    cluster_scoped: KindNames = Field(
        default=(),
        description="Kinds outside namespaces that come along, written as in select.kinds: what the"
        " cluster lacks of them is made, fenced to the scratch namespaces and marked, and removed"
        " again; what it has is never touched. Default none.",
        examples=[["customresourcedefinitions", "priorityclasses.scheduling.k8s.io"]],
    )

    @property
    def captured(self) -> dict[str, Captured]:
        """Checks whose command runs at every backup, by title."""
        return {
            check.title: check.custom for check in self.checks if isinstance(check.custom, Captured)
        }

    @model_validator(mode="after")
    def _labels_are_labels(self) -> TestRestore:
        for name in self.node_selector:
            if not _LABEL.fullmatch(name):
                raise refuse("the name of a label", found=repr(name), at=("nodeSelector",))
        return self
