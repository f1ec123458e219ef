"""From an object as the API server sends it to the record that a vault keeps.

What is dropped (docs/format.md, "Records"): `metadata.managedFields` (half of an object's bytes,
and of no use after a restore; kept on Services, where it tells chosen node ports from assigned
ones), `metadata.resourceVersion` and `metadata.selfLink`. Everything else is kept byte for byte, so
that an unchanged object gives an unchanged record.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from lifeboat.ports.cluster import Kind
from lifeboat.ports.fields import Fields

_fields = msgspec.json.Decoder(Fields)
_labels = msgspec.json.Decoder(dict[str, str])
_text = msgspec.json.Decoder(str)
_encoder = msgspec.json.Encoder()

_OPT_OUT = b"exclude"  # part of every mark in selection.OPT_OUTS
_NONE: Mapping[str, str] = MappingProxyType({})
_DROPPED = ("managedFields", "resourceVersion", "selfLink")


class Stripped(NamedTuple):
    """One object's record, with what selection needs to know of it.

    `annotations` are read only where they may hold a mark of opting out; elsewhere they are empty.
    """

    namespace: str
    name: str
    labels: Mapping[str, str]
    content: bytes
    annotations: Mapping[str, str] = _NONE


def strip(kind: Kind, fields: Fields) -> Stripped:
    """Raises msgspec.DecodeError or KeyError when the server sent something that is no object."""
    metadata = _fields.decode(fields["metadata"])
    for name in _DROPPED:
        if name != "managedFields" or kind.group_kind != "Service":
            metadata.pop(name, None)
    name = _text.decode(metadata["name"])
    namespace = _text.decode(metadata["namespace"]) if "namespace" in metadata else ""
    labels = _labels.decode(metadata["labels"]) if "labels" in metadata else _NONE
    annotations = _NONE
    if "annotations" in metadata and _OPT_OUT in bytes(metadata["annotations"]):
        annotations = _labels.decode(metadata["annotations"])
    # Items of a list carry neither of the first two for built-in types (API conventions, "Lists");
    # custom ones do, anywhere among their fields.
    own = {"apiVersion": kind.api_version, "kind": kind.kind}
    body = {**own, **fields, **own, "metadata": metadata}
    content = _encoder.encode(body)
    if b"\n" in content:  # an aggregated API may indent; a record is one line
        content = msgspec.json.format(content, indent=-1)
    return Stripped(namespace, name, labels, content, annotations)
