"""The command line of every part of the control plane. Starts nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from local.build import Binaries
from local.credentials import Credentials
from local.processes import Child

CSI_ROOT_VARIABLE = "LIFEBOAT_FOLDER_CSI_ROOT"


@dataclass(frozen=True)
class Places:
    """Where one cluster keeps its things and which loopback ports it uses."""

    root: Path
    sockets: Path
    etcd_port: int
    api_port: int
    kubelet_port: int

    @property
    def etcd_url(self) -> str:
        """Where etcd serves clients."""
        return f"http://127.0.0.1:{self.etcd_port}"

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://127.0.0.1:{self.api_port}"

    @property
    def csi_root(self) -> Path:
        """The folder of volumes/ and snapshots/."""
        return self.root / "csi"

    @property
    def exec_config(self) -> Path:
        """What kwok is told about `exec`; exists only where that is allowed."""
        return self.root / "kwok-exec.yaml"

    @property
    def audit_policy(self) -> Path:
        """What the API server shall write down; exists only where that is wanted."""
        return self.root / "audit-policy.yaml"

    @property
    def audit_log(self) -> Path:
        """Where it writes: an audit.k8s.io/v1 Event in each line."""
        return self.root / "logs" / "audit.log"

    @property
    def csi_socket(self) -> Path:
        """The driver's Unix socket; short, as the kernel allows about 100 characters."""
        return self.sockets / "csi.sock"

    @property
    def system_kubeconfig(self) -> Path:
        """What the components use."""
        return self.root / "credentials" / "system.kubeconfig"


def children(
    places: Places, binaries: Binaries, credentials: Credentials, without: tuple[str, ...] = ()
) -> dict[str, Child]:
    """Every part by name, in the order in which they are started; `without` are API versions that
    are not served."""
    kubeconfig = f"--kubeconfig={places.system_kubeconfig}"
    arguments = {
        "etcd": _etcd(places),
        "csidriver": [f"--endpoint=unix://{places.csi_socket}"],
        "kube-apiserver": _api_server(places, credentials, without),
        "kube-controller-manager": [kubeconfig, *_controller_manager(credentials)],
        "kube-scheduler": [kubeconfig, "--leader-elect=false", "--secure-port=0"],
        "kwok": [kubeconfig, *_kwok(places, binaries, credentials)],
        "snapshot-controller": [
            kubeconfig,
            *_CLIENT_LIMITS,
            "--retry-interval-start=200ms",
            _GROUPS,
        ],
        "csi-snapshotter": [kubeconfig, *_sidecar(places), _GROUPS],
        "csi-provisioner": [kubeconfig, *_sidecar(places)],
    }
    return {
        name: Child(
            name=name,
            command=[str(binaries.program(name)), *options],
            log=places.root / "logs" / f"{name}.log",
            environment={CSI_ROOT_VARIABLE: str(places.csi_root)} if name == "csidriver" else {},
        )
        for name, options in arguments.items()
    }


_GROUPS = "--feature-gates=CSIVolumeGroupSnapshot=true"

# The defaults (5 requests a second) would make tests wait for the client, not for the cluster.
_CLIENT_LIMITS = ["--kube-api-qps=200", "--kube-api-burst=400"]


def _etcd(places: Places) -> list[str]:
    return [
        f"--data-dir={places.root / 'etcd'}",
        f"--listen-client-urls={places.etcd_url}",
        f"--advertise-client-urls={places.etcd_url}",
        "--listen-peer-urls=http://127.0.0.1:0",
        "--unsafe-no-fsync",  # a crash of the machine may lose this cluster, and nobody minds
        "--log-level=warn",
    ]


def _api_server(places: Places, credentials: Credentials, without: tuple[str, ...]) -> list[str]:
    refused = ",".join(f"{version}=false" for version in without)
    return [
        f"--etcd-servers={places.etcd_url}",
        "--bind-address=127.0.0.1",
        f"--secure-port={places.api_port}",
        # Endpoints may not name a loopback address and a laptop may have no other: this one is
        # reserved for documentation. Nothing connects to it.
        "--advertise-address=192.0.2.1",
        f"--tls-cert-file={credentials.server_certificate}",
        f"--tls-private-key-file={credentials.server_key}",
        f"--service-account-key-file={credentials.service_account_key}",
        f"--service-account-signing-key-file={credentials.service_account_key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=RBAC",
        f"--token-auth-file={credentials.token_file}",
        "--kubelet-preferred-address-types=InternalIP",
        *([f"--runtime-config={refused}"] if refused else []),
        *_audit(places),
    ]


def _audit(places: Places) -> list[str]:
    if not places.audit_policy.exists():
        return []
    return [
        f"--audit-policy-file={places.audit_policy}",
        f"--audit-log-path={places.audit_log}",
        # Written before the answer is complete, so that who got an answer finds it in the log.
        "--audit-log-mode=blocking",
    ]


def _controller_manager(credentials: Credentials) -> list[str]:
    return [
        f"--service-account-private-key-file={credentials.service_account_key}",
        f"--root-ca-file={credentials.ca}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--secure-port=0",
        *_CLIENT_LIMITS,
    ]


def _kwok(places: Places, binaries: Binaries, credentials: Credentials) -> list[str]:
    configs = sorted(binaries.kwok_stages.glob("*.yaml"))
    if places.exec_config.exists():
        configs.append(places.exec_config)
    return [
        *(f"--config={path}" for path in configs),
        "--manage-all-nodes",
        "--node-lease-duration-seconds=40",
        "--cidr=10.244.0.0/16",
        "--node-ip=127.0.0.1",
        f"--node-port={places.kubelet_port}",
        f"--server-address=127.0.0.1:{places.kubelet_port}",
        f"--tls-cert-file={credentials.server_certificate}",
        f"--tls-private-key-file={credentials.server_key}",
    ]


def _sidecar(places: Places) -> list[str]:
    return [
        f"--csi-address={places.csi_socket}",
        "--timeout=5m",
        "--retry-interval-start=200ms",
        "--retry-interval-max=10s",
        *_CLIENT_LIMITS,
    ]
