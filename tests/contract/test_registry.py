"""Whether an image can still be had: against a real registry, with and without a token."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lifeboat.adapters.registry_login import Login
from lifeboat.adapters.registry_oci import RegistriesOci
from lifeboat.point.images import ImageUse
from lifeboat.ports.registry import Answer
from lifeboat.steps.check_images import check_images, lost
from lifeboat.wiring import NoConnections
from tests.support.registry import Gate, Registry, gated
from tests.support.scripted_server import Answer as Http
from tests.support.scripted_server import scripted_server

OTHER = "sha256:" + "0" * 64
ANYBODY = RegistriesOci({})


@pytest.fixture
def gate(registry: Registry) -> Iterator[Gate]:
    with gated(registry, "me:s3cret") as made:
        yield made


def state(image: str, *digests: str) -> tuple[str, str]:
    (found,) = check_images(ANYBODY, [ImageUse(image, digests, 1, ("shop",))])
    return found.state, found.reason


def test_a_tag_and_a_digest_are_found_and_named(registry: Registry) -> None:
    digest = registry.push("shop/web", "1.0", "one")
    for reference in ("1.0", digest):
        found = ANYBODY.look(registry.host, "shop/web", reference)
        assert found == Answer("there", "", digest)
    gone = Answer("gone", f"{registry.host} has no such image")
    assert ANYBODY.look(registry.host, "shop/web", "2.0") == gone
    assert ANYBODY.look(registry.host, "shop/other", "1.0") == gone
    assert ANYBODY.look(registry.host, "shop/web", OTHER) == gone


def test_what_ran_is_compared_with_what_the_tag_is_now(registry: Registry) -> None:
    image = f"{registry.host}/shop/web:1.0"
    first = registry.push("shop/web", "1.0", "one")
    assert state(image, first) == ("there", "")
    assert state(f"{image}@{first}") == ("there", "")
    registry.push("shop/web", "1.0", "two")
    moved = "the tag is at another digest now; what ran can be had by its digest"
    assert state(image, first) == ("moved", moved)
    registry.delete("shop/web", first)
    found, reason = state(image, first)
    assert found == "gone"
    assert f"the tag is at another digest now; {first} ran" in reason
    assert state(image)[0] == "there"
    registry.delete("shop/web", "1.0")
    assert state(image)[0] == "gone"


def test_a_tag_that_is_gone_leaves_its_digest(registry: Registry) -> None:
    digest = registry.push("shop/web", "1.0", "one")
    registry.delete("shop/web", "1.0")
    found = state(f"{registry.host}/shop/web:1.0", digest)
    assert found == ("moved", "the tag is gone; what ran can be had by its digest")


def test_a_challenge_is_answered_with_and_without_a_login(gate: Gate) -> None:
    digest = gate.behind.push("shop/web", "1.0", "one")
    gate.behind.push("open/web", "1.0", "one")
    gate.anonymous.add("open/web")
    known = RegistriesOci({gate.host: lambda: Login("me", "s3cret")})
    assert known.look(gate.host, "shop/web", "1.0") == Answer("there", "", digest)
    assert known.look(gate.host, "shop/web", "2.0").found == "gone"
    assert gate.asked == ["repository:shop/web:pull"]  # one token for both
    assert ANYBODY.look(gate.host, "open/web", "1.0").found == "there"
    wrong = RegistriesOci({gate.host: lambda: Login("me", "wrong")})
    for nobody in (RegistriesOci({}), wrong):
        refused = Answer("refused", f"{gate.host} does not let us see it (401)")
        assert nobody.look(gate.host, "shop/web", "1.0") == refused
    assert "s3cret" not in repr(Login("me", "s3cret"))


def test_a_login_that_cannot_be_read_here_leaves_it_unknown(gate: Gate) -> None:
    connections = NoConnections()
    asked = RegistriesOci({gate.host: lambda: connections.login("registry")})
    found = asked.look(gate.host, "shop/web", "1.0")
    assert found.found == "unknown"
    assert "registry is kept by Airflow" in found.reason


@pytest.mark.parametrize(
    ("status", "found", "reason"),
    [
        (429, "unknown", "wants fewer requests (429)"),
        (500, "unknown", "answers 500"),
        (307, "unknown", "answers 307"),
        (403, "refused", "does not let us see it (403)"),
        (404, "gone", "has no such image"),
    ],
)
def test_an_answer_means_what_the_specification_says(status: int, found: str, reason: str) -> None:
    with scripted_server(Http(status, b"", {"Location": "http://localhost:1/"})) as script:
        host = script.url.removeprefix("http://")
        told = ANYBODY.look(host, "shop/web", "1.0")
        assert told == Answer(found, f"{host} {reason}")  # type: ignore[arg-type]
        assert [request.method for request in script.requests] == ["HEAD"]


def test_nobody_there_is_unknown_and_not_gone() -> None:
    found = state("localhost:1/shop/web:1.0")
    assert found[0] == "unknown"
    assert "localhost:1 does not answer" in found[1]
    assert not lost(check_images(ANYBODY, [ImageUse("localhost:1/a", (), 1, ())]))


def test_a_login_never_goes_over_an_open_line() -> None:
    challenge = {"WWW-Authenticate": 'Bearer realm="http://registry.example.com/token"'}
    with scripted_server(Http(401, b"", challenge)) as script:
        host = script.url.removeprefix("http://")
        found = RegistriesOci({host: lambda: Login("me", "s3cret")}).look(host, "shop/web", "1.0")
    assert found == Answer("unknown", f"{host} wants a login over a line that is not safe")
