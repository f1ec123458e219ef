"""Where a container of Azure Blob Storage is, and each way of proving who one is.

Must not: ask for a token, or look for an identity, before the first request. The SDK is imported
inside functions: it costs more than a second, and most commands need none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lifeboat.adapters.azure_identity import Identity, token_credential
from lifeboat.errors import UsageError


@dataclass(frozen=True)
class AzureSettings:
    """Where the container is and the one credential that opens it.

    Exactly one of connection_string, account_key, sas_token, client_secret, identity; UsageError
    otherwise. `account_url` (`https://NAME.blob.core.windows.net`) is needed with all but a
    connection string. `retries`: how often one request is repeated before StoreUnavailable.

    From an Airflow connection of type `wasb`, an allow-list (nothing else of extra is read), the
    first that is set decides:

    | field of the connection | field here |
    |---|---|
    | extra.connection_string | connection_string, alone |
    | host, or extra.account_host; or login alone, as account name | account_url |
    | extra.tenant_id + login + password | tenant_id, client_id, client_secret |
    | extra.shared_access_key, password, extra.account_key | account_key |
    | extra.sas_token | sas_token; of a whole URL, account_url before and sas_token after the `?` |
    | extra.workload_identity_tenant_id, …_client_id | tenant_id, client_id, "workload-identity" |
    | extra.managed_identity_client_id | client_id, identity="managed-identity" |
    | none of them | identity="default" |
    """

    container: str
    prefix: str = ""
    account_url: str = ""
    connection_string: str = field(default="", repr=False)
    account_key: str = field(default="", repr=False)
    sas_token: str = field(default="", repr=False)
    client_secret: str = field(default="", repr=False)
    identity: Identity = ""
    client_id: str = ""
    tenant_id: str = ""
    retries: int = 5

    def __post_init__(self) -> None:
        kinds = ("connection_string", "account_key", "sas_token", "client_secret", "identity")
        given = [kind for kind in kinds if getattr(self, kind)]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise UsageError(f"Azure store: found {found}; give exactly one of {', '.join(kinds)}")
        if not self.container:
            raise UsageError("Azure store: container is empty; name the vault's container")
        if bool(self.account_url) == bool(self.connection_string):
            raise UsageError("Azure store: give account_url, or a connection_string that holds it")
        if "?" in self.account_url:
            raise UsageError("Azure store: account_url has a query; a SAS belongs in sas_token")
        if self.client_secret and not (self.client_id and self.tenant_id):
            raise UsageError("Azure store: client_secret needs client_id and tenant_id")


def credential(settings: AzureSettings) -> Any:
    """What ContainerClient takes; no token is asked for yet. Raises UsageError outside a pod."""
    from azure.core.credentials import AzureSasCredential

    if settings.account_key:
        return settings.account_key
    if settings.sas_token:
        return AzureSasCredential(settings.sas_token.removeprefix("?"))
    return token_credential(
        settings.identity,
        client_id=settings.client_id,
        tenant_id=settings.tenant_id,
        client_secret=settings.client_secret,
    )
