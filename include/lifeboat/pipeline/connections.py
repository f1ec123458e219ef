"""Credentials from Airflow's Connections, as the engine wants them. An allow-list: a field that is
not named here is not read, and one that would weaken the connection is refused.

Airflow masks passwords and extras of a connection in logs; nothing here logs or stores any (P8).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowRuntimeError

from lifeboat.adapters.azure_arm import ArmSettings
from lifeboat.adapters.flows_airflow import AirflowSettings
from lifeboat.adapters.registry_login import Login
from lifeboat.adapters.store_azure_settings import AzureSettings
from lifeboat.adapters.store_s3_settings import S3Settings
from lifeboat.errors import UsageError

_BLOB_DOMAIN = "blob.core.windows.net"


class AirflowConnections:
    """`lifeboat.wiring.Connections`, kept by Airflow (database, environment or secrets backend)."""

    def kubeconfig(self, connection: str) -> str:
        """From type `kubernetes`: kube_config (text) or kube_config_path, or "" for in_cluster."""
        found = _find(connection, "kubernetes")
        extra = _extra(found, "kubernetes")
        if extra.get("disable_verify_ssl"):
            raise UsageError(
                f"connection {connection} turns certificate checks off (disable_verify_ssl)",
                hint="put the cluster's certificate authority into the kubeconfig instead",
            )
        ways = [k for k in ("in_cluster", "kube_config", "kube_config_path") if extra.get(k)]
        if len(ways) != 1:
            raise UsageError(
                f"connection {connection} has {' and '.join(ways) or 'none'} of in_cluster,"
                " kube_config and kube_config_path",
                hint="give exactly one of them",
            )
        if ways == ["in_cluster"]:
            return ""
        text = _kubeconfig_text(connection, extra)
        context = extra.get("cluster_context")
        return _at_context(connection, text, str(context)) if context else text

    def azure(
        self, connection: str, account_url: str, container: str, prefix: str
    ) -> AzureSettings:
        """From type `wasb`; AzureSettings says which fields, and which comes first. From type
        `azure`: tenantId with login and password, or the same identities as in `wasb`."""
        found = _find(connection, "wasb", "azure")
        extra = _extra(found, str(found.conn_type))
        if found.conn_type == "azure":
            credential = _entra_credential(connection, found, extra)
            return AzureSettings(container, prefix, account_url, **credential)
        text = extra.get("connection_string")
        if text:
            return AzureSettings(container, prefix, connection_string=text)
        url, credential = _azure_credential(found, extra)
        named = _account_url(found, extra, url, account_url)
        return AzureSettings(container, prefix, named, **credential)

    def s3(self, connection: str, bucket: str, prefix: str) -> S3Settings:
        """From type `aws`: login and password as keys (or aws_access_key_id and
        aws_secret_access_key), aws_session_token, profile_name, region_name, endpoint_url."""
        found = _find(connection, "aws")
        extra = _extra(found, "aws")
        if found.extra_dejson.get("verify") in (False, "false", "False"):
            raise UsageError(
                f"connection {connection} turns certificate checks off (verify)",
                hint="name the certificate authority in AWS_CA_BUNDLE instead",
            )
        if extra.get("role_arn"):
            raise UsageError(
                f"connection {connection} assumes a role (role_arn), which Lifeboat does not",
                hint="put role_arn into a profile of ~/.aws/config and name it as profile_name",
            )
        return S3Settings(
            bucket,
            prefix,
            endpoint=str(extra.get("endpoint_url", "")),
            region=str(extra.get("region_name", "")),
            access_key_id=found.login or extra.get("aws_access_key_id", ""),
            secret_access_key=found.password or extra.get("aws_secret_access_key", ""),
            session_token=extra.get("aws_session_token", ""),
            profile=str(extra.get("profile_name", "")),
        )

    def arm(self, connection: str) -> ArmSettings:
        """From type `azure`: tenantId with login and password, or the identities of `wasb`."""
        found = _find(connection, "azure")
        extra = _extra(found, "azure")
        return ArmSettings(**_entra_credential(connection, found, extra))

    def airflow(self, connection: str) -> AirflowSettings:
        """From type `http`: host (with a scheme, or schema beside it), port, login, password."""
        found = _find(connection, "http")
        host = str(found.host or "").rstrip("/")
        if not host or not found.login or not found.password:
            raise UsageError(
                f"connection {connection}: host, login and password are not all there",
                hint="name Airflow's own API server and a user of it",
            )
        url = host if "://" in host else f"{found.schema or 'http'}://{host}"
        return AirflowSettings(
            f"{url}:{found.port}" if found.port else url, found.login, found.password
        )

    def secret(self, connection: str) -> str:
        """The password of a connection of any type."""
        password = _find(connection).password
        if not password:
            raise UsageError(f"connection {connection} has no password")
        return str(password)

    def login(self, connection: str) -> Login:
        """Login and password of a connection of any type."""
        found = _find(connection)
        if not found.login or not found.password:
            raise UsageError(f"connection {connection} lacks a login or a password")
        return Login(found.login, found.password)


def _find(connection: str, *kinds: str) -> Connection:
    try:
        found: Connection = Connection.get(connection)
    except (AirflowNotFoundException, AirflowRuntimeError):
        raise UsageError(
            f"Airflow has no connection {connection}",
            hint="make it under Admin, Connections, or as AIRFLOW_CONN_… in the environment",
        ) from None
    if kinds and found.conn_type not in kinds:
        raise UsageError(
            f"connection {connection} is of type {found.conn_type}, not {' or '.join(kinds)}"
        )
    return found


def _extra(found: Connection, kind: str) -> dict[str, Any]:
    """Extras without the prefix that older Airflow versions stored them under; empty ones gone."""
    prefix = f"extra__{kind}__"
    return {key.removeprefix(prefix): value for key, value in found.extra_dejson.items() if value}


def _kubeconfig_text(connection: str, extra: dict[str, Any]) -> str:
    config = extra.get("kube_config")
    if config:
        return config if isinstance(config, str) else json.dumps(config)
    path = Path(str(extra["kube_config_path"])).expanduser()
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise UsageError(f"connection {connection}: cannot read {path}: {reason}") from None


def _at_context(connection: str, text: str, context: str) -> str:
    import yaml

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        document = None
    if not isinstance(document, dict):
        raise UsageError(f"connection {connection}: its kubeconfig is not valid YAML") from None
    return json.dumps({**document, "current-context": context})


def _azure_credential(found: Connection, extra: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """An account URL that the credential brings along (a whole SAS URL), and the credential."""
    if extra.get("tenant_id"):
        return "", {
            "tenant_id": extra["tenant_id"],
            "client_id": found.login or "",
            "client_secret": found.password or "",
        }
    key = extra.get("shared_access_key") or found.password or extra.get("account_key")
    if key:
        return "", {"account_key": key}
    token = str(extra.get("sas_token", ""))
    if token:
        url, question, signature = token.partition("?")
        return (url, {"sas_token": signature}) if question and url else ("", {"sas_token": token})
    return "", _azure_identity(extra)


def _entra_credential(connection: str, found: Connection, extra: dict[str, Any]) -> dict[str, Any]:
    """Of the connection type of Azure Resource Manager, which knows no storage account."""
    if not found.login and not found.password:
        return _azure_identity(extra)
    if not (found.login and found.password and extra.get("tenantId")):
        raise UsageError(
            f"connection {connection}: login (client id), password (secret) and tenantId are not"
            " all there",
            hint="give all three, or none and an identity",
        )
    return {
        "tenant_id": str(extra["tenantId"]),
        "client_id": found.login,
        "client_secret": found.password,
    }


def _azure_identity(extra: dict[str, Any]) -> dict[str, Any]:
    if extra.get("workload_identity_tenant_id") or extra.get("workload_identity_client_id"):
        return {
            "identity": "workload-identity",
            "tenant_id": extra.get("workload_identity_tenant_id", ""),
            "client_id": extra.get("workload_identity_client_id", ""),
        }
    if extra.get("managed_identity_client_id"):
        return {
            "identity": "managed-identity",
            "client_id": extra["managed_identity_client_id"],
        }
    return {"identity": "default"}


def _account_url(found: Connection, extra: dict[str, Any], brought: str, otherwise: str) -> str:
    """With tenant_id the login is a client id and names no account."""
    host = str(brought or found.host or extra.get("account_host") or "")
    if not host and found.login and not extra.get("tenant_id"):
        host = f"{found.login}.{_BLOB_DOMAIN}"
    if not host:
        return otherwise
    return host if "://" in host else f"https://{host}"
