"""The generated reference and schemas are fresh, complete, and say the same as the loader."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from lifeboat.policy import schema
from lifeboat.policy.load import load_clusters, load_policy, policy_files
from lifeboat.policy.model import ClusterEntry, ClustersFile, Policy, VaultEntry
from lifeboat.policy.selection import NEVER_CAPTURED, OPT_OUTS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = (DOCS / "policy.md").read_text()


def test_generated_files_are_fresh(tmp_path: Path) -> None:
    schema.main(str(tmp_path))
    for made in sorted(tmp_path.iterdir()):
        again = "run: python -m lifeboat.policy.schema docs/"
        assert made.read_text() == (DOCS / made.name).read_text(), again


@pytest.mark.parametrize(
    "made", [schema.policy_schema(), schema.clusters_schema(), schema.alerts_schema()]
)
def test_every_field_is_described_and_in_the_reference(made: dict[str, Any]) -> None:
    for part in (made, *made["$defs"].values()):
        assert part.get("description"), part["title"]
        for name, field in part.get("properties", {}).items():
            assert len(field.get("description", "")) > 10, f"{part['title']}.{name}"
            assert re.search(rf"^\| `{name}` \|", REFERENCE, re.MULTILINE), name


def test_optional_fields_tell_their_default() -> None:
    for made in (schema.policy_schema(), schema.clusters_schema()):
        for part in (made, *made["$defs"].values()):
            for name, field in part.get("properties", {}).items():
                if name not in part.get("required", []):
                    told = "efault" in field["description"] or name in UNTOLD
                    assert told, f"{part['title']}.{name}"


UNTOLD = {
    "objectives",  # its fields tell theirs
    "kubeconfig", "connection",  # one of three ways in
    "cron", "every", "noPointOlderThan",  # one of three rhythms
    "key",  # required unless encryption is none
}  # fmt: skip


def test_what_no_point_holds_is_told() -> None:
    for never in NEVER_CAPTURED:
        assert f"| `{never.pattern}` | {never.reason} |" in REFERENCE
    assert all(mark in REFERENCE for mark in OPT_OUTS)


def examples() -> list[str]:
    found = re.findall(r"```yaml\n(.*?)```", REFERENCE, re.DOTALL)
    assert len(found) == 3
    return [text for text in found if "presets:\n" not in text]


def test_the_example_of_presets_is_right(tmp_path: Path) -> None:
    [text] = [t for t in re.findall(r"```yaml\n(.*?)```", REFERENCE, re.DOTALL) if "presets:" in t]
    (tmp_path / "presets.yaml").write_text(text)
    (tmp_path / "policies").mkdir()
    path = tmp_path / "policies" / "shop.yaml"
    path.write_text("preset: nightly\nclusters: [local]\n")
    [instance] = load_policy(path, load_clusters(ROOT / "include"))
    assert instance.policy.select.kinds.exclude == ("secrets",)
    jsonschema.validate(yaml.safe_load(text), schema.presets_schema())


def _placed(clusters: ClustersFile) -> ClustersFile:
    """The demo's places, moved to where the examples' residency allows them."""
    place = {"location": "westeurope"}
    return clusters.model_copy(
        update={
            "clusters": tuple(entry.model_copy(update=place) for entry in clusters.clusters),
            "vaults": tuple(entry.model_copy(update=place) for entry in clusters.vaults),
        }
    )


@pytest.mark.parametrize("text", examples())
def test_the_examples_load(text: str, tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(text)
    clusters = load_clusters(ROOT / "include")
    offsite = VaultEntry(name="offsite", url="file:///srv/offsite", key="env:OFFSITE_KEY")
    standby = ClusterEntry(name="standby", kubeconfig="/srv/standby.kubeconfig")
    both = {
        "vaults": (*clusters.vaults, offsite),
        "clusters": (*clusters.clusters, standby),
    }
    clusters = _placed(clusters.model_copy(update=both))
    [instance] = load_policy(path, clusters)
    assert instance.id == "shop.local"
    jsonschema.validate(yaml.safe_load(text), schema.policy_schema())


def test_the_complete_example_is_complete() -> None:
    example = yaml.safe_load(examples()[-1])

    def check(part: dict[str, Any], value: Any) -> None:
        resolved = schema._resolve(part, made)
        if resolved.get("x-example"):  # its items are alternatives: together they are complete
            written = {name for item in value if isinstance(item, dict) for name in item}
            assert written == set(schema._section(part, made)["properties"]) - UNWRITTEN
            return
        if resolved.get("type") == "array" and isinstance(value, list) and value:
            check(resolved["items"], value[0])
        for name, field in resolved.get("properties", {}).items():
            if "x-instead" in field:
                assert field["x-instead"] in value
                continue
            assert name in value, name
            check(field, value[name])

    made = schema.policy_schema()
    check(made, example)


UNWRITTEN = {"builtin"}  # the bare words are easier


def test_the_schemas_accept_the_samples_and_refuse_unknown_keys() -> None:
    for path in policy_files(ROOT / "include"):
        jsonschema.validate(yaml.safe_load(path.read_text()), schema.policy_schema())
    clusters = yaml.safe_load((ROOT / "include" / "clusters.yaml").read_text())
    jsonschema.validate(clusters, schema.clusters_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**clusters, "vualts": []}, schema.clusters_schema())


def test_schema_files_are_of_a_known_dialect() -> None:
    for name in ("policy", "clusters", "presets"):
        made = json.loads((DOCS / f"{name}.schema.json").read_text())
        jsonschema.Draft202012Validator.check_schema(made)


def test_keys_are_camel_case() -> None:
    for model in (Policy, ClustersFile):
        text = json.dumps(model.model_json_schema())
        keys = re.findall(r'"([a-zA-Z_]+)": \{"(?:\$ref|additional|anyOf|const|default|desc)', text)
        assert not [key for key in keys if "_" in key]
