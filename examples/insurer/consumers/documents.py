"""The document service: an action consumer. A letter that is sent twice cannot be taken back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Protocol

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, insert

metadata = MetaData()
letter = Table(
    "letter",
    metadata,
    Column("letter_no", Integer, primary_key=True),
    Column("event_id", Text, nullable=False, unique=True),
    Column("template", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("dated", Text, nullable=False),
    Column("body", Text, nullable=False),
)


class Event(Protocol):
    """What the service needs of a CloudEvent: `type` ends in the contract's name and version, `data` is its fields."""

    @property
    def id(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def time(self) -> datetime | None: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


class Documents:
    """Writes a letter for each event that a customer should hear of, and none for the others.

    The runner records the event's id in the same transaction and does not call again for an id that it has recorded.
    """

    reads: ClassVar[tuple[str, ...]] = ("policy", "claim")

    templates: ClassVar[Mapping[str, str]] = {
        "PolicyBound": "Welcome. Your {product} policy {policyNumber} is in force from {effectiveFrom}.",
        "PolicyEndorsed": "Your policy {policyNumber} has new terms; the yearly premium is {premium[amount]}.",
        "CoverageChanged": "Your policy {policyNumber} now has {coverageCount} coverages.",
        "PolicyCancelled": "Your policy {policyNumber} ends on {cancelledOn}.",
        "ClaimRegistered": "We have received your claim {claimNumber}.",
        "ClaimAccepted": "We accept your claim {claimNumber} with {acceptedAmount}.",
        "ClaimRejected": "We cannot pay for your claim {claimNumber}: {reason}.",
        "ClaimSettled": "Your claim {claimNumber} is closed; we paid {settledAmount}.",
    }

    def prepare(self, connection: Connection) -> None:
        """Make the table of letters, if it is not there."""
        metadata.create_all(connection)

    def handle(self, event: Event, connection: Connection) -> None:
        """Write the letter for `event`, if there is one, in the transaction of `connection`."""
        name = event.type.rsplit(".", 2)[-2]
        template = self.templates.get(name)
        if template is None:
            return
        connection.execute(
            insert(letter).values(
                event_id=event.id,
                template=name,
                subject=event.subject,
                dated=str(event.time),
                body=template.format_map(event.data),
            )
        )
