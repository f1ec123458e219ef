"""Azure's errors without an answer: what is kept of their words, and what is cut off."""

from __future__ import annotations

from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

from lifeboat.adapters.store_azure_errors import translate
from lifeboat.errors import StoreUnavailable, Unauthorized


def test_a_signed_url_is_cut_out_of_the_reason() -> None:
    words = "Max retries exceeded with url: /vault/a?sv=1&sig=hush (Caused by NameResolutionError)"
    error = translate(ServiceRequestError(words), "cannot read a in the vault")
    assert type(error) is StoreUnavailable
    assert str(error) == (
        "cannot read a in the vault: Max retries exceeded with url: /vault/a "
        "(Caused by NameResolutionError)"
    )


def test_a_credential_that_yields_no_token() -> None:
    words = "ManagedIdentityCredential: no response from the IMDS endpoint.\nlong explanation"
    error = translate(ClientAuthenticationError(words), "cannot read a")
    assert type(error) is Unauthorized
    assert "no response from the IMDS endpoint." in str(error)
    assert "long explanation" not in str(error)
