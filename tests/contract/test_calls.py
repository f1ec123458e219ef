"""What every adapter of the Calls port keeps: in memory, and over HTTP to a server on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lifeboat.adapters.calls_http import HttpCalls
from lifeboat.errors import HookFailed, NotReady, UsageError
from lifeboat.ports.calls import Call, Calls
from local.ports import free_ports
from tests.support.fake_calls import FakeCalls, Heard

SECRETS = {"env:TOKEN": "Bearer s3cr3t\n", "env:TWO": "s3cr3t\r\nX-Admin: 1", "env:FAR": "s3cr3t ü"}


def resolve(place: str) -> str:
    if place not in SECRETS:
        raise UsageError(f"the environment variable {place.removeprefix('env:')} is not set")
    return SECRETS[place]


@dataclass
class Place:
    """`url` answers by path: /204 and the like with that status, /away leads to /200, /slow never
    answers; nobody listens at `nowhere`."""

    calls: Calls
    url: str
    nowhere: str
    heard: list[Heard]

    def call(self, path: str, method: str = "POST", body: str = "", **headers: str) -> int:
        call = Call(method, self.url + path, body, tuple(headers.items()))
        return self.calls.call(call, 5 if path != "/slow" else 0.2)


@contextmanager
def server(heard: list[Heard]) -> Iterator[str]:
    leave = threading.Event()

    class Answers(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            path = self.path.partition("?")[0]
            heard.append(Heard(self.command, path, dict(self.headers.items()), body))
            if path == "/slow":
                leave.wait()
                return
            self.send_response(307 if path == "/away" else int(path[1:]))
            if path == "/away":
                self.send_header("Location", "/200")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - their names are the library's

        def log_message(self, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_address[1]}"
        finally:
            leave.set()
            listening.shutdown()
            thread.join()


@pytest.fixture(params=["memory", "http"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    (unused,) = free_ports(1)
    nowhere = f"http://127.0.0.1:{unused}"
    if request.param == "memory":
        fake = FakeCalls(resolve)
        fake.answers |= {f"/{status}": status for status in (200, 204, 404, 503)}
        fake.answers |= {
            "/away": 307,
            "/slow": NotReady("POST /slow was not answered within 0.2 s"),
        }
        fake.answers["/nowhere"] = HookFailed("POST could not be sent")
        yield Place(fake, "http://shop.example.com", "http://shop.example.com", fake.heard)
        return
    heard: list[Heard] = []
    with server(heard) as url:
        yield Place(HttpCalls(resolve), url, nowhere, heard)


@pytest.mark.parametrize("status", [200, 204, 404, 503])
def test_the_status_is_told_whatever_it_is(place: Place, status: int) -> None:
    assert place.call(f"/{status}") == status
    assert len(place.heard) == 1, "it is sent once, also when it is refused"


def test_what_is_sent_arrives(place: Place) -> None:
    place.call("/200", "PUT", '{"readOnly": "ü"}', Authorization="env:TOKEN")
    (heard,) = place.heard
    assert (heard.method, heard.path, heard.body) == ("PUT", "/200", '{"readOnly": "ü"}')
    assert heard.headers["Authorization"] == "Bearer s3cr3t"


def test_it_is_led_nowhere_else(place: Place) -> None:
    assert place.call("/away", Authorization="env:TOKEN") == 307
    assert [one.path for one in place.heard] == ["/away"]


def test_nobody_answers(place: Place) -> None:
    with pytest.raises(NotReady, match=r"not answered within 0\.2 s"):
        place.call("/slow")


def test_nobody_is_there_and_no_secret_is_told(place: Place) -> None:
    call = Call("POST", f"{place.nowhere}/nowhere?key=s3cr3t", "s3cr3t", (("X", "env:TOKEN"),))
    with pytest.raises(HookFailed, match="could not be sent") as caught:
        place.calls.call(call, 5)
    assert "s3cr3t" not in str(caught.value)
    assert "s3cr3t" not in repr(call)


@pytest.mark.parametrize("reference", ["env:NONE", "env:TWO", "env:FAR"])
def test_a_header_that_cannot_be_sent_is_named_and_not_shown(place: Place, reference: str) -> None:
    with pytest.raises(UsageError) as caught:
        place.call("/200", Authorization=reference)
    assert "s3cr3t" not in str(caught.value)
    assert place.heard == []
