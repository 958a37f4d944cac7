"""A contract: the versioned promise of one event type or one state, as a pydantic model in the adopter's folder."""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

import msgspec
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.fields import FieldInfo

from translators.errors import DragomanError
from translators.schema import Kind

DataClass = Literal["public", "internal", "personal", "sensitive"]


class Promise(BaseModel):
    """What a contract says beside its fields.

    `kind` is the stream it belongs to. `intent` is the decision that the event enables. `context` is the bounded context
    that owns the fact. `folds` says how events build state: `replace` (whole), `delta`, or `none`. `origin` says whether
    the fact is inferred from state or declared by the source. `times` gives each time field (and `time`) its meaning.
    `retention` and `lag_objective` are texts such as `400 days` and `60 s`. `details` is where a reader of a notification
    fetches the rest, with the business key in it: `https://policies.example/{policyNumber}`. `invariants` are conditions
    in Dragoman SQL over the contract's own fields; data that break one are not published.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]*$")]
    version: Annotated[int, Field(ge=1)]
    kind: Literal["event", "state"]
    context: str
    owner: str
    intent: str
    business_key: Annotated[tuple[str, ...], Field(min_length=1)]
    style: Literal["notification", "state-transfer", "delta"] = "state-transfer"
    folds: Literal["replace", "delta", "none"] = "none"
    status: Literal["draft", "active", "deprecated", "retired"] = "draft"
    visibility: Literal["public", "internal"] = "internal"
    origin: Literal["inferred", "declared"] = "inferred"
    invariants: tuple[str, ...] = ()
    times: Mapping[str, str] = {}
    retention: str
    lag_objective: str
    details: str | None = None
    examples: tuple[Mapping[str, Any], ...] = ()

    @property
    def type(self) -> str:
        """The name with its version, as mappings write it: `PolicyBound.v1`."""
        return f"{self.name}.v{self.version}"


class Contract(BaseModel):
    """The base of every contract: fields are the data, `promise` is the rest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    promise: ClassVar[Promise]


def personal(**field: Any) -> Any:
    """A field of personal data: masked in reports and dead letters. Takes what pydantic's `Field` takes."""
    return Field(json_schema_extra={"x-data-class": "personal"}, **field)


def sensitive(**field: Any) -> Any:
    """A field that is masked like personal data and never written to a log. Takes what pydantic's `Field` takes."""
    return Field(json_schema_extra={"x-data-class": "sensitive"}, **field)


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What a contract says of one field, in the words of the mapping language.

    `fields` are the members of an object, or of the elements of a list. Lengths are characters; `choices` is the closed
    set of an enum; `digits` and `places` bound a decimal.
    """

    kind: Kind
    required: bool = True
    nullable: bool = False
    fields: Mapping[str, Shape] = {}
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    choices: tuple[str, ...] = ()
    digits: int | None = None
    places: int | None = None
    data_class: DataClass = "internal"


class ContractUnreadable(DragomanError):
    """The contract {contract} cannot be used: field {field} {reason}."""

    code = "contract.unreadable"
    hint = "Contracts use str, int, Decimal, float, bool, date, datetime, Literal of texts, nested models and lists of models."


_KINDS: dict[type, Kind] = {
    str: "text",
    int: "integer",
    Decimal: "decimal",
    float: "float",
    bool: "boolean",
    date: "date",
    datetime: "timestamptz",
}


@lru_cache(maxsize=4096)
def shape_of(contract: type[BaseModel]) -> Mapping[str, Shape]:
    """The fields of a contract in declared order, by the names that consumers see."""
    return {f.alias or name: _field(contract, name, f) for name, f in contract.model_fields.items()}


def _field(contract: type[BaseModel], name: str, info: FieldInfo) -> Shape:
    annotation, nullable = _without_none(info.annotation)
    base = {"required": info.is_required(), "nullable": nullable, **_limits(list(info.metadata)), **_data_class(info)}
    origin = get_origin(annotation)
    if origin is Annotated:
        base.update(_limits(list(annotation.__metadata__)))
        for item in annotation.__metadata__:
            base.update(_data_class(item))
        annotation = annotation.__origin__
        origin = get_origin(annotation)
    if origin is Literal:
        return msgspec.convert({**base, "kind": "text", "choices": get_args(annotation)}, Shape)
    if origin in (list, tuple):
        member = get_args(annotation)[0]
        if isinstance(member, type) and issubclass(member, BaseModel):
            return Shape(**{**base, "kind": "list", "fields": shape_of(member)})
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Shape(**{**base, "kind": "object", "fields": shape_of(annotation)})
    elif annotation in _KINDS:
        return Shape(**{**base, "kind": _KINDS[annotation]})
    raise ContractUnreadable(contract=contract.__name__, field=name, reason=f"has the type {annotation}")


def _data_class(info: object) -> dict[str, Any]:
    extra = info.json_schema_extra if isinstance(info, FieldInfo) else None
    return {"data_class": extra["x-data-class"]} if isinstance(extra, dict) and "x-data-class" in extra else {}


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, types.UnionType):
        members = [m for m in get_args(annotation) if m is not type(None)]
        if len(members) == 1:
            return members[0], True
    return annotation, False


_LIMITS = {
    "min_length": "min_length",
    "max_length": "max_length",
    "pattern": "pattern",
    "max_digits": "digits",
    "decimal_places": "places",
}


def _limits(metadata: list[Any]) -> dict[str, Any]:
    """Lengths, patterns and digits, wherever pydantic keeps them: one object each, or several in one."""
    found: dict[str, Any] = {}
    for item in metadata:
        if isinstance(item, FieldInfo):
            found.update(_limits(list(item.metadata)))
        for theirs, ours in _LIMITS.items():
            value = getattr(item, theirs, None)
            if value is not None:
                found[ours] = getattr(value, "pattern", value)
    return found


def substance(contract: type[Contract]) -> str:
    """All of a contract that decides what is published under it, as one text: its shape and its promise, no examples."""
    return repr((shape_of(contract), contract.promise.model_dump(mode="json", exclude={"examples"})))


def json_schema(contract: type[Contract]) -> dict[str, Any]:
    """JSON Schema 2020-12 of the data as it is published: decimals are texts, dates ISO 8601."""
    schema = contract.model_json_schema(mode="serialization", by_alias=True)
    promise = contract.promise
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:dragoman:{promise.context}:{promise.type}",
        **schema,
        "x-contract": TypeAdapter(Promise).dump_python(promise, mode="json", exclude={"examples"}),
    }
