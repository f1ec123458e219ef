"""A stand-in for Azure Key Vault's keys: HTTPS, its challenge, real RSA, and answers on order."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from lifeboat.adapters.key_azure import AzureVaultKey
from tests.support.static_credential import StaticCredential

TOKEN = "a-token-of-the-tests"
_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


@dataclass
class KeyVault:
    """`keys` are the private keys by name/version; `failures` answer the next calls instead."""

    ca: Path
    url: str = ""
    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)
    failures: list[tuple[int, str, dict[str, str]]] = field(default_factory=list)
    may_read: bool = True
    asked: list[str] = field(default_factory=list)

    def new_version(self, name: str = "lifeboat") -> str:
        """Adds a version of a key; returns it."""
        version = f"{len(self.keys) + 1:032x}"
        self.keys[f"{name}/{version}"] = rsa.generate_private_key(65537, 2048)
        self.newest[name] = version
        return version

    def key(
        self, version: str = "", name: str = "lifeboat", credential: StaticCredential | None = None
    ) -> AzureVaultKey:
        """As wiring makes it, but for the certificate and the domain of the challenge."""
        return AzureVaultKey(
            f"{self.url}/keys/{name}",
            version,
            credential or StaticCredential(TOKEN),
            retries=1,
            connection_verify=str(self.ca),
            verify_challenge_resource=False,
        )

    def fail(self, status: int, code: str, times: int = 1, **headers: str) -> None:
        """Answer the next operations (after the challenge) with an error."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.failures += [(status, code, named)] * times

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """One authenticated call."""
        parts = path.strip("/").split("/")[1:]
        name, version = (
            parts[0],
            (parts[1] if len(parts) > 1 else "") or self.newest.get(parts[0], ""),
        )
        private = self.keys.get(f"{name}/{version}")
        if private is None:
            return 404, _error("KeyNotFound")
        kid = f"{self.url}/keys/{name}/{version}"
        if method == "GET":
            return (200, _bundle(kid, private)) if self.may_read else (403, _error("Forbidden"))
        value = _bytes(body["value"])
        if path.endswith("/wrapkey"):
            return 200, {"kid": kid, "value": _text(private.public_key().encrypt(value, _OAEP))}
        try:
            return 200, {"kid": kid, "value": _text(private.decrypt(value, _OAEP))}
        except ValueError:
            return 400, _error("BadParameter")


@contextmanager
def key_vault(folder: Path) -> Iterator[KeyVault]:
    """A stand-in on a free loopback port; `folder` takes its certificate authority."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "key-vault-ca.pem")
    vault = KeyVault(folder / "key-vault-ca.pem")
    handler = type("Handler", (_Handler,), {"vault": vault})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(tls)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        vault.url = f"https://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield vault
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    vault: KeyVault

    def handle_any(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        given = self.headers.get("Authorization", "")
        if given != f"Bearer {TOKEN}":
            # The service challenges who comes without a token, and who comes with a wrong one.
            challenge = (
                'Bearer authorization="https://login.microsoftonline.com/tenant",'
                ' resource="https://vault.azure.net"'
            )
            self._send(401, _error("Unauthorized"), {"WWW-Authenticate": challenge})
            return
        self.vault.asked.append(f"{self.command} {path}")
        if self.vault.failures:
            status, code, headers = self.vault.failures.pop(0)
            self._send(status, _error(code), headers)
            return
        self._send(*self.vault.answer(self.command, path, json.loads(text or b"{}")), {})

    do_GET = do_POST = handle_any  # noqa: N815 - http.server's names

    def _send(self, status: int, body: dict[str, Any], headers: dict[str, str]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def _bundle(kid: str, private: rsa.RSAPrivateKey) -> dict[str, Any]:
    numbers = private.public_key().public_numbers()
    return {
        "key": {
            "kid": kid,
            "kty": "RSA",
            "key_ops": ["wrapKey", "unwrapKey"],
            "n": _text(numbers.n.to_bytes(256, "big")),
            "e": _text(numbers.e.to_bytes(3, "big")),
        },
        "attributes": {"enabled": True},
    }


def _error(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": f"{code}, says the stand-in"}}


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
