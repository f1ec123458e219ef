"""`list_fields` for clusters that hold objects as bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from lifeboat.ports.cluster import Page
from lifeboat.ports.fields import Fields, FieldsPage

fields_of = msgspec.json.Decoder(Fields).decode


def split(pages: Iterable[Page]) -> Iterator[FieldsPage]:
    """`list_fields` of a cluster that holds objects as bytes."""
    for page in pages:
        items = [fields_of(raw) for raw in page.items]
        yield FieldsPage(items, sum(map(len, page.items)), page.resource_version)
