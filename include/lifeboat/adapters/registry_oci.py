"""Registries by the OCI distribution specification: is there a manifest of this name?

HEAD /v2/<name>/manifests/<reference>, with the token that a challenge asks for
(distribution.github.io/distribution/spec/auth/token). Docker Hub does not count HEAD as a pull.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import make_headers

from lifeboat.adapters.registry_login import Login
from lifeboat.errors import LifeboatError
from lifeboat.ports.registry import Answer

_TIMEOUT = urllib3.Timeout(connect=10, read=20)
_ACCEPT = ", ".join((
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
))  # fmt: skip
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_LOOPBACK = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?")


class _Token(msgspec.Struct):
    token: str = ""
    access_token: str = ""


class RegistriesOci:
    """See ports.registry.Registries. `logins` by host, looked up when a registry wants one; others
    are asked without. A registry on this machine is asked without TLS, as container runtimes do."""

    def __init__(self, logins: Mapping[str, Callable[[], Login]]) -> None:
        self._logins = dict(logins)
        self._pool = urllib3.PoolManager(retries=False, timeout=_TIMEOUT)
        self._granted: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def look(self, host: str, repository: str, reference: str) -> Answer:
        path = f"/v2/{quote(repository)}/manifests/{quote(reference, safe=':')}"
        with self._lock:
            known = self._granted.get((host, repository), "")
        try:
            response = self._head(host, path, known)
            if response.status == 401:
                granted = self._grant(host, repository, response)
                if not granted:
                    return _answer(host, response)
                with self._lock:
                    self._granted[host, repository] = granted
                response = self._head(host, path, granted)
        except _NoTokenError as refused:
            return refused.answer
        except (HTTPError, UnicodeError) as error:
            return Answer("unknown", f"{host} does not answer: {type(error).__name__}")
        return _answer(host, response)

    def _head(self, host: str, path: str, authorization: str) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": _ACCEPT, "User-Agent": "lifeboat"}
        if authorization:
            headers["Authorization"] = authorization
        return self._pool.request(
            "HEAD", f"{_scheme(host)}://{host}{path}", headers=headers, redirect=False
        )

    def _login(self, host: str) -> Login | None:
        if host not in self._logins:
            return None
        try:
            return self._logins[host]()
        except LifeboatError as error:
            raise _NoTokenError(Answer("unknown", error.message)) from None

    def _grant(self, host: str, repository: str, response: urllib3.BaseHTTPResponse) -> str:
        """The Authorization that the challenge asks for, empty when we have none."""
        challenge = response.headers.get("WWW-Authenticate", "")
        login = self._login(host)
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic":
            return _basic(login)["authorization"] if login else ""
        asked = dict(_PARAMETER.findall(rest))
        realm = asked.pop("realm", "")
        if scheme.lower() != "bearer" or not realm:
            return ""
        if urlsplit(realm).scheme != "https" and not _LOOPBACK.fullmatch(urlsplit(realm).netloc):
            raise _NoTokenError(
                Answer("unknown", f"{host} wants a login over a line that is not safe")
            )
        wanted = {"service": asked.get("service", ""), "scope": f"repository:{repository}:pull"}
        answer = self._pool.request(
            "GET",
            f"{realm}{'&' if '?' in realm else '?'}{urlencode(wanted)}",
            headers={"User-Agent": "lifeboat", **(_basic(login) if login else {})},
            redirect=False,
        )
        if answer.status != 200:
            raise _NoTokenError(_answer(urlsplit(realm).netloc, answer))
        try:
            token = msgspec.json.decode(answer.data, type=_Token)
        except msgspec.DecodeError:
            raise _NoTokenError(
                Answer("unknown", f"{host} gives no token that can be read")
            ) from None
        return f"Bearer {token.token or token.access_token}"


class _NoTokenError(Exception):
    """The way to a token ended with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.reason)
        self.answer = answer


def _basic(login: Login) -> dict[str, str]:
    return dict(make_headers(basic_auth=f"{login.name}:{login.password}"))


def _scheme(host: str) -> str:
    return "http" if _LOOPBACK.fullmatch(host) else "https"


def _answer(host: str, response: urllib3.BaseHTTPResponse) -> Answer:
    match response.status:
        case 200:
            return Answer("there", digest=response.headers.get("Docker-Content-Digest", ""))
        case 404:
            return Answer("gone", f"{host} has no such image")
        case 401 | 403 as status:
            return Answer("refused", f"{host} does not let us see it ({status})")
        case 429:
            return Answer("unknown", f"{host} wants fewer requests (429)")
        case status:
            return Answer("unknown", f"{host} answers {status}")
