"""The small types that policy and cluster files are made of: names, durations, references.

Form only: nothing here resolves a reference, reads a file or knows what a policy is. A refusal says
what would be right (`refuse`), and a value that could be a secret is never part of it.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

REFUSED = "lifeboat"
"""The pydantic error type of every refusal that `refuse` makes."""


class Strict(BaseModel):
    """Frozen, closed to unknown keys; camelCase in YAML, snake_case in Python.

    Python code builds models by field name; `lifeboat.policy.load` accepts the YAML names only.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
    )


def refuse(
    expected: str, *, found: str | None = None, at: tuple[str | int, ...] = ()
) -> PydanticCustomError:
    """The error that says what would be right.

    `found` replaces the value in the message (None: the value itself is shown), `at` is the path
    below the validated value that the problem lies at.
    """
    return PydanticCustomError(
        REFUSED, "{expected}", {"expected": expected, "found": found, "at": at}
    )


T = TypeVar("T")


def unique(items: tuple[T, ...]) -> tuple[T, ...]:
    """A validator of lists: refuses the second of two equal items."""
    for index, item in enumerate(items):
        if item in items[:index]:
            raise refuse("each item once", found=f"{item} twice", at=(index,))
    return items


_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise refuse(
            "1 to 40 of a-z, 0-9 and -, beginning and ending with a letter or digit (no dots: an"
            " instance is called <policy>.<cluster>)"
        )
    return name


Name = Annotated[
    str, AfterValidator(_check_name), Field(json_schema_extra={"pattern": f"^{_NAME.pattern}$"})
]
"""A DNS label (RFC 1123) of at most 40 characters: policies, clusters and vaults."""

_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile("".join(rf"(?:([0-9]+){unit})?" for unit in _UNITS))
_LONGEST = timedelta(days=3660)


def parse_duration(text: str) -> timedelta:
    """`90s`, `30m`, `4h30m`, `2d`, `1w`: whole numbers, each with its unit, largest unit first.

    Raises ValueError on anything else, on nothing at all and on more than ten years.
    """
    found = _DURATION.fullmatch(text)
    if not text or not found or len(text) > 40:
        raise ValueError("a duration such as 90s, 30m, 4h30m, 2d or 1w")
    seconds = sum(
        int(number) * size
        for number, size in zip(found.groups(), _UNITS.values(), strict=True)
        if number
    )
    if not 0 < seconds <= _LONGEST.total_seconds():
        raise ValueError("a duration longer than 0s and at most ten years")
    return timedelta(seconds=seconds)


def format_duration(duration: timedelta) -> str:
    """The inverse of `parse_duration`, days as the largest unit: `2d`, `4h30m`, `0s`."""
    rest = round(duration.total_seconds())
    words = []
    for unit, size in list(_UNITS.items())[1:]:
        count, rest = divmod(rest, size)
        if count:
            words.append(f"{count}{unit}")
    return "".join(words) or "0s"


def _duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        raise refuse(f"a unit behind it: {value}s, {value}m or {value}h")
    if not isinstance(value, str):
        raise refuse("a duration such as 90s, 30m, 4h30m, 2d or 1w")
    try:
        return parse_duration(value)
    except ValueError as error:
        raise refuse(str(error)) from None


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^(?=.)" + "".join(f"([0-9]+{unit})?" for unit in _UNITS) + "$",
            "title": "duration",
        }
    ),
]
"""A length of time, written like `4h30m`; whole seconds."""

Criticality = Literal["low", "normal", "high", "critical"]
CRITICALITIES: tuple[Criticality, ...] = ("low", "normal", "high", "critical")
"""In rising order."""

Count = Annotated[int, Field(strict=True)]
Switch = Annotated[bool, Field(strict=True)]

_ENV = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*")
_CONNECTION = re.compile(r"[A-Za-z0-9_.-]+")
_KEY_VAULT_KEY = re.compile(
    r"azurekv:(?P<url>https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/keys/[A-Za-z0-9-]{1,127})"
    r"(?:/(?P<version>[0-9a-f]{32}))?"
)
HIDDEN = "a value that is not shown here"


def is_env(text: str) -> bool:
    """Whether `text` names an environment variable: `env:NAME`."""
    return _ENV.fullmatch(text) is not None


def is_path(text: str) -> bool:
    """Whether `text` is one line that begins like an absolute path or a path in the home folder."""
    return text.startswith(("/", "~/")) and text.isprintable()


def _check_secret_ref(text: str) -> str:
    scheme, _, rest = text.partition(":")
    good = {
        "env": is_env(text),
        "file": rest.startswith("/") and rest.isprintable(),
        "connection": _CONNECTION.fullmatch(rest) is not None,
    }
    if not good.get(scheme, False):
        raise refuse(
            "the place of the secret, never the secret: env:NAME, file:/absolute/path or"
            " connection:<Airflow connection id>",
            found=HIDDEN,
        )
    return text


SecretRef = Annotated[str, AfterValidator(_check_secret_ref)]
"""Where a secret lies (`env:NAME`, `file:/path`, `connection:id`); never the secret."""


def key_vault_key(text: str) -> tuple[str, str] | None:
    """The url and version ("" for the newest) of `azurekv:https://…/keys/NAME[/VERSION]`; None for
    any other text."""
    found = _KEY_VAULT_KEY.fullmatch(text)
    return (found["url"], found["version"] or "") if found else None


def _check_key_ref(text: str) -> str:
    if text.startswith("azurekv:"):
        if key_vault_key(text) is None:
            raise refuse(
                "azurekv:https://NAME.vault.azure.net/keys/KEY, with or without /VERSION",
                found=HIDDEN,
            )
        return text
    return _check_secret_ref(text)


KeyRef = Annotated[str, AfterValidator(_check_key_ref)]
"""A SecretRef, or the id of a key that Azure Key Vault keeps, which is no secret."""


def _check_kubeconfig(text: str) -> str:
    if not (is_env(text) or is_path(text)):
        raise refuse(
            "the place of a kubeconfig, not its content: an absolute path (or ~/path), or env:NAME",
            found=HIDDEN,
        )
    return text


Kubeconfig = Annotated[str, AfterValidator(_check_kubeconfig)]
"""`env:NAME` or a path to a kubeconfig file."""


def _check_folder(text: str) -> str:
    if not (is_env(text) or is_path(text)):
        raise refuse("an absolute path (or ~/path), or env:NAME")
    return text


Folder = Annotated[str, AfterValidator(_check_folder)]
"""`env:NAME` or a path to a folder."""


def _check_connection(text: str) -> str:
    if not _CONNECTION.fullmatch(text):
        raise refuse("an Airflow connection id: letters, digits, _ . and -", found=HIDDEN)
    return text


ConnectionId = Annotated[str, AfterValidator(_check_connection)]
"""The id of an Airflow connection."""

_AZURE = re.compile(
    r"azure://(?P<account>[a-z0-9]{3,24})/(?P<container>[a-z0-9](?:-?[a-z0-9]){2,62})"
    r"(?:/(?P<prefix>[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*))?"
)
_S3 = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])"
    r"(?:/(?P<prefix>[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*))?"
)


def _check_vault_url(text: str) -> str:
    file_path = text.removeprefix("file://")
    good_file = file_path != text and file_path.startswith("/") and file_path.isprintable()
    if not (is_env(text) or good_file or _AZURE.fullmatch(text) or _S3.fullmatch(text)):
        scheme = text.partition("://")[0] if "://" in text else ""
        raise refuse(
            "file:///absolute/path, azure://account/container[/prefix], s3://bucket[/prefix] (no"
            " signature, no key), or env:NAME",
            found=f"a URL of the scheme {scheme!r}" if scheme.isalnum() else HIDDEN,
        )
    return text


VaultUrl = Annotated[str, AfterValidator(_check_vault_url)]
"""Where a vault lies."""

_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._-]+)*/?")


def _check_endpoint(text: str) -> str:
    if not (is_env(text) or _ENDPOINT.fullmatch(text)):
        raise refuse(
            "https://host[:port][/path] (no credential, no signature), or env:NAME", found=HIDDEN
        )
    return text


Endpoint = Annotated[str, AfterValidator(_check_endpoint)]
"""The URL of a storage service, or `env:NAME`."""


EntraIdentity = Literal["default", "workload-identity", "managed-identity"]
"""Which Entra identity asks Azure; `default` is the first that the Azure SDK finds."""


def refuse_stray_client_id(client_id: str, identity: EntraIdentity) -> None:
    """A client id says which of several identities, and means nothing to `default`."""
    if client_id and identity == "default":
        raise refuse(
            "no clientId, which goes with identity: workload-identity or managed-identity",
            found="a client id",
            at=("clientId",),
        )
