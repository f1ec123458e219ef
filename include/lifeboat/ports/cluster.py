"""What Lifeboat needs of a Kubernetes API server.

Objects travel as bytes where nobody has to look inside (`RawObject`), as plain dicts where somebody
does. Guarantees every adapter keeps (tests/contract/test_cluster.py):
- `discover` returns every kind that can be served now; a group whose APIService is down becomes an
  entry in `failures` and does not hide the others.
- `list_pages` streams: at most one page is held. All pages are of one resourceVersion, or the
  iterator raises `Expired`, and the caller lists this kind anew.
- 429 is obeyed inside (Retry-After) up to the adapter's patience, then raised as `Throttled`.
- errors: ClusterUnreachable, Unauthorized, Forbidden, NotFound, AlreadyExists, Conflict, Invalid,
  Throttled, Expired, WebhookUnreachable. Messages carry the server's own reason, never a token or
  a Secret's data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:  # whoever loads policies knows kinds, and decodes nothing
    from lifeboat.ports.fields import FieldsPage

Json = dict[str, Any]
PatchType = Literal["merge", "json", "strategic", "apply"]
Propagation = Literal["Background", "Foreground", "Orphan"]
MOST_IN_FLIGHT = 128
"""Requests that an adapter has open at once; more wait inside."""


@dataclass(frozen=True, order=True)
class Kind:
    """One served resource, at the version the API server prefers.

    `group` is "" for the core group; `versions` are all served versions, preferred first.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    verbs: tuple[str, ...] = ()
    short_names: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_kind(self) -> str:
        """`Deployment.apps`, `Pod`: how Kubernetes prints a kind without its version."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def resource(self) -> str:
        """`deployments.apps`, `pods`: how RBAC and kubectl name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


@dataclass(frozen=True)
class Discovery:
    """What an API server serves. `failures` maps a group/version to the reason it is missing."""

    kinds: tuple[Kind, ...]
    failures: Mapping[str, str]
    server_version: str


@dataclass(frozen=True)
class Page:
    """One page of a list: objects as raw JSON, without apiVersion and kind for built-in types.

    `remaining` is the server's estimate of what is still to come (None when it gives none).
    """

    items: tuple[bytes, ...]
    resource_version: str
    remaining: int | None


class Cluster(Protocol):
    """One API server with one credential. Safe to use from several threads."""

    def describe(self) -> str:
        """The server's address and the credential's kind, without the credential."""
        ...

    def discover(self) -> Discovery: ...

    def list_pages(
        self,
        kind: Kind,
        *,
        namespace: str | None = None,
        label_selector: str = "",
        limit: int = 0,
    ) -> Iterator[Page]:
        """Every object of `kind`, in one namespace or in all.

        At most `limit` objects a page; 0 lets the adapter choose, by the size of the objects.
        """
        ...

    def list_fields(self, kind: Kind, *, namespace: str | None = None) -> Iterator[FieldsPage]:
        """`list_pages` for who wants all of each object: a page is gone through only once."""
        ...

    def deprecation(self, kind: Kind) -> str:
        """What the API server warns of when this version is listed: empty while it is to stay."""
        ...

    def get(self, kind: Kind, namespace: str | None, name: str) -> Json: ...

    def create(
        self, kind: Kind, namespace: str | None, body: Json, *, dry_run: bool = False
    ) -> Json:
        """POST. Raises AlreadyExists."""
        ...

    def make(self, kind: Kind, namespace: str | None, body: Json) -> None:
        """`create` for who makes many: the answer is not read, and fields that the server does not
        know are dropped by it without a word. Raises AlreadyExists."""
        ...

    def replace(
        self, kind: Kind, namespace: str | None, name: str, body: Json, *, dry_run: bool = False
    ) -> Json:
        """PUT. Raises Conflict when `body` carries an old resourceVersion."""
        ...

    def patch(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        body: Json | list[Json],
        *,
        patch_type: PatchType = "merge",
        subresource: str = "",
        dry_run: bool = False,
    ) -> Json:
        """PATCH; `apply` is server-side apply as field manager `lifeboat`, forced."""
        ...

    def log(self, namespace: str, pod: str, *, lines: int, container: str = "") -> str:
        """The last lines of a pod's container; of its only one, if none is named. Raises NotFound,
        Forbidden, and Invalid before the container runs."""
        ...

    def delete(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        *,
        propagation: Propagation = "Background",
        uid: str = "",
        version: str = "",
    ) -> None:
        """DELETE. A missing object is not an error. Raises Conflict, and deletes nothing, when the
        object is not the one of this uid, or is no longer at this resourceVersion."""
        ...
