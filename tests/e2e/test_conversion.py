"""Custom resources in two versions with a webhook that really converts, on a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lifeboat.errors import RestoreIncomplete
from lifeboat.point.manifest import Manifest
from lifeboat.ports.cluster import Json
from lifeboat.restore.model import RestoreReport, RestoreRequest
from lifeboat.restore.run import restore
from local.api import wait_until
from tests.support.app import App
from tests.support.converter import Converter, running_converter
from tests.support.kinds import CRD

GROUP = "convert.example.com"
NAME = f"tanks.{GROUP}"
OLD, NEW = f"{GROUP}/v1", f"{GROUP}/v2"


def convert(spec: Json, version: str) -> Json:
    """v1 counts litres in `size`, v2 in `volume.litres`; v1 has no place for a colour."""
    if version == "v1":
        return {"size": spec["volume"]["litres"]} if "volume" in spec else spec
    return {"volume": {"litres": spec["size"]}} if "size" in spec else spec


def schema(**properties: Any) -> Json:
    spec = {"type": "object", "properties": properties}
    return {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}


def definition(converter: Converter, storage: str) -> Json:
    """Of tanks, which the API server keeps in the version `storage`."""
    number, word = {"type": "integer"}, {"type": "string"}
    volume = {"type": "object", "properties": {"litres": number}}
    schemas = {"v1": schema(size=number), "v2": schema(volume=volume, colour=word)}
    client = {"url": converter.url, "caBundle": converter.authority}
    webhook = {"conversionReviewVersions": ["v1"], "clientConfig": client}
    return {
        "apiVersion": CRD.api_version,
        "kind": CRD.kind,
        "metadata": {"name": NAME},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": "tanks", "singular": "tank", "kind": "Tank"},
            "conversion": {"strategy": "Webhook", "webhook": webhook},
            "versions": [
                {"name": name, "served": True, "storage": name == storage, "schema": one}
                for name, one in schemas.items()
            ],
        },
    }


@pytest.fixture
def converter(app: App, tmp_path: Path) -> Iterator[Converter]:
    """Tanks are served in both versions, and gone afterwards."""
    api = app.cluster.api
    with running_converter(convert, tmp_path / "webhook") as running:
        api.apply(definition(running, "v2"))
        serve(app)
        yield running
        running.refuses = ""
        api.delete(CRD.api_version, CRD.kind, "", NAME)
        wait_until("tanks are gone", lambda: api.gone(CRD.api_version, CRD.kind, "", NAME), 60)


def serve(app: App) -> None:
    api = app.cluster.api
    for version in (OLD, NEW):
        wait_until(f"{version} is served", lambda v=version: api.list(v, "Tank") == [], 30)


def tank(app: App, api_version: str, spec: Json) -> None:
    metadata = {"name": "big", "namespace": app.name}
    body = {"apiVersion": api_version, "kind": "Tank", "metadata": metadata, "spec": spec}
    app.cluster.api.apply(body)


def spec_of(app: App, api_version: str, namespace: str) -> Json:
    spec: Json = app.cluster.api.get(api_version, "Tank", namespace, "big")["spec"]
    return spec


def restored(app: App, point: Manifest, run: str, **mapping: str) -> RestoreReport:
    """Tanks and their definition."""
    request = RestoreRequest(
        instance=point.instance,
        point=point.point,
        mapping=mapping,
        kinds=("tanks", "customresourcedefinitions"),
    )
    return restore(app.context(), request, run, lambda _: None)


def test_lost_with_its_definition_it_comes_back_in_both_versions(
    app: App, converter: Converter
) -> None:
    api = app.cluster.api
    tank(app, OLD, {"size": 3})
    assert spec_of(app, NEW, app.name) == {"volume": {"litres": 3}}
    point = app.backup()
    api.delete(CRD.api_version, CRD.kind, "", NAME)
    wait_until("tanks are lost", lambda: api.gone(CRD.api_version, CRD.kind, "", NAME), 60)
    account = restored(app, point, "convert-1")
    assert account.ok
    assert not [line for line in account.changes if "not taken" in line]
    before = converter.asked
    assert spec_of(app, OLD, app.name) == {"size": 3}
    assert spec_of(app, NEW, app.name) == {"volume": {"litres": 3}}
    assert converter.asked > before, "the restored definition names the same webhook"


def test_what_a_conversion_loses_is_named_and_one_that_fails_is_a_failure(
    app: App, converter: Converter
) -> None:
    tank(app, NEW, {"volume": {"litres": 3}, "colour": "blue"})
    point = app.backup()
    older = {"spec": definition(converter, "v1")["spec"]}
    app.context().cluster.patch(CRD, None, NAME, older)

    def stored_as_v1() -> bool:
        """An object of a trial loses its colour: it is kept in v1 from now on."""
        metadata = {"name": "trial", "namespace": app.name}
        spec = {"volume": {"litres": 1}, "colour": "red"}
        app.cluster.api.delete(NEW, "Tank", app.name, "trial")
        body = {"apiVersion": NEW, "kind": "Tank", "metadata": metadata, "spec": spec}
        return "colour" not in app.cluster.api.apply(body)["spec"]

    wait_until("tanks are kept in v1", stored_as_v1, 30)
    space = f"{app.name}-copy"
    account = restored(app, point, "convert-2", **{app.name: space})
    assert f"Tank.{GROUP} {space}/big: not taken by the target: spec.colour" in account.changes
    assert spec_of(app, NEW, space) == {"volume": {"litres": 3}}
    app.cluster.api.delete(NEW, "Tank", space, "big")
    converter.refuses = "the keeper sleeps"
    with pytest.raises(RestoreIncomplete, match=f"Tank.{GROUP} .*the keeper sleeps"):
        restored(app, point, "convert-3", **{app.name: space})
