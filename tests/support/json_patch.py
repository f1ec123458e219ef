"""JSON merge patch (RFC 7396) and JSON patch (RFC 6902), as far as the fake cluster needs them."""

from __future__ import annotations

from typing import Any

from lifeboat.errors import Invalid
from lifeboat.ports.cluster import Json


def merge_patch(target: Any, patch: Any) -> Any:
    """`patch` laid over `target`: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def json_patch(target: Json, operations: list[Json]) -> Json:
    """Applies add, replace, remove and test in place. Raises Invalid."""
    for operation in operations:
        steps = [
            step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")[1:]
        ]
        place: Any = target
        try:
            for step in steps[:-1]:
                place = place[int(step)] if isinstance(place, list) else place[step]
            _apply(place, steps[-1], operation)
        except (KeyError, IndexError, ValueError) as error:
            raise Invalid(f"the server cannot apply {operation['op']}: {error}") from None
    return target


def _apply(place: Any, step: str, operation: Json) -> None:
    key: Any = step
    if isinstance(place, list):
        key = len(place) if step == "-" else int(step)
    match operation["op"]:
        case "remove":
            del place[key]
        case "test":
            if place[key] != operation["value"]:
                raise ValueError("the test failed")
        case "add" if isinstance(place, list):
            place.insert(key, operation["value"])
        case "add":
            place[key] = operation["value"]
        case "replace":
            place[key]  # must be there
            place[key] = operation["value"]
        case other:
            raise ValueError(f"unknown operation {other}")
