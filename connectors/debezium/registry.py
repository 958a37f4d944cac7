"""Where the schemas of Avro records come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class SchemaRegistry(Protocol):
    """Schemas by the id that stands in front of each Avro record (Confluent's frame; Apicurio's in its default mode).

    Asked once for each id, when the first record with it is read; an id means the same text for ever. A registry that
    cannot be reached raises a transient `DragomanError` of its own: it says nothing of the record, leaves the decoder as
    it is, and the record is read again later.
    """

    def schema(self, identity: int) -> str | None:
        """The text of the schema, or `None` if the registry does not know the id."""
        ...


class KnownSchemas:
    """A registry of schemas that are at hand: recorded feeds, tests."""

    def __init__(self, schemas: Mapping[int, str]) -> None:
        self._schemas = dict(schemas)

    def schema(self, identity: int) -> str | None:
        """The text of the schema, or `None`."""
        return self._schemas.get(identity)
