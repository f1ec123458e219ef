"""Kubeconfigs: what is read here, what goes to the official client, and what is refused clearly."""

from __future__ import annotations

import base64
import json
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lifeboat.adapters.kubeconfig import Endpoint, from_kubeconfig, from_kubeconfig_text, in_cluster
from lifeboat.errors import Unauthorized, UsageError

SECRET = "very-secret-token"
Write = Callable[..., Path]


def document(user: dict[str, Any], **cluster: Any) -> dict[str, Any]:
    server = {"server": "https://one.example:6443", **cluster}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [
            {"name": "c1", "cluster": server},
            {"name": "c2", "cluster": {"server": "https://two.example/"}},
        ],
        "users": [{"name": "u1", "user": user}, {"name": "u2", "user": {"token": "second"}}],
        "contexts": [
            {"name": "one", "context": {"cluster": "c1", "user": "u1"}},
            {"name": "two", "context": {"cluster": "c2", "user": "u2"}},
            {"name": "nobody", "context": {"cluster": "c2"}},
        ],
    }


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(user: dict[str, Any], **cluster: Any) -> Path:
        path = tmp_path / "config"
        path.write_text(yaml.safe_dump(document(user, **cluster)))
        return path

    return write


def token(endpoint: Endpoint) -> str:
    assert endpoint.token is not None
    return endpoint.token()


def test_the_current_context_with_a_static_token(write: Write) -> None:
    endpoint = from_kubeconfig(write({"token": SECRET}))
    assert endpoint.server == "https://one.example:6443"
    assert token(endpoint) == SECRET
    assert endpoint.describe == "https://one.example:6443 as u1"
    assert SECRET not in repr(endpoint)
    assert not endpoint.insecure


def test_another_context(write: Write) -> None:
    endpoint = from_kubeconfig(write({"token": SECRET}), "two")
    assert (endpoint.server, token(endpoint)) == ("https://two.example", "second")
    assert from_kubeconfig(write({}), "nobody").token is None


def test_the_same_from_a_text() -> None:
    endpoint = from_kubeconfig_text(yaml.safe_dump(document({"token": SECRET})), "two")
    assert token(endpoint) == "second"


def test_certificates_inline_and_from_files_beside_the_kubeconfig(
    write: Write, tmp_path: Path
) -> None:
    (tmp_path / "ca.crt").write_bytes(b"the ca")
    (tmp_path / "me.key").write_bytes(b"the key")
    certificate = base64.b64encode(b"the certificate").decode()
    user = {"client-certificate-data": certificate, "client-key": "me.key"}
    endpoint = from_kubeconfig(
        write(user, **{"certificate-authority": "ca.crt", "tls-server-name": "inside"})
    )
    assert endpoint.ca == b"the ca"
    assert (endpoint.client_cert, endpoint.client_key) == (b"the certificate", b"the key")
    assert endpoint.tls_server_name == "inside"
    assert "the key" not in repr(endpoint)


def test_a_token_file_is_read_each_time(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    endpoint = from_kubeconfig(write({"tokenFile": "token"}))
    assert token(endpoint) == "first"
    path.write_text("second\n")
    assert token(endpoint) == "second"
    path.unlink()
    with pytest.raises(Unauthorized, match="cannot read the token"):
        token(endpoint)


@pytest.fixture
def login(tmp_path: Path) -> Path:
    """A login command that counts its calls and hands out token-1, token-2, … each already old."""
    path = tmp_path / "login"
    count = tmp_path / "count"
    path.write_text(
        f"#!{sys.executable}\n"
        "import json, pathlib\n"
        f"count = pathlib.Path({str(count)!r})\n"
        "number = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(number))\n"
        "expiry = '2020-01-01T00:00:00Z' if number == 1 else '2099-01-01T00:00:00Z'\n"
        "status = {'token': f'token-{number}', 'expirationTimestamp': expiry}\n"
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1',\n"
        "                  'kind': 'ExecCredential', 'status': status}))\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def exec_user(command: Path | str) -> dict[str, Any]:
    entry = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(command),
             "interactiveMode": "Never"}  # fmt: skip
    return {"exec": entry}


@pytest.mark.parametrize("form", ["file", "text"])
def test_a_login_command_runs_when_a_token_is_needed_and_again_when_it_expired(
    write: Write, login: Path, form: str
) -> None:
    path = write(exec_user(login))
    count = login.with_name("count")
    text = path.read_text()
    endpoint = from_kubeconfig(path) if form == "file" else from_kubeconfig_text(text)
    assert not count.exists()
    assert token(endpoint).startswith("token-")
    renewed = token(endpoint)
    assert renewed == "token-2"
    assert token(endpoint) == renewed
    assert count.read_text() == "2"


def test_a_login_command_that_fails_is_told(write: Write) -> None:
    endpoint = from_kubeconfig(write(exec_user("/nowhere/login")))
    with pytest.raises(Unauthorized, match="login command gave no token") as caught:
        token(endpoint)
    assert "log in again" in caught.value.hint


def test_static_credentials_need_no_official_client(write: Write) -> None:
    """Its import would cost every task seconds."""
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from lifeboat.adapters.cluster_api import ClusterApi\n"
        "from lifeboat.adapters.kubeconfig import from_kubeconfig\n"
        "from lifeboat.adapters.disks_csi import DisksCsi\n"
        "DisksCsi(ClusterApi(from_kubeconfig(Path(sys.argv[1]))))\n"
        "print([name for name in ('kubernetes', 'pydantic', 'airflow') if name in sys.modules])\n"
    )
    include = Path(__file__).resolve().parents[3] / "include"
    command = [sys.executable, "-c", script, str(write({"token": SECRET}))]
    done = subprocess.run(
        command, capture_output=True, text=True, env={"PYTHONPATH": str(include)}, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "holds no mapping"),
        ("- a\n- b\n", "holds no mapping"),
        ("a: [unclosed", "is not YAML"),
        ("{}", "has no context ''"),
        ("contexts: [one]\n", "contexts is no list of named entries"),
        ("contexts: {one: two}\n", "contexts is no list of named entries"),
    ],
)
def test_what_is_no_kubeconfig_is_refused(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(UsageError, match=match) as caught:
        from_kubeconfig(path)
    assert str(path) in caught.value.message


def test_a_missing_context_names_those_that_exist(write: Write) -> None:
    with pytest.raises(UsageError, match="has no context 'prod'") as caught:
        from_kubeconfig(write({"token": SECRET}), "prod")
    assert caught.value.hint == "its contexts are: nobody, one, two"


def test_missing_files_are_named(write: Write, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{tmp_path}/gone: No such file"):
        from_kubeconfig(tmp_path / "gone")
    with pytest.raises(UsageError, match=f"names {tmp_path}/lost.crt, which does not exist"):
        from_kubeconfig(write({}, **{"certificate-authority": "lost.crt"}))
    with pytest.raises(UsageError, match="certificate-authority-data is not base64"):
        from_kubeconfig(write({}, **{"certificate-authority-data": "!"}))


@pytest.mark.parametrize("server", ["", "one.example:6443", 7, None])
def test_a_server_is_a_url(write: Write, server: object) -> None:
    with pytest.raises(UsageError, match="context 'one' has no server URL"):
        from_kubeconfig(write({}, server=server))


def test_what_is_not_supported_is_refused(write: Write, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="several kubeconfig files") as caught:
        from_kubeconfig(Path(f"{tmp_path}/a:{tmp_path}/b"))
    assert "--flatten" in caught.value.hint
    with pytest.raises(UsageError, match="proxy-url, which is not supported"):
        from_kubeconfig(write({}, **{"proxy-url": "http://proxy:3128"}))


def test_outside_a_pod_there_is_no_service_account() -> None:
    with pytest.raises(UsageError, match="not in a cluster"):
        in_cluster()


def test_a_pod_s_own_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lifeboat.adapters.kubeconfig._SERVICE_ACCOUNT", tmp_path)
    (tmp_path / "token").write_text("from-the-pod\n")
    (tmp_path / "ca.crt").write_bytes(b"the ca")
    endpoint = in_cluster()
    assert endpoint.server == "https://kubernetes.default.svc"
    assert (token(endpoint), endpoint.ca) == ("from-the-pod", b"the ca")
    assert json.dumps(endpoint.describe).count("service account") == 1
