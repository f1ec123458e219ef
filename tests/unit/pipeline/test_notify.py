"""Messages as they arrive, at servers on the loopback; errors say nothing of where they went."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_string
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from typing_extensions import override

from lifeboat.errors import NotDelivered
from lifeboat.pipeline.notify import deliver
from lifeboat.policy.alerts import Email, Receiver
from lifeboat.report.concerns import Change

CHANGES = [
    Change("shop.local", "late", "entered", "{{ is <6h> old }}"),
    Change("shop.west", "damaged", "left", ""),
]
SECRET = "T0/B0/very-secret-part"


@contextmanager
def served(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Hook(BaseHTTPRequestHandler):
    """Takes every POST; answers with the server's `status`."""

    def do_POST(self) -> None:
        server: Any = self.server
        length = int(self.headers["Content-Length"])
        server.seen.append((self.path, json.loads(self.rfile.read(length))))
        self.send_response(server.status)
        self.send_header("Location", f"http://127.0.0.1:{server.server_port}/elsewhere")
        self.end_headers()

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


class Smtp(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as one mail needs."""

    @override
    def handle(self) -> None:
        server: Any = self.server
        self._say("220 ready")
        while line := self.rfile.readline().decode().strip():
            word = line.split(" ")[0].upper()
            server.lines.append(line)
            if word == "DATA":
                self._say("354 go on")
                while (text := self.rfile.readline().decode().rstrip("\r\n")) != ".":
                    server.lines.append(text)
            self._say("221 bye" if word == "QUIT" else "250 ok")
            if word == "QUIT":
                return

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), Hook)
    server.seen, server.status = [], 200
    monkeypatch.setenv("HOOK", f"http://127.0.0.1:{server.server_port}/{SECRET}")
    with served(server):
        yield server


def test_slack_gets_a_text(hook: Any) -> None:
    deliver(Receiver(name="ops", slack="env:HOOK"), CHANGES)
    text = (
        "Lifeboat: 1 new, 1 over\n"
        "shop.local: late: {{ is <6h> old }}\n"
        "shop.west: not damaged any more"
    )
    assert hook.seen == [(f"/{SECRET}", {"text": text})]


def test_a_webhook_gets_each_change_too(hook: Any) -> None:
    deliver(Receiver(name="ops", webhook="env:HOOK"), CHANGES)
    ((_, document),) = hook.seen
    assert document["changes"] == [
        {
            "instance": "shop.local",
            "concern": "late",
            "state": "entered",
            "text": "{{ is <6h> old }}",
        },
        {"instance": "shop.west", "concern": "damaged", "state": "left", "text": ""},
    ]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_is_not_taken_is_an_error_without_the_address(hook: Any, status: int) -> None:
    hook.status = status
    with pytest.raises(NotDelivered, match=str(status)) as caught:
        deliver(Receiver(name="ops", slack="env:HOOK"), CHANGES)
    assert "secret" not in str(caught.value)
    assert len(hook.seen) == 1, "redirects are not followed, and the next round tries again"


@pytest.mark.parametrize("place", [f"http://127.0.0.1:9/{SECRET}", f"no url {SECRET}"])
def test_an_address_where_nobody_is_stays_hidden(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("HOOK", place)
    with pytest.raises(NotDelivered) as caught:
        deliver(Receiver(name="ops", webhook="env:HOOK"), CHANGES)
    assert "secret" not in str(caught.value)


def test_a_mail_goes_through_airflows_own_notifier(monkeypatch: pytest.MonkeyPatch) -> None:
    server: Any = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Smtp)
    server.lines = []
    connection = {
        "conn_type": "smtp",
        "host": "127.0.0.1",
        "port": server.server_address[1],
        "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "me@example.com"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_MAIL", json.dumps(connection))
    email = Email(to=("ops@example.com", "boss@example.com"), connection="mail")
    with served(server):
        deliver(Receiver(name="ops", email=email), CHANGES)
    text = "\n".join(server.lines)
    mail = message_from_string(text.partition("\ndata\n")[2])
    (part,) = [part for part in mail.walk() if part.get_content_type() == "text/html"]
    body = part.get_payload(decode=True)
    assert "mail FROM:<me@example.com>" in text
    assert "rcpt TO:<ops@example.com>" in text
    assert "rcpt TO:<boss@example.com>" in text
    assert "Subject: Lifeboat: 1 new, 1 over" in text
    assert isinstance(body, bytes)
    assert b"shop.local: late: {{ is &lt;6h&gt; old }}" in body, "escaped, and not rendered"


def test_a_mail_that_nobody_takes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"disable_ssl": True, "disable_tls": True, "retry_limit": 1, "from_email": "a@b.c"}
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": 9, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_MAIL", json.dumps(connection))
    receiver = Receiver(name="ops", email=Email(to=("ops@example.com",), connection="mail"))
    with pytest.raises(NotDelivered):
        deliver(receiver, CHANGES)
