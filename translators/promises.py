"""Whether a contract's own words fit together, and whether a value's type is what its contract says.

A *notification* tells that something happened and where to ask for more: its fields are the business key, `details` is
the address. A *state transfer* carries what a reader needs. A *delta* carries its business key, every field that its
contract demands, and of the others those that changed: absent means unchanged, null means null now. Former values are
fields of their own, which a mapping fills from OLD.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from string import Formatter
from typing import NamedTuple

from msgspec.structs import replace

from translators.contract import Promise, Shape
from translators.schema import Type


class Fault(NamedTuple):
    """Something about a contract that does not hold together."""

    code: str
    message: str
    hint: str


def faults(promise: Promise, shape: Mapping[str, Shape]) -> Iterator[Fault]:
    """What does not fit together in one contract."""
    name = promise.type
    if promise.kind == "state" and promise.style != "state-transfer":
        said = f"{name} is a state and says it is a {promise.style}"
        yield Fault("contract.style", said, "A state stream carries whole states: leave `style` out.")
    fits = {"notification": ("none",), "delta": ("delta", "none"), "state-transfer": ("replace", "none")}
    if promise.folds not in fits[promise.style]:
        said = f"{name} is a {promise.style} and says that it folds by {promise.folds}"
        hint = "A state transfer can replace, a delta can add up; nothing can be built from a notification."
        yield Fault("contract.folds", said, hint)
    if promise.details is not None:
        yield from _details(promise, promise.details)
    if promise.style == "notification":
        yield from _notification(promise, shape)


def _notification(promise: Promise, shape: Mapping[str, Shape]) -> Iterator[Fault]:
    key = "/".join(f"{{{field}}}" for field in promise.business_key)
    if promise.details is None:
        said = f"{promise.type} is a notification and does not say where to fetch the details"
        yield Fault("contract.details", said, f"Add details='https://.../{key}', or make it a state transfer.")
    more = [name for name in shape if name not in {field.split(".")[0] for field in promise.business_key}]
    if more:
        said = f"{promise.type} is a notification and carries {', '.join(more)} beside its business key"
        hint = "Take them out, so that readers fetch what holds then; or make it a state transfer or a delta."
        yield Fault("contract.notification", said, hint)


def _details(promise: Promise, details: str) -> Iterator[Fault]:
    """The address names all of the business key, and nothing else."""
    hint = f"Its fields are {', '.join(f'{{{field}}}' for field in promise.business_key)}, each once or more."
    try:
        named = {field for _, field, _, _ in Formatter().parse(details) if field is not None}
    except ValueError:
        yield Fault("contract.details", f"the details of {promise.type} are no template: {details}", hint)
        return
    if named != set(promise.business_key):
        odd = sorted(named ^ set(promise.business_key))
        said = f"the details of {promise.type} and its business key do not agree on {', '.join(odd) or 'a field'}"
        yield Fault("contract.details", said, hint)


def type_of(shape: Shape) -> Type:
    """The language type of a contract's field. A decimal without declared places has none: it is `wide`."""
    if shape.kind == "decimal":
        if shape.places is None:
            return Type("wide", nullable=shape.nullable)
        return Type("decimal", shape.digits or 38, shape.places, shape.nullable)
    return Type(shape.kind, nullable=shape.nullable, length=shape.max_length or 0)


def claimed(shape: Shape) -> Type:
    """The type of what Python gives for a field: of the right kind, and no length is known of it."""
    return replace(type_of(shape), length=0)


def mismatch(found: Type, shape: Shape) -> tuple[str, str] | None:
    """What the contract says instead, and how to write it; nothing where the types fit."""
    if found.kind == shape.kind or (found.kind == "timestamp" and shape.kind == "timestamptz"):
        if shape.kind == "decimal" and shape.places is not None and found.scale > shape.places:
            return (f"the contract allows {shape.places} places", f"Write ROUND(..., {shape.places}) if that is meant.")
        return None
    wanted = f"decimal({shape.digits},{shape.places})" if shape.kind == "decimal" and shape.digits else shape.kind
    fixes = {
        ("integer", "decimal"): "Write `/ 100` for cents, or CAST(... AS DECIMAL(p,s)).",
        ("text", "integer"): "Write CAST(... AS INTEGER).",
        ("text", "decimal"): "Write CAST(... AS DECIMAL(p,s)).",
        ("text", "date"): "Write TO_DATE(..., 'YYYYMMDD').",
        ("integer", "text"): "Write CAST(... AS TEXT).",
        ("text", "boolean"): "Write a comparison: ... = 'Y'.",
    }
    return (
        f"the contract says {wanted}",
        fixes.get((found.kind, shape.kind), "Change the expression or the contract."),
    )
