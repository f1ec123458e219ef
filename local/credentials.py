"""Who may talk to the local API server: its certificate, tokens, and kubeconfig files.

Made anew where missing, kept where a root is used again. Nothing here leaves the machine.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import secrets
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER = "lifeboat"
"""The person in the kubeconfig: cluster-admin by RBAC, but not in system:masters, so that API
fairness and RBAC treat it as they treat a user."""

SYSTEM = "local-system"
"""The control plane's own components; in system:masters."""

_CA_USAGE = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    crl_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)
_LIFETIME = datetime.timedelta(days=3650)


@dataclass(frozen=True)
class Credentials:
    """Files below `home`, and the token of each identity."""

    home: Path
    tokens: dict[str, str]

    @property
    def ca(self) -> Path:
        """The certificate that clients trust."""
        return self.home / "ca.crt"

    @property
    def server_certificate(self) -> Path:
        """For 127.0.0.1 and localhost; the fake kubelet uses it too."""
        return self.home / "server.crt"

    @property
    def server_key(self) -> Path:
        """The key of `server_certificate`."""
        return self.home / "server.key"

    @property
    def service_account_key(self) -> Path:
        """Signs ServiceAccount tokens."""
        return self.home / "service-account.key"

    @property
    def token_file(self) -> Path:
        """What kube-apiserver reads as --token-auth-file."""
        return self.home / "tokens.csv"

    def kubeconfig(self, server: str, user: str) -> str:
        """The text of a kubeconfig for `user` (USER or SYSTEM) at the URL `server`."""
        return kubeconfig_text(server, self.ca.read_bytes(), user, self.tokens[user])


def kubeconfig_text(server: str, ca: bytes, user: str, token: str) -> str:
    """The text of a kubeconfig with one cluster, one user and one context, named `local`."""
    ca_data = base64.b64encode(ca).decode()
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "local",
        "clusters": [
            {"name": "local", "cluster": {"server": server, "certificate-authority-data": ca_data}}
        ],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": user}}],
    }
    return yaml.safe_dump(document, sort_keys=False)


def ensure_credentials(home: Path) -> Credentials:
    """Make what is missing below `home` (mode 0700) and return it all."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    token_file = home / "tokens.csv"
    if not token_file.exists():
        rows = [
            f'{secrets.token_urlsafe(24)},{SYSTEM},{SYSTEM},"system:masters"',
            f"{secrets.token_urlsafe(24)},{USER},{USER}",
        ]
        write_private(token_file, "\n".join(rows) + "\n")
        _write_key(home / "service-account.key", ec.generate_private_key(ec.SECP256R1()))
        _write_certificates(home)
    fields = [line.split(",") for line in token_file.read_text().splitlines()]
    return Credentials(home=home, tokens={field[1]: field[0] for field in fields})


def write_private(path: Path, text: str) -> None:
    """Write `text` with mode 0600; the file appears whole or not at all."""
    aside = path.with_name(path.name + ".new")
    aside.unlink(missing_ok=True)
    aside.touch(mode=0o600)
    aside.write_text(text)
    aside.replace(path)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        # kube-apiserver takes no public key out of PKCS8.
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    write_private(path, pem.decode())


def _write_certificates(home: Path) -> None:
    ca_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name, server_name = _name("lifeboat-local-ca"), _name("kube-apiserver")
    ca = (
        _certificate(ca_name, ca_name, ca_key, ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_CA_USAGE, critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    names = [
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        *map(x509.DNSName, ("localhost", "kubernetes", "kubernetes.default.svc")),
    ]
    server = (
        _certificate(server_name, ca_name, server_key, ca_key)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    (home / "ca.crt").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    (home / "server.crt").write_bytes(server.public_bytes(serialization.Encoding.PEM))
    _write_key(home / "server.key", server_key)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    ca_key: ec.EllipticCurvePrivateKey,
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _LIFETIME)
        # Python 3.13 refuses chains without the two key identifiers.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
    )
