"""Requests to an API server, its answers, and the errors they mean.

Knows HTTP and Kubernetes' Status objects, nothing of kinds. Safe for several threads.
"""

from __future__ import annotations

import random
import re
import ssl
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from lifeboat.adapters.http_wire import Answer, Wire
from lifeboat.adapters.kubeconfig import Endpoint
from lifeboat.clock import monotonic, pause
from lifeboat.errors import (
    AlreadyExists,
    ClusterUnreachable,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    LifeboatError,
    NotFound,
    Throttled,
    Unauthorized,
    UsageError,
    WebhookUnreachable,
)
from lifeboat.ports.cluster import MOST_IN_FLIGHT

_PATIENCE = 60.0
_TRIES = 4
_TRIES_OF_WEBHOOKS = 2  # each may take the webhook's own time-out, up to 30 seconds
_READY = "/readyz"  # every authenticated user may ask (ClusterRole system:public-info-viewer)
_START_SECONDS = 10.0  # from listening to knowing its roles an API server took under three
_IDEMPOTENT = ("GET", "PUT", "PATCH", "DELETE")
_SURE_SECONDS = 2.0  # as long as a server that said it is ready is taken to be
_SHORTEST_WAIT = 0.1  # seconds; a Retry-After of 0 must not become a storm
_LONGEST_REASON = 600  # characters; an answer may quote a whole object


class _Status(msgspec.Struct):
    message: str = ""
    reason: str = ""


class Http:
    """`request` returns the body of a 2xx answer or raises one of lifeboat.errors.

    429, and 503 with Retry-After, are obeyed for up to `patience` seconds; 403 is not believed of a
    server that is just starting. A broken connection and 5xx are tried a few times where that
    cannot do anything twice; a create is not repeated, since the first one may have arrived. One
    that a webhook did not answer for is, once: nothing was stored.
    Redirects are not followed: they would take the token along.
    """

    def __init__(self, endpoint: Endpoint, patience: float = _PATIENCE) -> None:
        self._endpoint = endpoint
        self._patience = patience
        self._tells_ready = True
        self._ready_at = -_SURE_SECONDS  # when it last said so
        self._wire = Wire(
            endpoint.server,
            ssl_context(endpoint),
            server_name=endpoint.tls_server_name,
            most=MOST_IN_FLIGHT,  # each is opened when it is first needed
        )
        self._prefix = urlsplit(endpoint.server).path.rstrip("/")

    def close(self) -> None:
        """Close idle connections; the next request opens new ones."""
        self._wire.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> bytes:
        return self._answer(method, path, body, content_type, accept).body

    def warnings(self, path: str) -> list[str]:
        """What the API server warns of when this is asked for (RFC 7234, 5.5: code 299)."""
        answer = self._answer("GET", path, None, "", "application/json")
        told = ", ".join(answer.values("Warning"))
        return _WARNING.findall(told)

    def _answer(
        self, method: str, path: str, body: bytes | None, content_type: str, accept: str
    ) -> Answer:
        deadline = monotonic() + self._patience
        headers = f"Accept: {accept}\r\nUser-Agent: lifeboat\r\n"
        if body is not None:
            headers += f"Content-Type: {content_type}\r\n"
        broken = 0
        while True:
            try:
                return self._once(method, path, body, headers)
            except Forbidden:
                if not self._was_starting():
                    raise
                wait = 0.0
            except Throttled as error:
                wait = max(error.retry_after or 0.0, _SHORTEST_WAIT)
                if monotonic() + wait > deadline:
                    raise
            except (ClusterUnreachable, WebhookUnreachable) as error:
                broken += 1
                if broken >= _tries(error, method):
                    raise
                wait = _SHORTEST_WAIT * 2**broken
            pause(wait * random.uniform(1.0, 1.3))  # noqa: S311 - jitter, not secrecy

    def _once(self, method: str, path: str, body: bytes | None, headers: str) -> Answer:
        try:
            answer = self._send(method, path, body, headers)
        except OSError as error:
            if isinstance(error, ssl.SSLError) and not _broke_off(error):
                raise UsageError(
                    f"the certificate of {self._endpoint.server} was not accepted: {_plain(error)}",
                    hint="check certificate-authority and tls-server-name in the kubeconfig",
                ) from None
            raise ClusterUnreachable(
                f"{self._endpoint.server} does not answer: {_plain(error)}",
                hint="check that the API server runs and that this machine can reach it",
            ) from None
        if answer.status >= 300:
            raise refusal(self._endpoint, answer, f"{method} {path.partition('?')[0]}")
        return answer

    def _was_starting(self) -> bool:
        """Whether the server has become ready just now, so that a refusal may have been wrong: one
        that listens already but knows no roles yet forbids everything to everybody.

        One that never says it is ready may forbid even the question; it is not waited for twice.
        One that has just said it is believed without a question for each of many refusals: no API
        server goes and comes again as fast as that.
        """
        if monotonic() - self._ready_at < _SURE_SECONDS:
            return False
        waited = False
        deadline = monotonic() + _START_SECONDS
        while self._tells_ready:
            try:
                answer = self._send("GET", _READY, None, "")
            except OSError:
                return True  # gone again: the request itself will tell
            if answer.status != 403 and answer.status < 500:
                self._ready_at = monotonic()
                return waited
            waited = True
            if monotonic() > deadline:
                self._tells_ready = False
            else:
                pause(_SHORTEST_WAIT * 2)
        return False

    def _send(self, method: str, path: str, body: bytes | None, headers: str) -> Answer:
        path = self._prefix + path
        return self._wire.ask(method, path, headers, body or b"", self._credential)

    def _credential(self) -> bytes:
        """The line that says who asks. Raises UsageError."""
        token = self._endpoint.token
        line = b"" if token is None else _authorization(token())
        if line is None:
            raise UsageError(f"the token of {self._endpoint.describe} has characters of no token")
        return line


def _authorization(token: str) -> bytes | None:
    """None for what is no header's value: whoever raises has no variable that holds the token."""
    fits = token.isascii() and token.isprintable()
    return f"Authorization: Bearer {token}\r\n".encode() if fits else None


_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
# How the API server says that it could not ask one (k8s.io/apiserver/pkg/util/webhook/error.go,
# ErrCallingWebhook), and whose answer it passes on with whatever status the webhook chose.
_UNANSWERED = re.compile(r'failed calling webhook "([^"]*)"')
_FOR_GOOD = re.compile(r'conversion webhook|admission webhook "[^"]*" denied the request')
_BY_STATUS: dict[int, type[LifeboatError]] = {403: Forbidden, 404: NotFound, 410: Expired}


def refusal(endpoint: Endpoint, answer: Answer, request: str) -> LifeboatError:
    """The error that an answer of 300 and above means."""
    reason, message = _status(answer, request)
    if answer.status == 429 or (answer.status == 503 and answer.header("Retry-After")):
        wait = _seconds(answer.header("Retry-After"))
        return Throttled(message, retry_after=wait)
    if answer.status == 409:
        return (AlreadyExists if reason == "AlreadyExists" else Conflict)(message)
    if answer.status >= 500 and (hook := _UNANSWERED.search(message)):
        return WebhookUnreachable(
            f"webhook {hook[1]} fails closed and does not answer: {message}",
            hint="have it answer, or take its configuration away until this is through",
        )
    if answer.status >= 500 and not _FOR_GOOD.search(message):
        return ClusterUnreachable(f"the API server answered {answer.status}: {message}")
    if answer.status == 401:
        return Unauthorized(
            f"{endpoint.describe} was refused: {message}",
            hint="the credential is wrong or has expired",
        )
    return _BY_STATUS.get(answer.status, Invalid)(message)


def _tries(error: LifeboatError, method: str) -> int:
    if isinstance(error, WebhookUnreachable):
        return _TRIES_OF_WEBHOOKS
    return _TRIES if method in _IDEMPOTENT else 1


def _status(answer: Answer, request: str) -> tuple[str, str]:
    """Reason and message of a Status; proxies and unknown paths answer with other things."""
    try:
        status = msgspec.json.decode(answer.body, type=_Status)
    except msgspec.DecodeError:
        status = _Status()
    message = status.message or f"HTTP {answer.status} {answer.reason} for {request}"
    return status.reason, message[:_LONGEST_REASON]


def _broke_off(error: ssl.SSLError) -> bool:
    """Whether the connection ended during the handshake, as one to a server that restarts does."""
    return isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)


def _plain(error: OSError) -> str:
    return f"{type(error).__name__}: {error}"


def _seconds(text: str) -> float:
    try:
        return max(0.0, float(text))
    except ValueError:
        return 1.0


def ssl_context(endpoint: Endpoint) -> ssl.SSLContext:
    """How to trust the API server, and the client certificate. Raises UsageError."""
    try:
        context = ssl.create_default_context(cadata=endpoint.ca.decode() or None)
    except (ssl.SSLError, UnicodeDecodeError):
        raise UsageError(
            f"the certificate authority for {endpoint.server} is no PEM certificate"
        ) from None
    # Python 3.13 began to refuse CAs without a key identifier, which many clusters still have.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if endpoint.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if endpoint.client_cert:
        # Python's ssl loads a private key from files only: readable to this user, gone at once.
        with tempfile.TemporaryDirectory(prefix="lifeboat-") as folder:
            path = Path(folder) / "client.pem"
            path.touch(mode=0o600)
            path.write_bytes(endpoint.client_cert + b"\n" + endpoint.client_key)
            try:
                context.load_cert_chain(path)
            except ssl.SSLError:
                raise UsageError(
                    f"the client certificate for {endpoint.server} does not fit its key"
                ) from None
    return context
