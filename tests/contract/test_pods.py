"""What every adapter of the Pods port keeps: in memory, over a websocket to a server on loopback
that runs the commands, and through a real API server to kwok, which runs them here."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest

from lifeboat.adapters.exec_api import ExecApi
from lifeboat.adapters.kubeconfig import Endpoint, from_kubeconfig
from lifeboat.errors import HookFailed, Invalid, NotFound, NotReady
from lifeboat.ports.pods import OUTPUT_BYTES, Pods, Ran, Target
from local.cluster import LocalCluster
from tests.support.exec_server import ExecScript, exec_server
from tests.support.fake_pods import FakePods, Said
from tests.support.kinds import POD
from tests.support.manifests import manifest
from tests.support.poll import until

Words = tuple[str, ...]


@dataclass
class Place:
    """Pods, a container that runs, and how the suite's commands are spelled there.

    `codes`: whether the kubelet tells exit codes; kwok's tells a sentence instead.
    """

    pods: Pods
    target: Target
    codes: bool = True
    spell: Callable[[str, Words], Words] = lambda word, more: (word, *more)

    def run(self, word: str, *more: str, seconds: float = 30) -> Ran:
        return self.pods.run(self.target, self.spell(word, more), seconds)


def in_a_shell(word: str, more: Words) -> Words:
    """The suite's commands for a real machine."""
    return {
        "succeed": ("true",),
        "fail": ("sh", "-c", "exit 3"),
        "talk": ("sh", "-c", "echo out; echo err >&2"),
        "talk-much": ("sh", "-c", f"yes | head -c {3 * OUTPUT_BYTES}; echo end"),
        "linger": ("sleep", "60"),
        "missing": ("/no/such/program", "SECRET"),
        "say": ("printf", "<%s>", *more),
    }[word]


def _in_memory() -> Place:
    fake = FakePods()
    fake.gone |= {"gone", "db-0/sidecar"}
    fake.answers |= {
        "fail": 3,
        "talk": Said(output="out\nerr\n"),
        "talk-much": Said(output="y\n" * OUTPUT_BYTES + "end\n"),
        "linger": Said(takes=60),
        "missing": HookFailed("the command could not be started in shop/db-0 (postgres)"),
        "say": lambda words: Said(output="".join(f"<{word}>" for word in words[1:])),
    }
    return Place(fake, Target("shop", "db-0", "uid", "postgres"))


@pytest.fixture
def on_loopback() -> Iterator[Place]:
    with exec_server(ExecScript(runs=True, pods={"db-0": ("postgres",)})) as script:
        pods = ExecApi(Endpoint(script.url, "test", token=lambda: "t-1"))
        yield Place(pods, Target("shop", "db-0", "uid", "postgres"), spell=in_a_shell)


@pytest.fixture
def on_kwok(cluster: LocalCluster, namespace: str) -> Place:
    spec = {"containers": [{"name": "postgres", "image": "registry.example/postgres:1"}]}
    pod = manifest(POD, f"db-{uuid.uuid4().hex[:6]}", spec=spec)
    pod["metadata"]["namespace"] = namespace
    cluster.api.apply(pod)
    name = pod["metadata"]["name"]

    def runs() -> bool:
        live = cluster.api.get("v1", "Pod", namespace, name)
        return bool((live.get("status") or {}).get("phase") == "Running")

    until("the pod runs", runs)
    target = Target(namespace, name, "uid", "postgres")
    pods = ExecApi(from_kubeconfig(cluster.kubeconfig))
    return Place(pods, target, codes=False, spell=in_a_shell)


@pytest.fixture(params=["memory", "loopback", "kwok"])
def place(request: pytest.FixtureRequest) -> Place:
    if request.param == "memory":
        return _in_memory()
    found: Place = request.getfixturevalue(f"on_{request.param}")
    return found


def test_a_command_that_succeeds(place: Place) -> None:
    ran = place.run("succeed")
    assert ran.exit_code == 0
    assert ran.seconds >= 0


def test_a_command_that_fails_is_never_a_success(place: Place) -> None:
    if place.codes:
        assert place.run("fail").exit_code == 3
    else:
        with pytest.raises(HookFailed):
            place.run("fail")


def test_what_it_prints_is_there_and_not_shown(place: Place) -> None:
    ran = place.run("talk")
    assert sorted(ran.output.split()) == ["err", "out"]
    assert "out" not in repr(ran).replace("output", "")


def test_the_end_of_what_it_prints_is_kept(place: Place) -> None:
    ran = place.run("talk-much")
    assert len(ran.output) == OUTPUT_BYTES
    assert ran.output.endswith("y\nend\n")


def test_words_arrive_as_they_are_and_no_shell_reads_them(place: Place) -> None:
    words = ("a b", "$HOME", "; exit 4", "ü & ?", "--x=1")
    assert place.run("say", *words).output == "".join(f"<{word}>" for word in words)


def test_a_command_that_outlasts_its_time(place: Place) -> None:
    with pytest.raises(NotReady, match=r"still ran after 0\.5 s") as caught:
        place.run("linger", seconds=0.5)
    assert "60" not in str(caught.value)


def test_a_command_that_is_not_there(place: Place) -> None:
    with pytest.raises(HookFailed) as caught:
        place.run("missing")
    assert "SECRET" not in str(caught.value)


def test_a_pod_that_is_not_there(place: Place) -> None:
    place.target = replace(place.target, pod="gone")
    with pytest.raises(NotFound, match="gone"):
        place.run("succeed")


def test_a_container_that_is_not_there(place: Place) -> None:
    place.target = replace(place.target, container="sidecar")
    with pytest.raises(Invalid, match="sidecar"):
        place.run("succeed")


def test_several_at_once(place: Place) -> None:
    with ThreadPoolExecutor(4) as pool:
        outputs = list(pool.map(lambda n: place.run("say", str(n)).output, range(8)))
    assert outputs == [f"<{n}>" for n in range(8)]
