"""A vault key that Azure Key Vault (or a managed HSM) keeps: RSA, whose private half never leaves.

The service wraps and unwraps the KEK of a wrapping (`vault.keys`) with RSA-OAEP-256, one call for
each opened vault. A wrapping stores the key's id with its version, so that a newer version of the
key can be the one that wraps while older wrappings still open.

Must not: send a token anywhere but to the vault that the configuration names. A wrapping comes from
the store; only the version is taken from it. The SDK itself refuses http, and checks that whoever
asks for a token is a Key Vault of that domain.

The SDK is imported inside functions: it costs time, and most commands need none of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from lifeboat.adapters.azure_identity import quiet_clients
from lifeboat.adapters.store_azure_errors import error_code, retry_after
from lifeboat.errors import (
    Damaged,
    Forbidden,
    Invalid,
    KeyUnavailable,
    LifeboatError,
    NotFound,
    Throttled,
    Unauthorized,
    UsageError,
)
from lifeboat.vault.crypto import KEY_BYTES
from lifeboat.vault.key_params import as_params, read_params
from lifeboat.vault.keys import AZURE_KEY_VAULT

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.exceptions import AzureError
    from azure.core.pipeline.policies import RetryPolicy
    from azure.keyvault.keys.crypto import CryptographyClient

_LONGEST_PAUSE = 60.0  # seconds; a longer Retry-After is left to the caller


class _Params(msgspec.Struct, frozen=True):
    key: str  # https://…/keys/NAME/VERSION
    wrapped_kek: bytes


class AzureVaultKey:
    """The key `url` (`https://HOST/keys/NAME`), wrapping with `version` or, when that is empty,
    with the newest. `retries`: how often one request is repeated before KeyUnavailable or
    Throttled. `options` go to the SDK's client (a private certificate authority)."""

    method = AZURE_KEY_VAULT

    def __init__(
        self, url: str, version: str, credential: TokenCredential, retries: int = 3, **options: Any
    ) -> None:
        self._url = url
        self._version = version
        self._credential = credential
        self._retries = retries
        self._options = options

    def new_kek(self) -> tuple[bytes, dict[str, Any]]:
        """Needs the right to wrap and, without a version, to read the key. Raises as `find_kek`."""
        from azure.keyvault.keys.crypto import KeyWrapAlgorithm

        kek = os.urandom(KEY_BYTES)
        named = f"{self._url}/{self._version}".rstrip("/")
        with self._client(named) as client, _errors(f"wrap with {named}"):
            result = client.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, kek)
        if self._version_of(result.key_id or "") is None:
            raise UsageError(
                f"{named}: which version that is could not be read from Key Vault",
                hint="name the version, azurekv:https://…/keys/NAME/VERSION, or grant keys/get",
            )
        return kek, as_params(_Params(str(result.key_id), result.encrypted_key))

    def find_kek(self, params: dict[str, Any]) -> bytes | None:
        """Raises Unauthorized, Forbidden, NotFound, Throttled, KeyUnavailable, Damaged."""
        from azure.keyvault.keys.crypto import KeyWrapAlgorithm

        read = read_params(params, _Params)
        version = self._version_of(read.key)
        if version is None:
            return None
        named = f"{self._url}/{version}"
        try:
            with self._client(named) as client, _errors(f"unwrap with {named}"):
                result = client.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, read.wrapped_kek)
        except Invalid as error:
            raise Damaged(f"what Key Vault should unwrap was changed: {error.message}") from None
        return result.key if len(result.key) == KEY_BYTES else None

    def _version_of(self, key_id: str) -> str | None:
        """The version, when the id is one of this very key (and version, if one was named)."""
        url, _, version = key_id.rpartition("/")
        if url.lower() != self._url.lower() or not version.isalnum():
            return None
        return version if self._version in ("", version) else None

    def _client(self, named: str) -> CryptographyClient:
        from azure.keyvault.keys.crypto import CryptographyClient

        quiet_clients()
        options = {"retry_policy": _retry_policy(self._retries), **self._options}
        return CryptographyClient(named, self._credential, **options)


def _retry_policy(retries: int) -> RetryPolicy[Any, Any]:
    from azure.core.pipeline.policies import RetryPolicy

    class ImpatientRetry(RetryPolicy[Any, Any]):
        """The SDK's, which would sleep for however long the service wishes."""

        def is_retry(self, settings: dict[str, Any], response: Any) -> bool:
            wished = retry_after(response.http_response.headers) or 0.0
            return wished <= _LONGEST_PAUSE and super().is_retry(settings, response)

    return ImpatientRetry(retry_total=retries)


@contextmanager
def _errors(doing: str) -> Iterator[None]:
    from azure.core.exceptions import AzureError

    try:
        yield
    except AzureError as error:
        raise _translate(error, f"cannot {doing}") from None
    except ValueError as error:
        # The SDK's word for a challenge from another domain, and for a key past its dates.
        raise UsageError(f"cannot {doing}: {error}") from None


def _translate(error: AzureError, message: str) -> LifeboatError:
    from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

    response: Any = getattr(error, "response", None)
    if isinstance(error, HttpResponseError) and response is not None:
        code = error_code(error) or getattr(error.error, "code", None) or ""
        reason = f"{message}: Key Vault says {response.status_code} {code}".rstrip()
        return _of_status(response.status_code, reason, retry_after(response.headers))
    reason = str(error.message).partition("\n")[0][:300]
    if isinstance(error, ClientAuthenticationError):
        return Unauthorized(
            f"{message}: no usable Azure credential: {reason}",
            hint="Check the connection's credential fields or the identity of this machine or pod.",
        )
    return KeyUnavailable(f"{message}: {reason}")


def _of_status(status: int, reason: str, wait: float | None) -> LifeboatError:
    match status:
        case 401:
            return Unauthorized(reason, hint="The token is of another tenant, or has expired.")
        case 403:
            return Forbidden(
                reason,
                hint="It needs Key Vault Crypto User (keys/get, wrapKey, unwrapKey), a key that is"
                " enabled, and a network rule that lets this address in.",
            )
        case 404:
            return NotFound(
                reason,
                hint="The key or this version is gone. If soft delete still has it, recover it.",
            )
        case 429:
            return Throttled(reason, retry_after=wait)
        case _ if status == 408 or status >= 500:
            return KeyUnavailable(reason, retry_after=wait)
        case _:
            return Invalid(reason)
