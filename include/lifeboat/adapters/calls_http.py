"""The Calls port over HTTP. TLS certificates are checked against the machine's authorities
(SSL_CERT_FILE names others)."""

from __future__ import annotations

from collections.abc import Callable

import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, TimeoutError

from lifeboat.errors import HookFailed, NotReady, UsageError
from lifeboat.ports.calls import Call


class HttpCalls:
    """See lifeboat.ports.calls.Calls. `resolve` gives the secret behind a reference."""

    def __init__(self, resolve: Callable[[str], str]) -> None:
        self._resolve = resolve

    def call(self, call: Call, seconds: float) -> int:
        headers = {name: self._value(call, name, place) for name, place in call.headers}
        # A pool of its own: calls are few, and one that fails leaves nothing behind.
        with urllib3.PoolManager(retries=False) as pool:
            try:
                answer = pool.request(
                    call.method,
                    call.url,
                    body=call.body.encode() or None,
                    headers=headers,
                    preload_content=False,
                    timeout=urllib3.Timeout(total=seconds),
                )
            except NewConnectionError:  # to the library a kind of time-out
                raise HookFailed(f"{call.title} could not be sent: nobody answers there") from None
            except TimeoutError:
                raise NotReady(f"{call.title} was not answered within {seconds:g} s") from None
            except HTTPError as error:
                reason = type(error).__name__  # its own words quote the url
                raise HookFailed(f"{call.title} could not be sent: {reason}") from None
            answer.release_conn()
            return answer.status

    def _value(self, call: Call, name: str, place: str) -> str:
        value = self._resolve(place).strip()
        if not (value.isprintable() and value.isascii()):  # an encoder's error would quote it
            raise UsageError(f"{call.title}: header {name} is not one line of ASCII in {place}")
        return value
