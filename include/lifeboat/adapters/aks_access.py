"""The way into an AKS cluster by its Azure resource id: no kubeconfig, no secret, an Entra token.

Azure tells the address and the certificate authority (`listClusterUserCredential`); who we are
there an Entra token says, for the application that every AKS cluster with Entra integration trusts
(https://learn.microsoft.com/azure/aks/kubelogin-authentication: server id 6dae42f8-…, the same in
all clouds). A cluster without that integration has a client certificate in its answer instead.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from lifeboat.adapters.azure_arm import ArmClients, arm_errors
from lifeboat.adapters.kubeconfig import Endpoint, from_kubeconfig_text
from lifeboat.clock import Clock, utc_now
from lifeboat.errors import ClusterUnreachable, DisksUnavailable, Invalid

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

SCOPE = "6dae42f8-4368-4678-94ff-3960e28e3630/.default"
# A request may wait for minutes in a queue of ours or of the server's.
_RENEW_SECONDS = 300


def aks_endpoint(
    arm: ArmClients, subscription: str, group: str, name: str, clock: Clock = utc_now
) -> Endpoint:
    """Asks Azure once. Raises NotFound, Forbidden, Unauthorized, Throttled, ClusterUnreachable."""
    what = f"AKS cluster {group}/{name}"
    try:
        with arm_errors(f"ask Azure for the way into {what}"):
            clusters = arm.containers(subscription).managed_clusters
            answer = clusters.list_cluster_user_credentials(group, name, format="exec")
    except DisksUnavailable as error:
        raise ClusterUnreachable(str(error)) from None
    if not answer.kubeconfigs or not answer.kubeconfigs[0].value:
        raise Invalid(f"Azure names no way into {what}")
    text = bytes(answer.kubeconfigs[0].value).decode()
    return from_kubeconfig_text(text, login=EntraToken(arm.credential(), clock))


class EntraToken:
    """A token of the cluster's, renewed while it is used. Safe for several threads."""

    def __init__(self, credential: TokenCredential, clock: Clock = utc_now) -> None:
        self._credential, self._clock = credential, clock
        self._known: AccessToken | None = None
        self._lock = threading.Lock()

    def __call__(self) -> str:
        """Raises Unauthorized when Entra gives none."""
        with self._lock:
            left = self._known.expires_on - self._clock().timestamp() if self._known else 0
            if self._known is None or left < _RENEW_SECONDS:
                with arm_errors("get an Entra token for the cluster"):
                    self._known = self._credential.get_token(SCOPE)
            return self._known.token
