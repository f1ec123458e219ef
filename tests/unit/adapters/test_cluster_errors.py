"""What the cluster adapter makes of every unkind answer, said by a scripted server."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from lifeboat.adapters import http_json
from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.kubeconfig import Endpoint
from lifeboat.errors import (
    AlreadyExists,
    ClusterUnreachable,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    LifeboatError,
    NotFound,
    Throttled,
    Unauthorized,
    WebhookUnreachable,
)
from tests.support.kinds import CONFIG_MAP
from tests.support.scripted_server import Answer, Script, ok, refused, scripted_server
from tests.support.turned_clock import TurnedClock

TOKEN = "very-secret-token"


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted_server() as running:
        yield running


def client(script: Script, patience: float = 10.0) -> ClusterApi:
    endpoint = Endpoint(script.url, f"{script.url} as tester", token=lambda: TOKEN)
    return ClusterApi(endpoint, patience=patience)


def page(*names: str, more: str = "", version: str = "7") -> Answer:
    metadata: dict[str, Any] = {"resourceVersion": version}
    if more:
        metadata |= {"continue": more, "remainingItemCount": 1}
    return ok({"metadata": metadata, "items": [{"metadata": {"name": name}} for name in names]})


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused(401, "Unauthorized", "Unauthorized"), Unauthorized),
        (refused(403, "Forbidden", 'cannot get "x"'), Forbidden),
        (refused(404, "NotFound", 'configmaps "x" not found'), NotFound),
        (refused(409, "AlreadyExists", '"x" already exists'), AlreadyExists),
        (refused(409, "Conflict", "the object has been modified"), Conflict),
        (refused(410, "Expired", "too old"), Expired),
        (refused(422, "Invalid", "spec is wrong"), Invalid),
        (refused(400, "BadRequest", "bad"), Invalid),
        (refused(405, "MethodNotAllowed", "no"), Invalid),
        (Answer(302, b"", {"Location": "http://192.0.2.1/login"}), Invalid),
    ],
)
def test_each_status_is_one_error_with_the_servers_reason(
    script: Script, answer: Answer, error: type[LifeboatError]
) -> None:
    script.answers = [answer]
    script.by_path["/readyz"] = [Answer(body=b"ok")]
    with pytest.raises(error) as caught:
        client(script).get(CONFIG_MAP, "ns", "x")
    said = json.loads(answer.body or b"{}").get("message", "HTTP 302")
    assert said in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert len([asked for asked in script.requests if asked.path != "/readyz"]) == 1


def test_a_server_that_does_not_know_its_roles_yet_is_not_believed(script: Script) -> None:
    """As watched on 1.36: between listening and being ready it forbids everything."""
    script.answers = [refused(403, "Forbidden", 'cannot get "x"'), ok({"metadata": {"name": "x"}})]
    forbidden = refused(403, "Forbidden", 'cannot get path "/readyz"')
    script.by_path["/readyz"] = [forbidden, Answer(500, b"[-]informer-sync"), Answer(body=b"ok")]
    assert client(script).get(CONFIG_MAP, "ns", "x")["metadata"]["name"] == "x"


def test_of_many_refusals_one_asks_whether_the_server_is_ready(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = TurnedClock()
    monkeypatch.setattr(http_json, "monotonic", lambda: clock.ahead.total_seconds())
    script.answers = [refused(403, "Forbidden", "cannot get anything")]
    script.by_path["/readyz"] = [Answer(body=b"ok")]
    api = client(script)

    def asked_ready(refusals: int) -> int:
        before = [one.path for one in script.requests].count("/readyz")
        for _ in range(refusals):
            with pytest.raises(Forbidden):
                api.get(CONFIG_MAP, "ns", "x")
        return [one.path for one in script.requests].count("/readyz") - before

    assert asked_ready(20) == 1
    clock.pause(10)
    assert asked_ready(20) == 1, "it may have been started anew"


def test_a_server_that_never_says_it_is_ready_is_believed_and_asked_no_more(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = TurnedClock()
    monkeypatch.setattr(http_json, "monotonic", lambda: clock.ahead.total_seconds())
    monkeypatch.setattr(http_json, "pause", clock.pause)
    script.answers = [refused(403, "Forbidden", "cannot get anything")]
    api = client(script)
    with pytest.raises(Forbidden):
        api.get(CONFIG_MAP, "ns", "x")
    asked = len(script.requests)
    assert 10 < asked < 100
    with pytest.raises(Forbidden):
        api.get(CONFIG_MAP, "ns", "x")
    assert len(script.requests) == asked + 1


def test_an_answer_that_is_no_status_names_the_request(script: Script) -> None:
    script.answers = [Answer(404, b"404 page not found")]
    with pytest.raises(NotFound, match=r"HTTP 404.*GET /api/v1/namespaces/ns/configmaps/x"):
        client(script).get(CONFIG_MAP, "ns", "x")


@pytest.mark.parametrize("method", ["get", "create"])
@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_is_obeyed(script: Script, code: int, method: str) -> None:
    wait = refused(code, "TooManyRequests", "slow down", Retry_After="1")
    script.answers = [wait, ok({"metadata": {"name": "x"}})]
    began = time.monotonic()
    api = client(script)
    if method == "get":
        api.get(CONFIG_MAP, "ns", "x")
    else:
        api.create(CONFIG_MAP, "ns", {"metadata": {"name": "x"}})
    assert time.monotonic() - began >= 1.0
    assert len(script.requests) == 2


def test_beyond_the_patience_it_is_throttled_at_once(script: Script) -> None:
    script.answers = [refused(429, "TooManyRequests", "slow down", Retry_After="30")]
    with pytest.raises(Throttled, match="slow down") as caught:
        client(script, patience=5.0).get(CONFIG_MAP, "ns", "x")
    assert caught.value.retry_after == 30.0
    assert len(script.requests) == 1


@pytest.mark.parametrize("after", ["0", "Fri, 31 Dec 1999 23:59:59 GMT", "-1"])
def test_an_odd_retry_after_is_no_storm(script: Script, after: str) -> None:
    script.answers = [refused(429, "TooManyRequests", "slow down", Retry_After=after)]
    with pytest.raises(Throttled):
        client(script, patience=0.5).get(CONFIG_MAP, "ns", "x")
    assert len(script.requests) <= 6


def test_a_server_error_is_tried_again_for_a_read(script: Script) -> None:
    broken = refused(500, "InternalError", "etcdserver: leader changed")
    script.answers = [broken, broken, ok({"metadata": {"name": "x"}})]
    assert client(script).get(CONFIG_MAP, "ns", "x")["metadata"]["name"] == "x"


def test_a_server_error_that_stays_is_told(script: Script) -> None:
    script.answers = [refused(503, "ServiceUnavailable", "the server is unable to handle it")]
    with pytest.raises(ClusterUnreachable, match="503: the server is unable"):
        client(script).get(CONFIG_MAP, "ns", "x")
    assert len(script.requests) == 4


def test_a_broken_conversion_webhook_is_no_passing_error(script: Script) -> None:
    message = 'conversion webhook for shop.example/v1, Kind=Order failed: Post "https://x": EOF'
    script.answers = [refused(500, "InternalError", message)]
    with pytest.raises(Invalid, match="conversion webhook"):
        list(client(script).list_pages(CONFIG_MAP))
    assert len(script.requests) == 1


def test_a_webhook_that_does_not_answer_is_asked_once_more_and_named(script: Script) -> None:
    """Also for a create: nothing was stored."""
    message = 'Internal error occurred: failed calling webhook "gate.example.com": no endpoints'
    script.answers = [refused(500, "InternalError", message)]
    with pytest.raises(WebhookUnreachable, match=r"webhook gate\.example\.com .*no endpoints"):
        client(script).make(CONFIG_MAP, "ns", {"metadata": {"name": "x"}})
    assert len(script.requests) == 2


def test_a_webhook_that_denies_with_a_server_error_has_said_no(script: Script) -> None:
    message = 'admission webhook "gate.example.com" denied the request: not today'
    script.answers = [refused(500, "InternalError", message)]
    with pytest.raises(Invalid, match="not today"):
        client(script).make(CONFIG_MAP, "ns", {"metadata": {"name": "x"}})


def test_half_a_page_is_asked_for_again(script: Script) -> None:
    whole = page("a", "b")
    script.answers = [Answer(body=whole.body, cut=20), whole]
    pages = list(client(script).list_pages(CONFIG_MAP))
    assert [len(one.items) for one in pages] == [2]
    assert len(script.requests) == 2


def test_a_create_that_broke_off_is_not_repeated(script: Script) -> None:
    script.answers = [Answer(201, b'{"metadata": {}}', cut=3)]
    with pytest.raises(ClusterUnreachable):
        client(script).create(CONFIG_MAP, "ns", {"metadata": {"name": "x"}})
    assert len(script.requests) == 1


@pytest.mark.parametrize("body", [b"<html>please log in</html>", b'{"items": 3}', b"", b"[]"])
def test_a_page_that_is_no_list_is_not_taken_for_an_empty_one(script: Script, body: bytes) -> None:
    script.answers = [Answer(body=body)]
    with pytest.raises(ClusterUnreachable, match="not the JSON of an API server"):
        list(client(script).list_pages(CONFIG_MAP))


def test_a_continue_token_that_expired_ends_the_list(script: Script) -> None:
    script.answers = [page("a", more="t"), refused(410, "Expired", "token is too old")]
    pages = client(script).list_pages(CONFIG_MAP)
    assert len(next(pages).items) == 1
    with pytest.raises(Expired, match="too old"):
        next(pages)


def test_a_list_that_goes_on_at_another_version_is_expired(script: Script) -> None:
    script.answers = [page("a", more="t", version="7"), page("b", version="8")]
    with pytest.raises(Expired, match="another resourceVersion"):
        list(client(script).list_pages(CONFIG_MAP))


def test_big_pages_make_the_next_ones_smaller(script: Script) -> None:
    assert limits_after(script, objects=100, size=9 * 1024 * 1024) == ["500", "66"]
    assert limits_after(script, objects=1, size=9 * 1024 * 1024) == ["500", "25"]


def test_small_pages_make_the_next_ones_larger(script: Script) -> None:
    assert limits_after(script, objects=500, size=3 * 1024 * 1024) == ["500", "992"]
    assert limits_after(script, objects=500, size=1000) == ["500", "5000"]


def test_pages_of_a_wanted_size_stay_so(script: Script) -> None:
    assert limits_after(script, objects=1, size=9 * 1024 * 1024, limit=10) == ["10", "10"]


def limits_after(script: Script, *, objects: int, size: int, limit: int = 0) -> list[str]:
    """How many objects the first and the second request of a list ask for."""
    one = {"metadata": {"name": "x"}, "data": {"k": "x" * (size // objects)}}
    metadata = {"resourceVersion": "7", "continue": "t"}
    script.answers = [ok({"metadata": metadata, "items": [one] * objects}), page("b")]
    begun = len(script.requests)
    list(client(script).list_pages(CONFIG_MAP, limit=limit))
    asked = script.requests[begun:]
    return [request.path.partition("limit=")[2].partition("&")[0] for request in asked]


def test_a_page_is_asked_for_only_when_it_is_wanted(script: Script) -> None:
    script.answers = [page("a", more="t"), page("b")]
    pages = client(script).list_pages(CONFIG_MAP)
    next(pages)
    assert len(script.requests) == 1


def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(ClusterUnreachable, match=f"{url} does not answer") as caught:
            ClusterApi(Endpoint(url, url)).get(CONFIG_MAP, "ns", "x")
    assert "0x" not in str(caught.value)


def test_a_token_is_read_anew_for_every_request(script: Script) -> None:
    tokens = iter(["first", "second"])
    api = ClusterApi(Endpoint(script.url, "x", token=lambda: next(tokens)))
    api.get(CONFIG_MAP, "ns", "x")
    api.get(CONFIG_MAP, "ns", "x")
    sent = [request.headers["Authorization"] for request in script.requests]
    assert sent == ["Bearer first", "Bearer second"]


def test_threads_share_a_bounded_pool(script: Script) -> None:
    script.answers = [ok({"metadata": {"name": "x"}})]
    api = client(script)
    threads = [
        threading.Thread(target=api.get, args=(CONFIG_MAP, "ns", f"x{n}")) for n in range(64)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(script.requests) == 64


RESOURCES = {
    "resources": [
        {"name": "things", "kind": "Thing", "namespaced": True, "verbs": ["list"]},
        {"name": "things/status", "kind": "Thing", "namespaced": True, "verbs": ["get"]},
    ]
}


def test_old_servers_are_discovered_group_by_group(script: Script) -> None:
    versions = [{"version": "v2"}, {"version": "v1"}]
    script.by_path = {
        "/version": [ok({"gitVersion": "v1.25.0"})],
        "/api": [ok({"kind": "APIVersions", "versions": ["v1"]})],
        "/api/v1": [ok(RESOURCES)],
        "/apis": [
            ok(
                {
                    "kind": "APIGroupList",
                    "groups": [
                        {"name": "good.example", "versions": versions},
                        {"name": "down.example", "versions": [{"version": "v1"}]},
                    ],
                }
            )
        ],
        "/apis/good.example/v1": [ok(RESOURCES)],
        "/apis/good.example/v2": [ok(RESOURCES)],
        "/apis/down.example/v1": [refused(503, "ServiceUnavailable", "no endpoints")],
    }
    found = client(script).discover()
    assert [(k.api_version, k.plural, k.versions) for k in found.kinds] == [
        ("v1", "things", ("v1",)),
        ("good.example/v2", "things", ("v2", "v1")),
    ]
    assert list(found.failures) == ["down.example/v1"]
    assert "no endpoints" in found.failures["down.example/v1"]
    assert found.server_version == "v1.25.0"


def test_a_stale_version_is_a_failure_with_the_service_s_own_reason(script: Script) -> None:
    resource = {"resource": "things", "responseKind": {"kind": "Thing"}, "scope": "Cluster",
                "verbs": ["list"]}  # fmt: skip
    conditions = [{"type": "Available", "status": "False", "message": "no endpoints"}]
    groups = [
        {"metadata": {"name": "good.example"},
         "versions": [{"version": "v1", "resources": [resource], "freshness": "Current"}]},
        {"metadata": {"name": "down.example"},
         "versions": [{"version": "v1", "resources": [resource], "freshness": "Stale"}]},
    ]  # fmt: skip
    script.by_path = {
        "/version": [ok({"gitVersion": "v1.36.3"})],
        "/api": [ok({"kind": "APIGroupDiscoveryList", "items": []})],
        "/apis": [ok({"kind": "APIGroupDiscoveryList", "items": groups})],
        "/apis/apiregistration.k8s.io/v1/apiservices/v1.down.example": [
            ok({"status": {"conditions": conditions}})
        ],
    }
    found = client(script).discover()
    assert [kind.group for kind in found.kinds] == ["good.example"]
    assert "no endpoints" in found.failures["down.example/v1"]
    assert all("as=APIGroupDiscoveryList" in request.headers["Accept"]
               for request in script.requests if request.path in ("/api", "/apis"))  # fmt: skip


def test_a_handshake_that_breaks_off_is_no_word_on_the_certificate() -> None:
    """A server that restarts, or a network that is cut, ends it; trying again helps."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = 0

        def hang_up() -> None:
            nonlocal asked
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        asked += 1
                        connection.recv(4096)  # all of the hello, so that the end is no reset

        listener = threading.Thread(target=hang_up, daemon=True)
        listener.start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        cluster = ClusterApi(Endpoint(url, f"{url} as tester", token=lambda: TOKEN))
        with pytest.raises(ClusterUnreachable, match="does not answer"):
            cluster.get(CONFIG_MAP, "shop", "settings")
        server.shutdown(socket.SHUT_RDWR)
        listener.join()
    assert asked > 1
