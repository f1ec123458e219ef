"""Which images a point's objects name, and where they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from lifeboat.point.context import IMAGES, ImageState, ImageStates, noted
from lifeboat.point.images import ImageName, ImageUse, parse_image, read_images
from lifeboat.point.manifest import Manifest, Run, open_contents
from lifeboat.ports.cluster import Kind
from lifeboat.ports.registry import Answer, Found
from lifeboat.steps.backup import backup
from tests.support.kinds import CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, POD, STATEFUL_SET
from tests.support.manifests import manifest
from tests.support.world import World

RAN = "sha256:" + "a" * 64


@dataclass
class Says:
    """A registry that says the same of everything."""

    found: Found = "there"

    def look(self, host: str, repository: str, reference: str) -> Answer:
        return Answer(self.found, "", RAN)


def pod(*images: str, **more: Any) -> dict[str, Any]:
    held = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
    return {"containers": held, **more}


def put(world: World, kind: Kind, name: str, spec: Any, **fields: Any) -> None:
    world.cluster.create(kind, "shop", manifest(kind, name, spec=spec, **fields))


def template(spec: Any) -> dict[str, Any]:
    return {"template": {"spec": spec}}


@pytest.fixture
def world() -> World:
    made = World()
    side = {"initContainers": [{"name": "i", "image": "init:1"}]}
    put(made, DEPLOYMENT, "web", template(pod("web:1", **side)))
    put(made, STATEFUL_SET, "db", template(pod("db:1")))
    put(made, DAEMON_SET, "logs", template(pod("logs:1", "web:1")))
    put(made, JOB, "once", template(pod("once:1")))
    put(made, CRON_JOB, "often", {"jobTemplate": {"spec": template(pod("often:1"))}})
    debug = {"ephemeralContainers": [{"name": "e", "image": "debug:1"}]}
    status = {
        "containerStatuses": [
            {"name": "c0", "imageID": f"docker.io/library/web@{RAN}"},
            {"name": "c1", "imageID": "sha256:" + "b" * 64},
        ],
        "ephemeralContainerStatuses": [{"name": "e", "imageID": f"docker-pullable://d@{RAN}"}],
    }
    put(made, POD, "web-1", pod("web:1", "other", **debug))
    live = made.cluster.objects(POD, "shop")["web-1"]
    made.cluster.put(POD, {**live, "status": status})
    put(made, POD, "empty", {})
    return made


def point(world: World, number: int, says: Says | None = None) -> Manifest:
    world.tick(hours=1)
    context = replace(world.context(), registries=says)
    made = backup(context, Run(f"run-{number}", "cli"), lambda _: None)
    assert made is not None
    return made


def test_every_container_of_every_workload_is_read(world: World) -> None:
    made = point(world, 1)
    found = read_images(open_contents(world.context().vault, made))
    here = ("shop",)
    assert found == [
        ImageUse("db:1", (), 1, here),
        ImageUse("debug:1", (RAN,), 1, here),
        ImageUse("init:1", (), 1, here),
        ImageUse("logs:1", (), 1, here),
        ImageUse("often:1", (), 1, here),
        ImageUse("once:1", (), 1, here),
        ImageUse("other", (), 1, here),
        ImageUse("web:1", (RAN,), 3, here),
    ]


def test_what_registries_say_is_noted_when_it_changes(world: World) -> None:
    first, second, third = (
        point(world, number, says)
        for number, says in enumerate((Says(), Says(), Says("gone")), start=1)
    )
    vault = world.context().vault
    since, said = noted(vault, "shop.local", IMAGES, second.point, ImageStates) or ("", None)
    assert since == first.point
    assert said is not None
    assert said.images[0] == ImageState("db:1", "there", "", RAN)
    since, said = noted(vault, "shop.local", IMAGES, third.point, ImageStates) or ("", None)
    assert since == third.point
    assert said is not None
    assert {one.state for one in said.images} == {"gone"}
    assert third.complete


HUB = "registry-1.docker.io"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("nginx", ImageName(HUB, "library/nginx", "latest", "")),
        ("nginx:1.27", ImageName(HUB, "library/nginx", "1.27", "")),
        ("bitnami/redis", ImageName(HUB, "bitnami/redis", "latest", "")),
        ("docker.io/nginx", ImageName(HUB, "library/nginx", "latest", "")),
        ("index.docker.io/a/b:1", ImageName(HUB, "a/b", "1", "")),
        ("ghcr.io/a/b/c:v1", ImageName("ghcr.io", "a/b/c", "v1", "")),
        ("localhost/a:1", ImageName("localhost", "a", "1", "")),
        ("localhost:5000/a", ImageName("localhost:5000", "a", "latest", "")),
        ("mcr.microsoft.com/a@" + RAN, ImageName("mcr.microsoft.com", "a", "", RAN)),
        ("ghcr.io/a/b:v1@" + RAN, ImageName("ghcr.io", "a/b", "v1", RAN)),
    ],
)
def test_names_are_read_as_container_runtimes_read_them(text: str, name: ImageName) -> None:
    assert parse_image(text) == name
