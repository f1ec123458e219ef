"""The form of the restore DAG: what to bring back, where, what becomes of what is there, and whose
word it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Param

from lifeboat.pipeline.opening import SAME_CLUSTER
from lifeboat.policy.recovery import APPROVALS
from lifeboat.ports.cluster import MOST_IN_FLIGHT
from lifeboat.restore.choice import PARTS
from lifeboat.restore.request import MODES

if TYPE_CHECKING:
    from lifeboat.restore.request import Written


def form(instances: Sequence[str], clusters: Sequence[str]) -> dict[str, Param]:
    """All fields, in the order that they are shown."""
    return {**_what(instances), **_which(), **_where(clusters), **_how()}


def written(params: Mapping[str, Any], asked_by: str) -> Written:
    """The filled-in form, but for instance and point."""
    from lifeboat.policy.folder import include_folder
    from lifeboat.restore.request import Written
    from lifeboat.restore.transforms.transforms import read_transform

    def text(name: str) -> str:
        return str(params[name] or "").strip()

    return Written(
        namespaces=_lines_of(params["namespaces"]),
        mapping=_lines_of(params["mapping"]),
        prefix=text("prefix"),
        suffix=text("suffix"),
        kinds=_lines_of(params["kinds"]),
        objects=_lines_of(params["objects"]),
        names=_lines_of(params["names"]),
        labels=text("labels"),
        claims=_lines_of(params["claims"]),
        part=text("part"),
        mode=text("mode"),
        mode_of=_lines_of(params["mode_of"]),
        status_of=_lines_of(params["status_of"]),
        volumes=bool(params["volumes"]),
        volumes_as=text("volumes_as"),
        from_vault=bool(params["from_vault"]),
        prune=bool(params["prune"]),
        scale_down=bool(params["scale_down"]),
        compare_all=bool(params["dry_run"]),
        try_creates=bool(params["try_creates"]),
        dry_run=bool(params["dry_run"]),
        in_flight=int(params["requests_in_flight"] or 0),
        transforms=[
            read_transform(include_folder(), name) for name in _lines_of(params["transforms"])
        ],
        approval=text("approval"),
        asked_by=asked_by,
    )


def _lines_of(value: Sequence[str] | None) -> tuple[str, ...]:
    """The form's lines without blanks."""
    return tuple(line.strip() for line in value or () if line.strip())


def _what(instances: Sequence[str]) -> dict[str, Param]:
    section = "What to bring back"
    return {
        "instance": Param(
            type="string",
            enum=list(instances),
            title="Instance",
            description="The policy and the cluster whose point is restored.",
            section=section,
        ),
        "point": Param(
            "latest",
            type="string",
            title="Point",
            description="`latest` is the newest complete one. `lifeboat points` lists the others.",
            section=section,
        ),
        "before": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Before",
            description="The newest complete point captured before this time: when you know since"
            " when things are broken. Leave `point` at `latest`.",
            section=section,
        ),
        "namespaces": _lines(
            "Namespaces", "One a line. Empty: every namespace of the point.", section
        ),
        "volumes": _switch(
            "Volumes",
            "Bring claims back with their data. Off: missing claims are made empty.",
            section,
            on=True,
        ),
        "from_vault": _switch(
            "Volumes from the vault",
            "Fill claims with the files that lie in the vault, even where a snapshot is there;"
            " without it only where none is.",
            section,
        ),
    }


def _which() -> dict[str, Param]:
    section = "Only a part of it"
    return {
        "kinds": _lines(
            "Kinds", "One a line, such as `configmaps` or `deployments.apps`. Empty: all.", section
        ),
        "objects": _lines("Objects", "One a line, such as `deployment/web`.", section),
        "names": _lines("Names", "One a line; `*` and `?` stand for characters.", section),
        "labels": _text("Labels", "A label selector, such as `app=web,tier!=db`.", section),
        "claims": _lines(
            "Claims",
            "Names of PersistentVolumeClaims, one a line. Only a claim that stands here is ever"
            " deleted to be made anew.",
            section,
        ),
        "part": Param(
            "all",
            type="string",
            enum=list(PARTS),
            values_display={
                "all": "all: objects, and claims with their data",
                "data": "data: swap the volumes of the claims above; workloads stand still",
                "resources": "resources: everything but claims",
            },
            title="Part",
            section=section,
        ),
        "volumes_as": _text(
            "Claims get new names",
            "A template such as `{name}-restored`: only claims, beside the live ones.",
            section,
        ),
    }


def _where(clusters: Sequence[str]) -> dict[str, Param]:
    section = "Where"
    return {
        "mapping": _lines(
            "Rename namespaces",
            "One FROM=TO a line, such as `shop=shop-copy`: restores beside what is there.",
            section,
        ),
        "prefix": _text("Prefix", "Before the names of all other namespaces.", section),
        "suffix": _text("Suffix", "After the names of all other namespaces.", section),
        "cluster": Param(
            SAME_CLUSTER,
            type="string",
            enum=[SAME_CLUSTER, *clusters],
            title="Cluster",
            description="`same` is the cluster that the point was captured from.",
            section=section,
        ),
    }


def _how() -> dict[str, Param]:
    section = "How"
    return {
        "mode": Param(
            "skip",
            type="string",
            enum=list(MODES),
            values_display={
                "skip": "skip: leave objects that exist as they are",
                "merge": "merge: update what can be; what only the live object has stays",
                "replace": "replace: make them equal to the point; made anew where it must be",
                "recreate": "recreate: delete them and make them anew",
                "fail": "fail: change nothing at all if one of them differs",
            },
            title="Objects that exist",
            description="What is missing is made either way. Claims keep their data unless they are"
            " named.",
            section=section,
        ),
        "mode_of": _lines("Kinds with another mode", "One a line: `configmaps=merge`.", section),
        "status_of": _lines(
            "Status of kinds",
            "One a line, such as `clusters.postgresql.cnpg.io`: kinds whose operator keeps state in"
            " `status`.",
            section,
        ),
        "prune": _switch(
            "Prune",
            "Delete objects of the selection that the point does not hold. The plan names them.",
            section,
        ),
        "scale_down": _switch(
            "Stand still", "Scale workloads to zero while they are changed.", section
        ),
        "approval": Param(
            APPROVALS[0],
            type="string",
            enum=list(APPROVALS),
            values_display={
                "none": "nobody, unless the policy says otherwise",
                "required": "a person",
                "second-person": "a person other than who triggered the run",
            },
            title="Who approves the plan",
            description="The run waits under Required Actions until somebody has looked at it.",
            section=section,
        ),
        "transforms": _lines(
            "Transforms",
            "Names of files in include/transforms, one a line: what is changed on the way"
            " (docs/transforms.md).",
            section,
        ),
        "try_creates": _switch(
            "Try what is new",
            "Try objects that are new by dry run, too: takes as long as making them.",
            section,
        ),
        "requests_in_flight": Param(
            0,
            type="integer",
            minimum=0,
            maximum=MOST_IN_FLIGHT,
            title="Requests in flight",
            description="How many may be open to the API server at once. 0: as the policy says.",
            section=section,
        ),
        "dry_run": _switch(
            "Dry run", "Only plan: the log of `plan` shows what would happen.", section
        ),
    }


def _lines(title: str, description: str, section: str) -> Param:
    return Param(
        [],
        type=["null", "array"],
        items={"type": "string"},
        title=title,
        description=description,
        section=section,
    )


def _text(title: str, description: str, section: str) -> Param:
    return Param("", type=["null", "string"], title=title, description=description, section=section)


def _switch(title: str, description: str, section: str, *, on: bool = False) -> Param:
    return Param(on, type="boolean", title=title, description=description, section=section)
