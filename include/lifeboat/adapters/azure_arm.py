"""Azure Resource Manager as the disks adapter wants it: clients that never wait, errors of ours.

The SDK would sleep on a 429 and poll long-running operations in a thread. Here nobody sleeps: a
request is sent once, an operation is begun and looked at later, and whoever calls decides when to
come back (`Throttled.retry_after`).

The SDK is imported inside functions: it costs more than a second, and most commands need none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lifeboat.adapters.azure_identity import Identity, quiet_clients, token_credential
from lifeboat.adapters.store_azure_errors import retry_after
from lifeboat.errors import (
    Conflict,
    DisksUnavailable,
    Forbidden,
    Invalid,
    LifeboatError,
    NotFound,
    NotReady,
    Throttled,
    Unauthorized,
)

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.exceptions import AzureError
    from azure.mgmt.compute import ComputeManagementClient
    from azure.mgmt.containerservice import ContainerServiceClient
    from azure.mgmt.containerservicefleet import ContainerServiceFleetMgmtClient
    from azure.mgmt.resourcegraph import ResourceGraphClient


@dataclass(frozen=True)
class ArmSettings:
    """Who Lifeboat is to Azure Resource Manager, and where that is.

    From an Airflow connection of type `azure`: login, password and extra.tenantId as a client
    secret; extra.workload_identity_client_id and _tenant_id; extra.managed_identity_client_id.
    `endpoint` is for Azure clouds other than the public one; `certificates` a file of authorities
    to trust instead of the machine's.
    """

    identity: Identity = ""
    client_id: str = ""
    tenant_id: str = ""
    client_secret: str = field(default="", repr=False)
    endpoint: str = ""
    certificates: str = ""


class ArmClients:
    """The official client of each subscription, made when it is first needed. `credential` is for
    tests; else it is the settings'."""

    def __init__(self, settings: ArmSettings, credential: TokenCredential | None = None) -> None:
        self._settings = settings
        self._credential = credential
        self._clients: dict[str, ComputeManagementClient] = {}

    def compute(self, subscription: str) -> ComputeManagementClient:
        """Raises UsageError where the pod has no workload identity; no token is asked for yet."""
        known = self._clients.get(subscription.lower())
        if known is None:
            from azure.mgmt.compute import ComputeManagementClient

            known = ComputeManagementClient(self.credential(), subscription, **self._options())
            self._clients[subscription.lower()] = known
        return known

    def containers(self, subscription: str) -> ContainerServiceClient:
        """The client for AKS. Raises as `compute` does."""
        from azure.mgmt.containerservice import ContainerServiceClient

        return ContainerServiceClient(self.credential(), subscription, **self._options())

    def graph(self) -> ResourceGraphClient:
        """The client for Resource Graph, of no subscription. Raises as `compute` does."""
        from azure.mgmt.resourcegraph import ResourceGraphClient

        return ResourceGraphClient(self.credential(), **self._options())

    def fleets(self, subscription: str) -> ContainerServiceFleetMgmtClient:
        """The client for Fleet Manager. Raises as `compute` does."""
        from azure.mgmt.containerservicefleet import ContainerServiceFleetMgmtClient

        return ContainerServiceFleetMgmtClient(self.credential(), subscription, **self._options())

    def credential(self) -> TokenCredential:
        """Who Lifeboat is to Azure. Raises UsageError where the pod has no workload identity."""
        quiet_clients()
        settings = self._settings
        if self._credential is None:
            self._credential = token_credential(
                settings.identity,
                client_id=settings.client_id,
                tenant_id=settings.tenant_id,
                client_secret=settings.client_secret,
            )
        return self._credential

    def _options(self) -> dict[str, Any]:
        settings = self._settings
        options: dict[str, Any] = {"retry_total": 0}
        if settings.endpoint:
            options["base_url"] = settings.endpoint
            options["credential_scopes"] = _scopes(settings.endpoint)
        if settings.certificates:
            options["connection_verify"] = settings.certificates
        return options


def _scopes(endpoint: str) -> list[str]:
    """What a token is asked for: a known cloud's own scope, else that of the address."""
    from azure.core import AzureClouds
    from azure.mgmt.core.tools import get_arm_endpoints

    for cloud in AzureClouds:
        known = get_arm_endpoints(cloud)
        if known["resource_manager"].rstrip("/") == endpoint:
            return list(known["credential_scopes"])
    return [f"{endpoint}/.default"]


@dataclass(frozen=True)
class ArmId:
    """A disk or snapshot by its Azure resource id. Azure compares ids without regard to case."""

    subscription: str
    group: str
    kind: str
    name: str

    def __str__(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.Compute/{self.kind}/{self.name}"
        )

    def same(self, other: str) -> bool:
        return str(self).lower() == other.lower()


def arm_id(text: str, kind: str) -> ArmId | None:
    """The id, when it is one of this kind (`disks`, `snapshots`); else None."""
    from azure.mgmt.core.tools import parse_resource_id

    found = parse_resource_id(text)
    namespace, of = str(found.get("namespace", "")), str(found.get("type", ""))
    named = all(found.get(part) for part in ("subscription", "resource_group", "name"))
    if namespace.lower() != "microsoft.compute" or of.lower() != kind or not named:
        return None
    if "child_type_1" in found:
        return None
    return ArmId(str(found["subscription"]), str(found["resource_group"]), kind, str(found["name"]))


@contextmanager
def arm_errors(doing: str) -> Iterator[None]:
    """Turns what the SDK raises into ours; `doing` says what could not be done."""
    from azure.core.exceptions import AzureError

    try:
        yield
    except AzureError as error:
        raise _translate(error, f"cannot {doing}") from None


def _translate(error: AzureError, message: str) -> LifeboatError:
    from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

    response: Any = getattr(error, "response", None)
    if isinstance(error, HttpResponseError) and response is not None:
        code = str(getattr(error.error, "code", None) or "")
        told = str(getattr(error.error, "message", None) or "").partition("\n")[0][:300]
        reason = f"{message}: Azure says {response.status_code} {code}".rstrip()
        reason = f"{reason}: {told}" if told else reason
        return _of_status(response.status_code, code, reason, retry_after(response.headers))
    reason = str(error.message).partition("\n")[0][:300]
    if isinstance(error, ClientAuthenticationError):
        return Unauthorized(
            f"{message}: no usable Azure credential: {reason}",
            hint="Check the connection's credential fields or the identity of this machine or pod.",
        )
    return DisksUnavailable(f"{message}: {reason}")


# 409 that no waiting helps against; any other says that something else is under way.
_LASTING = {"ScopeLocked", "PropertyChangeNotAllowed", "QuotaExceeded"}


def _of_status(status: int, code: str, reason: str, wait: float | None) -> LifeboatError:
    match status:
        case 401:
            return Unauthorized(reason, hint="The token is of another tenant, or has expired.")
        case 403 if code == "RequestDisallowedByPolicy":
            return Forbidden(reason, hint="An Azure Policy of the scope forbids it.")
        case 403:
            return Forbidden(reason, hint="docs/azure.md has the roles that Lifeboat needs.")
        case 404:
            return NotFound(reason)
        case 409 if code == "ScopeLocked":
            return Conflict(
                reason, hint="A lock of the resource group forbids it; remove the lock."
            )
        case 409 if code in _LASTING:
            return Conflict(reason)
        case 409:
            return NotReady(reason, retry_after=wait)
        case 429:
            return Throttled(reason, retry_after=wait)
        case _ if status == 408 or status >= 500:
            return DisksUnavailable(reason, retry_after=wait)
        case _:
            return Invalid(reason)
