"""How to reach an API server: kubeconfig files, their text, and in-cluster credentials.

Static tokens, token files and client certificates are read here; `exec` and `auth-provider` entries
go through the official client, imported only then: its import costs 1.3-3 s, every task is a new
process (docs/decisions/0004-kubeconfig.md).
"""

from __future__ import annotations

import base64
import binascii
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lifeboat.errors import Unauthorized, UsageError

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_IN_CLUSTER_SERVER = "https://kubernetes.default.svc"


@dataclass(frozen=True)
class Endpoint:
    """One API server with one credential. `token` is asked at every request, so that a rotated or
    expired one is read anew; certificates are PEM."""

    server: str
    describe: str
    ca: bytes = b""
    token: Callable[[], str] | None = field(default=None, repr=False)
    client_cert: bytes = b""
    client_key: bytes = field(default=b"", repr=False)
    insecure: bool = False
    tls_server_name: str = ""


def from_kubeconfig(path: Path, context: str = "") -> Endpoint:
    """Read a kubeconfig file. Raises UsageError saying what was found instead."""
    path = path.expanduser()
    if ":" in str(path) and not path.exists():
        raise UsageError(
            f"{path} names several kubeconfig files",
            hint="merge them with `kubectl config view --flatten --merge` and name the result",
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise UsageError(f"cannot read kubeconfig {path}: {reason}") from None
    return _Reader(text, path, path.parent).endpoint(context)


def from_kubeconfig_text(
    text: str, context: str = "", login: Callable[[], str] | None = None
) -> Endpoint:
    """The same from a text, as Airflow connections keep it. `login` gives the token where the
    kubeconfig would run a command for it."""
    return _Reader(text, None, Path(), login).endpoint(context)


def in_cluster() -> Endpoint:
    """The service account that a pod runs with. Raises UsageError outside a pod."""
    token_file, ca_file = _SERVICE_ACCOUNT / "token", _SERVICE_ACCOUNT / "ca.crt"
    if not token_file.exists():
        raise UsageError(
            f"not in a cluster: {token_file} does not exist", hint="give a kubeconfig instead"
        )
    return Endpoint(
        server=_IN_CLUSTER_SERVER,
        describe=f"{_IN_CLUSTER_SERVER} as this pod's service account",
        ca=ca_file.read_bytes(),
        token=_TokenFile(token_file),
    )


class _TokenFile:
    """A token that somebody else renews in place."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> str:
        try:
            return self._path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise Unauthorized(f"cannot read the token {self._path}: {error.strerror}") from None


class _Reader:
    def __init__(
        self, text: str, path: Path | None, folder: Path, login: Callable[[], str] | None = None
    ) -> None:
        self._name = str(path) if path else "the connection's kubeconfig"
        self._path, self._text, self._folder = path, text, folder
        self._login = login
        try:
            document = yaml.safe_load(text)
        except yaml.YAMLError:
            raise UsageError(f"{self._name} is not YAML") from None
        if not isinstance(document, dict):
            raise UsageError(f"{self._name} is no kubeconfig: it holds no mapping")
        self._document: dict[str, Any] = document

    def endpoint(self, context: str) -> Endpoint:
        name = context or self._document.get("current-context") or ""
        chosen = self._entry("contexts", "context", name)
        cluster = self._entry("clusters", "cluster", chosen.get("cluster", ""))
        user_name = chosen.get("user", "")
        user = self._entry("users", "user", user_name) if user_name else {}
        server = cluster.get("server")
        if not isinstance(server, str) or not server.startswith(("https://", "http://")):
            raise UsageError(f"{self._name}: the cluster of context {name!r} has no server URL")
        if cluster.get("proxy-url"):
            raise UsageError(
                f"{self._name}: the cluster of context {name!r} has a proxy-url, which is not"
                " supported",
                hint="run Lifeboat where the API server can be reached directly",
            )
        return Endpoint(
            server=server.rstrip("/"),
            describe=f"{server} as {user_name or 'nobody'}",
            ca=self._data(cluster, "certificate-authority"),
            token=self._token(user, name),
            client_cert=self._data(user, "client-certificate"),
            client_key=self._data(user, "client-key"),
            insecure=bool(cluster.get("insecure-skip-tls-verify")),
            tls_server_name=cluster.get("tls-server-name", ""),
        )

    def _entry(self, section: str, inner: str, name: str) -> dict[str, Any]:
        listed = self._document.get(section) or []
        if not isinstance(listed, list) or not all(isinstance(e, dict) for e in listed):
            raise UsageError(f"{self._name}: {section} is no list of named entries")
        entries = {e.get("name", ""): e.get(inner) or {} for e in listed}
        if name not in entries:
            known = ", ".join(sorted(entries)) or "none"
            raise UsageError(
                f"{self._name} has no {inner} {name!r}", hint=f"its {section} are: {known}"
            )
        found: dict[str, Any] = entries[name]
        return found

    def _data(self, entry: dict[str, Any], name: str) -> bytes:
        inline = entry.get(f"{name}-data")
        if inline:
            try:
                return base64.b64decode(inline, validate=True)
            except (binascii.Error, ValueError):
                raise UsageError(f"{self._name}: {name}-data is not base64") from None
        if not entry.get(name):
            return b""
        return self._file(entry[name]).read_bytes()

    def _file(self, name: str) -> Path:
        path = self._folder / name
        if not path.is_file():
            raise UsageError(f"{self._name} names {path}, which does not exist")
        return path

    def _token(self, user: dict[str, Any], context: str) -> Callable[[], str] | None:
        if user.get("token"):
            token: str = user["token"]
            return lambda: token
        if user.get("tokenFile"):
            return _TokenFile(self._file(user["tokenFile"]))
        if "exec" in user or "auth-provider" in user:
            return self._login or _OfficialLogin(self._path, self._text, context)
        return None


class _OfficialLogin:
    """Runs the login of a kubeconfig through the official client, which caches and renews it."""

    def __init__(self, path: Path | None, text: str, context: str) -> None:
        self._path, self._text, self._context = path, text, context
        self._configuration: Any = None
        self._lock = threading.Lock()

    def __call__(self) -> str:
        with self._lock:  # many threads, one login
            if self._configuration is None:
                self._configuration = self._load()
            # The key's name differs between versions of the client, that of the setting does not.
            settings = self._configuration.auth_settings()
            header = settings.get("BearerToken", {}).get("value") or ""
        if not header:
            raise Unauthorized(
                "the kubeconfig's login command gave no token",
                hint="run it by hand; it may want you to log in again, or it may hand out client"
                " certificates, which are not supported from a login command",
            )
        return str(header).removeprefix("Bearer ")

    def _load(self) -> Any:
        from kubernetes.client import Configuration
        from kubernetes.config import ConfigException, load_kube_config

        configuration = Configuration()
        try:
            if self._path is not None:
                load_kube_config(str(self._path), self._context or None, configuration)
            else:
                with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                    file.write(self._text)
                    file.flush()
                    load_kube_config(file.name, self._context or None, configuration)
        except ConfigException as error:
            raise Unauthorized(f"the kubeconfig's login failed: {error}") from None
        return configuration
