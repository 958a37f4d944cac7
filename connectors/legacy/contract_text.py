"""The draft contract of a guessed thing, as the Python that an adopter goes on with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from connectors.legacy.guess import GuessedField, Thing
from connectors.legacy.names import articled

_TIMES = ("date", "timestamp", "timestamptz")
_PLAIN = {"integer": "int", "boolean": "bool", "date": "date", "timestamp": "datetime", "timestamptz": "datetime"}


def contract_text(thing: Thing, project: str) -> str:
    """`contracts/<thing>.py`."""
    body = "\n".join((*_models(thing), *_state(thing, project)))
    return "\n".join((*_head(thing, project, body), body)) + "\n"


def _head(thing: Thing, project: str, body: str) -> Iterator[str]:
    yield f'"""A draft, drawn from the legacy schema: what is promised of {articled(thing.contract)} is yours to decide."""\n'
    dates = [name for name in ("date", "datetime") if f": {name}" in body]
    if dates:
        yield f"from datetime import {', '.join(dates)}"
    if "Decimal" in body:
        yield "from decimal import Decimal"
    typed = [name for name in ("Annotated", "Literal") if f"{name}[" in body]
    if typed:
        yield f"from typing import {', '.join(typed)}"
    models = [name for name in ("BaseModel", "ConfigDict", "Field", "StringConstraints") if f"{name}(" in body]
    models = [*models, "BaseModel"] if "(BaseModel)" in body else models
    if models:
        yield f"\nfrom pydantic import {', '.join(sorted(set(models)))}"
    marks = [name for name in ("personal", "sensitive") if f"= {name}()" in body]
    yield f"\nfrom dragoman import {', '.join(('Contract', 'Promise', *marks))}\n"
    yield f"OWNER = {_quoted(f'Owners of the database {project}')}  # guess: the team that is asked when something is wrong\n"


def _models(thing: Thing) -> Iterator[str]:
    for part in thing.parts:
        yield f"\nclass {part.model}(BaseModel):"
        yield f'    """One of the {part.name} of {articled(thing.contract)}."""\n'
        yield '    model_config = ConfigDict(frozen=True, extra="forbid")\n'
        yield from _lines(part.fields)
        yield ""


def _state(thing: Thing, project: str) -> Iterator[str]:
    yield f"\nclass {thing.contract}(Contract):"
    yield f'    """What {articled(thing.contract)} is now."""\n'
    yield "    promise = Promise("
    key = ", ".join(_quoted(name) for name in thing.business_key)
    said = {
        "name": _quoted(thing.contract),
        "version": "1",
        "kind": '"state"',
        "context": _quoted(project),
        "owner": "OWNER",
        "intent": _quoted(f"Show {articled(thing.contract)} as it stands."),
        "business_key": f"({key},)" if len(thing.business_key) == 1 else f"({key})",
        "folds": '"replace"',
        "status": '"draft"',
        "visibility": '"internal"',
    }
    yield from (f"        {name}={value}," for name, value in said.items())
    yield "        times={"
    yield '            "time": "commit of the legacy transaction",'
    yield from (f"            {_quoted(name)}: {_quoted(meaning)}," for name, meaning in _times(thing))
    yield "        },"
    yield '        retention="kept while the thing exists (compacted)",\n        lag_objective="60 s",\n    )\n'
    yield from _lines(thing.fields)
    yield from (f"    {part.name}: list[{part.model}]" for part in thing.parts)


def _times(thing: Thing) -> Iterator[tuple[str, str]]:
    paths = [("", thing.fields), *((f"{part.name}[].", part.fields) for part in thing.parts)]
    for above, fields in paths:
        for one in fields:
            if one.type.kind in _TIMES:
                clock = ", its clock taken for UTC" if one.type.kind == "timestamp" else ""
                yield f"{above}{one.name}", f"as the column {one.column} has it{clock} (guess)"


def _lines(fields: Sequence[GuessedField]) -> Iterator[str]:
    for one in fields:
        mark = " = sensitive()" if one.is_secret else " = personal()" if one.is_personal else ""
        yield f"    {one.name}: {_annotation(one)}{' | None' if one.nullable else ''}{mark}"


def _annotation(one: GuessedField) -> str:
    type_ = one.type
    if one.choices:
        return f"Literal[{', '.join(_quoted(choice) for choice in one.choices)}]"
    if type_.kind in ("wide", "float"):
        return "Annotated[Decimal, Field(max_digits=38, decimal_places=9)]"
    if type_.kind == "decimal":
        return f"Annotated[Decimal, Field(max_digits={type_.precision}, decimal_places={type_.scale})]"
    if type_.kind == "text":
        limits = [f"max_length={type_.length}"] if type_.length else []
        if one.is_raw_code:
            limits.append(f'pattern=r"^[\\s\\S]{{0,{type_.length}}}$"')
        return f"Annotated[str, StringConstraints({', '.join(limits)})]" if limits else "str"
    return _PLAIN[type_.kind]


def _quoted(said: str) -> str:
    """A text as Python, in double quotes: JSON's escapes mean the same there."""
    return json.dumps(said, ensure_ascii=False)
