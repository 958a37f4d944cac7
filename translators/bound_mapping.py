"""A bound mapping as a value: every expression typed, every promise compared, ready to be generated from."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from typing import Literal

from translators.contract import Shape
from translators.expression.bound import Bound
from translators.findings import Finding
from translators.mapping import EventRule, Expression, Mapping
from translators.schema import LegacySchema, Type
from translators.yaml_text import Mark

Style = Literal["notification", "state-transfer", "delta"]


@dataclass(frozen=True, slots=True)
class BoundField:
    """One field computed by one expression or Python function; `shape` is what its contract says of it."""

    path: str
    bound: Bound
    source: Expression
    shape: Shape


@dataclass(frozen=True, slots=True)
class BoundMembers:
    """A nested object."""

    path: str
    fields: MappingType[str, BoundNode]


@dataclass(frozen=True, slots=True)
class BoundEach:
    """A list, one element per row of a part."""

    path: str
    table: str
    fields: MappingType[str, BoundNode]


BoundNode = BoundField | BoundMembers | BoundEach


@dataclass(frozen=True, slots=True)
class BoundInvariant:
    """A condition that a contract promises of its data; `bound` reads the contract's own fields, `paths` says which.

    `mark` is where the mapping names the contract. NULL keeps it, as in a database's CHECK.
    """

    contract: str
    text: str
    bound: Bound
    paths: tuple[str, ...]
    mark: Mark


@dataclass(frozen=True, slots=True)
class BoundEvent:
    """One event rule: `fields` are computed here, the others of `shape` are taken from the state.

    `invariants` are those that the state has not kept already.
    """

    type: str
    shape: MappingType[str, Shape]
    when: Bound
    fields: MappingType[str, BoundField]
    rule: EventRule
    deprecated: bool
    occurred: Bound | None
    style: Style = "state-transfer"
    invariants: tuple[BoundInvariant, ...] = ()


@dataclass(frozen=True, slots=True)
class BoundIgnore:
    """One ignore rule."""

    when: Bound
    reason: str


@dataclass(frozen=True, slots=True)
class BoundMapping:
    """Everything that code is generated from."""

    mapping: Mapping
    schema: LegacySchema
    owner: str
    fields: MappingType[str, BoundNode]
    shape: MappingType[str, Shape]
    state_types: MappingType[str, Type]
    events: tuple[BoundEvent, ...]
    ignore: tuple[BoundIgnore, ...]
    correlation: Bound | None
    findings: tuple[Finding, ...] = field(default=())
    invariants: tuple[BoundInvariant, ...] = ()
