"""The checks of a test restore: what must hold before a point counts as proven.

Namespaces are those of the application; a check runs in the scratch namespace that stands for it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import (
    AfterValidator,
    Field,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from lifeboat.policy.fields import ConnectionId, Count, Duration, Strict, refuse, unique
from lifeboat.policy.hooks import (
    NAMESPACE,
    ContainerName,
    JobAccount,
    JobSecrets,
    PodLabels,
)

BuiltIn = Literal["workloadsReady", "objectsComplete", "volumeBytesEqual"]
BUILT_IN: tuple[BuiltIn, ...] = get_args(BuiltIn)

PROBE_IMAGE = "busybox:1.37"
"""Has `wget` and `nc`; whoever mirrors images names their own."""

FIGURE_COMMAND_HINT = "prints one number and nothing else"


class _Timed(Strict):
    timeout: Duration = Field(
        default=timedelta(minutes=2),
        description="How long it may take, a duration; of a Job the pull of its image included."
        " Default 2m.",
        examples=["5m"],
    )

    @property
    def seconds(self) -> float:
        return self.timeout.total_seconds()


class _There(_Timed):
    namespace: str = Field(
        pattern=NAMESPACE,
        description="The application's namespace; the check runs in its scratch namespace.",
        examples=["shop"],
    )


class _Probe(_There):
    service: str = Field(
        pattern=NAMESPACE,
        description="The Service that is asked, of that namespace.",
        examples=["web"],
    )
    port: Count = Field(
        ge=1, le=65535, description="The Service's port, 1 to 65535.", examples=[80]
    )
    image: str = Field(
        default=PROBE_IMAGE,
        min_length=1,
        description="The image of the Job that asks: it needs busybox's `wget` and `nc`. Default"
        f" {PROBE_IMAGE}.",
        examples=["registry.example.com/busybox:1.37"],
    )


class HttpCheck(_Probe):
    """A Job in the scratch namespace asks a Service; the status of the last answer counts, after
    redirects."""

    scheme: Literal["http", "https"] = Field(
        default="http",
        description="http or https, whose certificate is not checked: it is for another"
        " name. Default http.",
    )
    path: str = Field(
        default="/",
        pattern=r"^/[!-~]*$",
        description="What is asked for. Write no secret here. Default /.",
        examples=["/healthz"],
    )
    expect: Annotated[tuple[Count, ...], AfterValidator(unique)] = Field(
        default=(200,),
        min_length=1,
        description="The statuses that pass. Default 200.",
        examples=[[200, 204]],
    )
    contains: str = Field(
        default="",
        description="Text that the answer must hold, near its end. Default empty: any.",
        examples=["ok"],
    )

    @property
    def title(self) -> str:
        return f"{self.scheme} {self.namespace}/{self.service}:{self.port}{self.path}"


class TcpCheck(_Probe):
    """A Job in the scratch namespace opens a connection to a Service."""

    @property
    def title(self) -> str:
        return f"tcp {self.namespace}/{self.service}:{self.port}"


class _InPods(_There):
    labels: PodLabels = ""
    container: ContainerName = ""


class ExecCheck(_InPods):
    """A command in every matching pod: it passes with exit code 0."""

    command: tuple[str, ...] = Field(
        min_length=1,
        description="The program and its arguments, as a list: no shell reads them. Write no secret"
        " here; the container has its own.",
        examples=[["pg_isready", "-q"]],
    )
    contains: str = Field(
        default="",
        description="Text that its output must hold, in the last 4 KiB. Default empty: any.",
        examples=["accepting"],
    )

    @property
    def title(self) -> str:
        return f"exec {self.namespace} {self.command[0]}"


class FigureCheck(_InPods):
    """A number that a command prints, such as a count of rows: captured with every backup, when all
    is stilled and before the snapshots are cut, and compared at the test restore. It runs in the
    first matching pod, by name."""

    command: tuple[str, ...] = Field(
        min_length=1,
        description=f"A command that {FIGURE_COMMAND_HINT}. Write no secret here.",
        examples=[["psql", "-At", "-c", "select count(*) from orders"]],
    )
    tolerance: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="By how many percent of the captured number the restored one may differ, 0 to"
        " 100: writers that no hook stills go on between the count and the cut. Default 0.",
        examples=[0.5],
    )

    @property
    def title(self) -> str:
        return f"figure {self.namespace} {self.command[0]}"


class FileCheck(_InPods):
    """A sentinel file: its SHA-256 is captured with every backup, by `sha256sum` in the container,
    and compared at the test restore. It runs in the first matching pod, by name."""

    path: str = Field(
        pattern=r"^/[ -~]+$",
        description="The file's absolute path in the container: one that nobody writes while"
        " snapshots are cut.",
        examples=["/data/sentinel"],
    )

    @property
    def title(self) -> str:
        return f"file {self.namespace} {self.path}"


class _Runs(_There):
    image: str = Field(
        min_length=1,
        description="The image to run.",
        examples=["registry.example.com/shop/tools:4"],
    )
    service_account: JobAccount = ""
    secrets: JobSecrets = ()


class JobCheck(_Runs):
    """A Job with an image of yours in the scratch namespace: it passes when its container ends with
    exit code 0. It is not tried again."""

    command: tuple[str, ...] = Field(
        default=(),
        description="What runs instead of the image's entrypoint, as a list. Default none.",
        examples=[["/bin/orders", "verify"]],
    )
    args: tuple[str, ...] = Field(
        default=(), description="Arguments instead of the image's own. Default none."
    )

    @property
    def title(self) -> str:
        return f"job {self.namespace} {self.image}"


class SqlCheck(_Runs):
    """A query through a Job with a database client of yours: the last line that it prints is
    compared."""

    command: tuple[str, ...] = Field(
        min_length=1,
        description="The client and its arguments; the query is put behind them.",
        examples=[["psql", "-h", "db", "-U", "shop", "-At", "-c"]],
    )
    query: str = Field(
        min_length=1,
        description="The query. Write no secret here.",
        examples=["select count(*) from orders"],
    )
    expect: str | None = Field(
        default=None,
        description="The last line it must print, as text. Default none: atLeast or atMost say.",
        examples=["42"],
    )
    at_least: float | None = Field(
        default=None,
        description="The least that the number on the last line may be. Default none.",
        examples=[1],
    )
    at_most: float | None = Field(
        default=None,
        description="The most that the number on the last line may be. Default none.",
        examples=[100000],
    )

    @property
    def title(self) -> str:
        words = " ".join(self.query.split())
        return f"sql {self.namespace} {words if len(words) <= 40 else words[:39] + '…'}"

    @model_validator(mode="after")
    def _expects_something(self) -> SqlCheck:
        if self.expect is None and self.at_least is None and self.at_most is None:
            raise refuse("expect, atLeast or atMost", found="none of them")
        return self


class PythonCheck(_Timed):
    """A function of yours, called in Lifeboat's own process with a `lifeboat.proof.facade.Scratch`.
    It passes unless it raises; text that it returns is shown."""

    call: str = Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        description="The function, written package.module:function, as workers import it.",
        examples=["shop_checks.restored:orders_add_up"],
    )

    @property
    def title(self) -> str:
        return f"python {self.call}"


class DagCheck(_Timed):
    """Any DAG of this Airflow: it is triggered with the point and the scratch namespaces in its
    conf, and passes when its run succeeds."""

    dag: str = Field(
        pattern=r"^[A-Za-z0-9_.-]{1,250}$",
        description="The DAG's id. Its run gets `instance`, `point`, `test` and `namespaces` (from"
        " the application's to the scratch ones) as conf.",
        examples=["verify_orders"],
    )
    connection: ConnectionId = Field(
        default="lifeboat_airflow",
        description="The Airflow connection (type http) of Airflow's own REST API, of a user who"
        " may trigger this DAG. Default lifeboat_airflow.",
    )
    timeout: Duration = Field(
        default=timedelta(minutes=15),
        description="How long its run may take, a duration. Default 15m.",
        examples=["30m"],
    )

    @property
    def title(self) -> str:
        return f"dag {self.dag}"


Custom = (
    HttpCheck
    | TcpCheck
    | ExecCheck
    | SqlCheck
    | JobCheck
    | FigureCheck
    | FileCheck
    | PythonCheck
    | DagCheck
)
Captured = FigureCheck | FileCheck
"""Checks whose command runs at the backup, too."""

_KINDS = ("builtin", "http", "tcp", "exec", "sql", "job", "figure", "file", "python", "dag")


class Check(Strict):
    """One check. The bare words workloadsReady, objectsComplete and volumeBytesEqual are checks of
    Lifeboat's own: `- workloadsReady` is `- {builtin: workloadsReady}`."""

    name: str = Field(
        default="",
        pattern=r"^[ -~]{0,80}$",
        description="What verdicts call it, unique in the policy; what was captured for it is found"
        " by this name. Default empty: made of what it does.",
        examples=["orders are all there"],
    )
    builtin: BuiltIn | None = Field(
        default=None,
        description="workloadsReady (pods come up), objectsComplete (every object of the point is"
        " there), volumeBytesEqual (volume bytes equal the snapshot's; needs the cluster's"
        " volumeReader). Default none.",
    )
    http: HttpCheck | None = Field(default=None, description="A request. Default none.")
    tcp: TcpCheck | None = Field(default=None, description="A connection. Default none.")
    exec_: ExecCheck | None = Field(
        default=None, alias="exec", description="A command in pods. Default none."
    )
    sql: SqlCheck | None = Field(default=None, description="A query. Default none.")
    job: JobCheck | None = Field(default=None, description="An image of yours. Default none.")
    figure: FigureCheck | None = Field(
        default=None, description="A number that was captured. Default none."
    )
    file: FileCheck | None = Field(
        default=None, description="A file whose digest was captured. Default none."
    )
    python: PythonCheck | None = Field(default=None, description="A function. Default none.")
    dag: DagCheck | None = Field(default=None, description="Another DAG. Default none.")

    @model_validator(mode="before")
    @classmethod
    def _bare_word(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value not in BUILT_IN:
            raise refuse(
                f"one of {', '.join(BUILT_IN)}, or a section: {', '.join(_KINDS[1:])}",
                found=repr(value),
            )
        return {"builtin": value}

    @model_validator(mode="after")
    def _one_kind(self) -> Check:
        written = [name for name in _KINDS if self._of(name) is not None]
        if len(written) != 1:
            raise refuse(
                f"exactly one of {', '.join(_KINDS)}", found=" and ".join(written) or "none of them"
            )
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Editors offer the bare words, too."""
        section = handler.resolve_ref_schema(handler(core_schema))
        words = {"type": "string", "enum": list(BUILT_IN)}
        about = {key: section[key] for key in ("title", "description")}
        return {**about, "anyOf": [words, section]}

    @property
    def custom(self) -> Custom | None:
        """What is written in its section; None for one of Lifeboat's own."""
        found = (self._of(name) for name in _KINDS[1:])
        return next((cast("Custom", one) for one in found if one is not None), None)

    @property
    def title(self) -> str:
        """What verdicts call it."""
        custom = self.custom
        return self.name or (custom.title if custom else str(self.builtin))

    def _of(self, kind: str) -> Any:
        return getattr(self, "exec_" if kind == "exec" else kind)


DEFAULT_CHECKS = tuple(Check(builtin=word) for word in BUILT_IN)


def each_once(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """A validator: refuses two checks that verdicts would call the same."""
    titles = [check.title for check in checks]
    for index, title in enumerate(titles):
        if title in titles[:index]:
            raise refuse("each check once, or names for them", found=f"{title} twice", at=(index,))
    return checks
