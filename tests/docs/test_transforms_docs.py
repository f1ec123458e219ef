"""docs/transforms.md names every map, condition and operation, and its example is one."""

from __future__ import annotations

import re
from pathlib import Path

from lifeboat.restore.transforms.model import Maps, Rule, When
from lifeboat.restore.transforms.transforms import Transforms, TransformText

TEXT = (Path(__file__).parents[2] / "docs" / "transforms.md").read_text()
KEYS = set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE))


def test_the_example_is_a_transform_that_does_something() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    transforms = Transforms([TransformText("to-dr", example)])
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data-0"},
        "spec": {
            "storageClassName": "managed-premium",
            "resources": {"requests": {"storage": "100Gi"}},
        },
    }
    after, told = transforms.apply(claim, "shop")
    assert after["spec"]["storageClassName"] == "managed-csi"
    assert after["spec"]["resources"]["requests"]["storage"] == "200Gi"
    assert [line.partition(":")[0] for line in told] == [
        "transform to-dr",
        "transform to-dr, larger disks",
    ]


def test_every_key_is_explained() -> None:
    fields = {**Maps.model_fields, **When.model_fields, **Rule.model_fields}
    expected = {field.alias for field in fields.values()} - {"name", "when"}
    assert expected == KEYS & expected
