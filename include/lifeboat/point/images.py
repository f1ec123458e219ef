"""The images that a point's objects name, read from the records of its workloads alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from lifeboat.point.contents import Contents
from lifeboat.point.pod_specs import CONTAINERS, POD_SPECS, pod_spec

_STATUSES = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
# A bare `sha256:…` is the id of the image's configuration, which no registry can be asked for.
_DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$")
_HUB, _HUB_API = "docker.io", "registry-1.docker.io"


class ImageUse(msgspec.Struct, frozen=True):
    """An image as workloads write it. `digests` are what running pods had of it; `objects` counts
    who names it, `namespaces` where they are."""

    image: str
    digests: tuple[str, ...]
    objects: int
    namespaces: tuple[str, ...]


class ImageName(NamedTuple):
    """Where an image is asked for; `tag` is empty where a digest alone is written."""

    host: str
    repository: str
    tag: str
    digest: str


class _Use:
    def __init__(self) -> None:
        self.digests: set[str] = set()
        self.namespaces: set[str] = set()
        self.objects = 0


def read_images(contents: Contents) -> list[ImageUse]:
    """Sorted by name. Raises Damaged when a record cannot be read."""
    uses: dict[str, _Use] = {}
    reader = contents.reader()
    rows = [entry for _, entry in contents.rows() if entry.group_kind in POD_SPECS]
    for entry in sorted(rows, key=attrgetter("place")):
        body = msgspec.json.decode(reader.read(entry.record, entry.place))
        named = dict.fromkeys(image for _, image in _containers(body, entry.group_kind))
        for image in named:
            use = uses.setdefault(image, _Use())
            use.objects += 1
            use.namespaces.add(entry.namespace)
        if entry.group_kind == "Pod":
            _note_digests(body, uses)
    return [
        ImageUse(image, tuple(sorted(u.digests)), u.objects, tuple(sorted(u.namespaces)))
        for image, u in sorted(uses.items())
    ]


def parse_image(text: str) -> ImageName:
    """As Docker and every kubelet read it: without a host it is Docker Hub's, without a tag
    `latest` (github.com/distribution/reference, "normalize")."""
    name, _, digest = text.partition("@")
    before, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        before, tag = name, ""
    host, slash, path = before.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, path = _HUB, before
    if host in (_HUB, f"index.{_HUB}"):
        host, path = _HUB_API, path if "/" in path else f"library/{path}"
    return ImageName(host, path, tag or ("" if digest else "latest"), digest)


def _containers(body: Any, group_kind: str) -> Iterator[tuple[str, str]]:
    """Name and image of each container; images that a webhook fills in later are not there."""
    spec = pod_spec(body, group_kind)
    for held in CONTAINERS:
        for container in spec.get(held) or ():
            if container.get("image"):
                yield container.get("name", ""), container["image"]


def _note_digests(pod: Any, uses: dict[str, _Use]) -> None:
    images = dict(_containers(pod, "Pod"))
    for held in _STATUSES:
        for status in (pod.get("status") or {}).get(held) or ():
            digest = _DIGEST.search(status.get("imageID") or "")
            if digest and status.get("name") in images:
                uses[images[status["name"]]].digests.add(digest[1])
