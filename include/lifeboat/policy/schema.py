"""JSON Schemas and the reference page, made from the models and nowhere else.

`python -m lifeboat.policy.schema docs/` writes policy.md and the schemas of policy files and of
clusters.yaml, presets.yaml and alerts.yaml; tests/docs fails when they are stale. Writing them is
the only I/O here.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from lifeboat.policy.alerts import AlertsFile
from lifeboat.policy.fields import Strict, format_duration
from lifeboat.policy.model import ClustersFile, Policy
from lifeboat.policy.presets import PresetsFile
from lifeboat.policy.selection import NEVER_CAPTURED, OPT_OUTS

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Generator(GenerateJsonSchema):
    """Writes default durations as policies do, not as ISO 8601."""

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def policy_schema() -> Schema:
    """The JSON Schema of a policy file. `name` may be left out: it defaults to the file's name."""
    schema = _schema(Policy, "Lifeboat policy")
    schema["required"].remove("name")
    return schema


def clusters_schema() -> Schema:
    """The JSON Schema of clusters.yaml."""
    return _schema(ClustersFile, "Lifeboat clusters")


def presets_schema() -> Schema:
    """The JSON Schema of presets.yaml."""
    return _schema(PresetsFile, "Lifeboat presets")


def alerts_schema() -> Schema:
    """The JSON Schema of alerts.yaml."""
    return _schema(AlertsFile, "Lifeboat alerts")


def _schema(model: type[Strict], title: str) -> Schema:
    schema = model.model_json_schema(by_alias=True, schema_generator=_Generator)
    return {"$schema": _DIALECT, **schema, "title": title}


def reference() -> str:
    """docs/policy.md: every field with type, default and meaning, and complete examples."""
    policy, clusters = policy_schema(), clusters_schema()
    return "\n".join(
        [
            "# Policies, clusters and vaults",
            "",
            "<!-- Made by `python -m lifeboat.policy.schema docs/`; edit the models instead. -->",
            "",
            *_INTRODUCTION,
            "",
            "## The policy file",
            "",
            *_tables(policy),
            "## The clusters file",
            "",
            *_tables(clusters),
            "## The presets file",
            "",
            *_PRESETS,
            "",
            "## The alerts file",
            "",
            "`include/alerts.yaml` says who is told of what: [alerts.md](alerts.md).",
            "",
            *_tables(alerts_schema()),
            "## What no point holds",
            "",
            *_never_table(),
            "## A complete policy",
            "",
            "Every key, with an example value. Most policies need only the first few.",
            "",
            "```yaml",
            "# yaml-language-server: $schema=../../docs/policy.schema.json",
            *_example(policy, policy, 0),
            "```",
            "",
        ]
    )


_INTRODUCTION = """\
A policy is one file in `include/policies/`. Each cluster it names becomes one *instance*, called
`<policy>.<cluster>`, with a DAG of its own. Clusters and vaults are named in
`include/clusters.yaml`. Check all files with `lifeboat policy check`; a wrong one is refused with
file, line, field, what was found and what would be right, and never stops the others.

The smallest policy:

```yaml
clusters: [local]
schedule: {cron: "0 2 * * *"}
retention: {keep: {last: 14}}
```

Completion and checks while you type come from the line `# yaml-language-server: $schema=…` that the
samples begin with.

- **Durations** are whole numbers with units, largest first: `90s`, `30m`, `4h30m`, `2d`, `1w`.
  `retention` also knows calendar months and years, `12mo`, `3y`, `1y6mo`, and ISO 8601: `P12M`.
- **Label selectors** are Kubernetes' own: `app=web,tier!=db`, `stage in (a,b)`, `team`, `!legacy`.
- **Secrets** are never written in these files; `env:NAME`, `file:/path` and `connection:<id>` say
  where one lies.
- Values follow YAML 1.2: only `true` and `false` are booleans; `yes`, `no` and `on` are text.
""".splitlines()


_PRESETS = """\
`include/presets.yaml`, if there is one, holds parts of policies that several share, by name. A
policy takes one up with `preset: <name>`:

```yaml
# yaml-language-server: $schema=../docs/presets.schema.json
presets:
  nightly:
    vault: main
    schedule: {cron: "0 2 * * *", timezone: Europe/Berlin}
    retention: {keep: {daily: 14, weekly: 8}}
    select:
      kinds: {exclude: [secrets]}
```

Every section of the policy file may stand in a preset, but `name`, `description` and `clusters`.
What the policy writes itself wins: sections are merged key by key, lists and values are replaced
(`schedule: null` takes the preset's schedule away). A mistake is told where it stands, in the
policy's file or in presets.yaml. Points carry the policy as it was after merging.
""".splitlines()


def _resolve(schema: Schema, root: Schema) -> Schema:
    """A property with its `$ref` followed, `null` dropped, and the words that a section may be
    instead; its own words win."""
    options = [option for option in schema.get("anyOf", []) if option.get("type") != "null"]
    if any("properties" in option for option in options):
        options = [option for option in options if option.get("type") != "string"]
    if len(options) == 1:
        schema = {**_resolve(options[0], root), **{k: v for k, v in schema.items() if k != "anyOf"}}
    if "$ref" in schema:
        target = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        schema = {**_resolve(target, root), **{k: v for k, v in schema.items() if k != "$ref"}}
    return schema


def _section(schema: Schema, root: Schema) -> Schema | None:
    """The object that a property is, or holds a list of."""
    resolved = _resolve(schema, root)
    if resolved.get("type") == "array":
        resolved = _resolve(resolved["items"], root)
    return resolved if "properties" in resolved else None


def _tables(root: Schema, schema: Schema | None = None, path: str = "") -> Iterator[str]:
    schema = schema or root
    if path:
        yield f"### `{path}`"
        yield ""
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    deeper: list[tuple[str, Schema]] = []
    for name, field in schema["properties"].items():
        resolved = _resolve(field, root)
        default = _default(name, resolved, schema)
        meaning = _cell(field.get("description", resolved.get("description", "")))
        yield f"| `{name}` | {_cell(_type(resolved, root))} | {_cell(default)} | {meaning} |"
        section = _section(field, root)
        if section:
            mark = "[]" if resolved.get("type") == "array" else ""
            deeper.append((f"{path}.{name}{mark}".lstrip("."), section))
    yield ""
    for below, section in deeper:
        yield from _tables(root, section, below)


def _type(schema: Schema, root: Schema) -> str:
    if "x-type" in schema:
        return str(schema["x-type"])
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(_resolve(schema['items'], root), root)}"
    if schema.get("type") == "object":
        return "section" if "properties" in schema else "mapping"
    if schema.get("title") == "duration":
        return "duration"
    return {
        "string": "text",
        "integer": "number",
        "number": "number",
        "boolean": "`true`, `false`",
    }[schema["type"]]


def _default(name: str, field: Schema, parent: Schema) -> str:
    if name in parent.get("required", []):
        return "**required**"
    if "x-default" in field:
        return str(field["x-default"])
    if field.get("default") in (None, "", [], {}):
        return "–"
    return f"`{json.dumps(field['default'])}`".replace('"', "")


def _cell(text: str) -> str:
    """Text for a table's cell; what stands in backticks is left alone, but for the border."""
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    for number in range(0, len(parts), 2):
        parts[number] = parts[number].replace("<", "&lt;").replace(" *", " \\*")
    return "`".join(parts)


def _never_table() -> Iterator[str]:
    marks = " or ".join(f'`{mark}: "true"`' for mark in OPT_OUTS)
    yield f"An object (or namespace) with the label or annotation {marks}"
    yield "stays out of every point."
    yield "So do these kinds, unless `select.kinds.also` names them, because a restored copy would"
    yield "be wrong or useless, and every kind that the API server cannot list or cannot create:"
    yield ""
    yield "| kind | why |"
    yield "|---|---|"
    for never in NEVER_CAPTURED:
        yield f"| `{never.pattern}` | {_cell(never.reason)} |"
    yield ""
    yield "Of Endpoints and EndpointSlices a point holds those that are written by hand, for a"
    yield "Service without a selector; the others the control plane writes anew of pods."
    yield ""
    yield "What `select.kinds.also` brings is there to be read (`lifeboat get`, `lifeboat diff`): a"
    yield "restore and a test restore leave it, and say so."
    yield ""


def _example(schema: Schema, root: Schema, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for name, field in schema["properties"].items():
        if "x-instead" in field:  # of another key, which the example has
            continue
        resolved = _resolve(field, root)
        comment = re.split(r"[.;:] ", field["description"])[0].rstrip(".")
        section = _section(field, root)
        if "x-example" in field:  # more of it goes with other settings than these
            yield f"{indent}# {comment}"
            yield f"{indent}{name}: {json.dumps(field['x-example'])}"
            continue
        if section is None:
            yield f"{indent}# {comment}"
            yield f"{indent}{name}: {_example_value(resolved)}"
            continue
        yield f"{indent}# {comment}"
        yield f"{indent}{name}:"
        lines = list(_example(section, root, depth + 1))
        if resolved.get("type") == "array":
            lines = [*_as_item(lines, depth)]
        yield from lines


def _as_item(lines: list[str], depth: int) -> Iterator[str]:
    """The lines of a section as the one item of a list."""
    indent = "  " * (depth + 1)
    first = next(n for n, line in enumerate(lines) if not line.lstrip().startswith("#"))
    yield from lines[:first]
    yield f"{indent}- {lines[first].lstrip()}"
    yield from (f"  {line}" for line in lines[first + 1 :])


def _example_value(schema: Schema) -> str:
    examples = schema.get("examples")
    return json.dumps(examples[0] if examples else schema.get("default"))


def main(folder: str) -> None:
    """Writes the five files into `folder`."""
    made = {
        "policy": policy_schema(), "clusters": clusters_schema(), "presets": presets_schema(),
        "alerts": alerts_schema(),
    }  # fmt: skip
    for name, schema in made.items():
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        Path(folder, f"{name}.schema.json").write_text(text, encoding="utf-8")
    Path(folder, "policy.md").write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
