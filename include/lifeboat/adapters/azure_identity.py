"""Who Lifeboat is to Azure: one Entra identity, the same for the store and for Key Vault.

azure.identity is imported inside functions: it costs time, and most commands need none of it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from lifeboat.errors import UsageError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

Identity = Literal["", "workload-identity", "managed-identity", "default"]


def token_credential(
    identity: Identity, *, client_id: str = "", tenant_id: str = "", client_secret: str = ""
) -> TokenCredential:
    """The credential; no token is asked for yet. A client secret comes before `identity`.

    Raises UsageError where the pod has no workload identity.
    """
    import azure.identity as entra

    named = {
        key: value for key, value in (("client_id", client_id), ("tenant_id", tenant_id)) if value
    }
    if client_secret:
        return entra.ClientSecretCredential(client_secret=client_secret, **named)
    match identity:
        case "workload-identity":
            try:
                return entra.WorkloadIdentityCredential(**named)
            except ValueError:
                raise UsageError(
                    "Azure: no workload identity here: client id, tenant id or "
                    "AZURE_FEDERATED_TOKEN_FILE is missing",
                    hint="Label the pod azure.workload.identity/use=true and name its account.",
                ) from None
        case "managed-identity":
            return entra.ManagedIdentityCredential(client_id=client_id or None)
        case _:
            return entra.DefaultAzureCredential()


def quiet_clients() -> None:
    """Azure logs every request at INFO; urllib3 logs whole URLs, signatures included, at DEBUG."""
    for name in ("azure", "urllib3.connectionpool"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
