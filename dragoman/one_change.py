"""The cases that `dragoman map` explains: one recorded record, or what a state holds of one key."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import orjson

from connectors.debezium.records import Unreadable
from dragoman.project import Project
from dragoman.rows import classified
from dragoman.wiring import state_of
from pipeline.state.port import Waiting
from translators.aggregate import Rows
from translators.change import Change
from translators.errors import DragomanError
from translators.translator import Refused, keys_of


class RecordMalformed(DragomanError):
    """{file} holds no recorded record: {reason}."""

    code: ClassVar[str] = "map.record-malformed"
    hint: ClassVar[str] = (
        "One JSON object: a line of a recording (topic, key, value, ...), or the value of a Debezium record alone."
    )


class RecordNoChange(DragomanError):
    """The record is no change of a row: {what}."""

    code: ClassVar[str] = "map.no-change"
    hint: ClassVar[str] = "Take a record of a feed topic whose value has `op` c, u, d or r."


class NobodyReads(DragomanError):
    """No translator of this project reads {table}{only}."""

    code: ClassVar[str] = "map.nobody-reads"
    hint: ClassVar[str] = "A mapping reads its root's table and those of its parts."


class KeyUnknown(DragomanError):
    """The state knows nothing of {key}."""

    code: ClassVar[str] = "map.key-unknown"
    hint: ClassVar[str] = "Write the key as `dragoman events` shows it; columns of a composite key are joined by `/`."


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One aggregate and the changes to explain. `rows` are those before; `behind` counts the steps that wait behind.

    `masked`: the rows come from a state, so that classified fields are not shown; `hidden` are their columns.
    """

    translator: str
    key: str
    rows: Rows
    changes: tuple[Change, ...]
    behind: int = 0
    masked: bool = False
    hidden: frozenset[str] | None = frozenset()
    note: str = ""


def cases_of_file(project: Project, file: Path, only: str | None) -> list[Case]:
    """The recorded record in a file, for each translator that reads its table."""
    change = _decoded(project, file)
    names = project.settings.translators
    if only is not None:
        project.check_name(only)
        names = (only,)
    readers = [name for name in names if change.table in project.translator(name).tables]
    if not readers:
        raise NobodyReads(table=change.table, only=f" ({only})" if only else "")
    return [_case(project, name, change) for name in readers]


def cases_of_key(project: Project, key: str, only: str | None) -> list[Case]:
    """What the states hold of a key: its first waiting step if one waits, else its rows as they are."""
    names = project.settings.translators
    if only is not None:
        project.check_name(only)
        names = (only,)
    found = []
    for name in names:
        rows, waiting = _known(project, name, key)
        if rows is None and not waiting:
            continue
        found.append(
            Case(
                translator=name,
                key=key,
                rows=rows or {},
                changes=waiting[0].changes if waiting else (),
                behind=max(0, len(waiting) - 1),
                masked=True,
                hidden=classified(project, name),
            )
        )
    if not found:
        raise KeyUnknown(key=key)
    return found


def _case(project: Project, name: str, change: Change) -> Case:
    """A record over the rows that the state knows, its own row put back to what it was before."""
    translator = project.translator(name)
    try:
        key = keys_of(translator, change)[-1]
    except Refused as refused:
        raise RecordNoChange(what=refused.problem.message) from refused
    known, waiting = _known(project, name, key)
    rows: Rows = {table: dict(found) for table, found in (known or {}).items()}
    own = rows.setdefault(change.table, {})
    own.pop(change.row_key, None)
    if change.before is not None:
        own[change.row_key] = change.before
    if not own:
        del rows[change.table]
    note = ""
    if translator.has_parts and known is None:
        note = "The other rows of this thing are not known here: the state has nothing of its key."
    return Case(translator=name, key=key, rows=rows, changes=(change,), behind=len(waiting), note=note)


def _known(project: Project, name: str, key: str) -> tuple[Rows | None, list[Waiting]]:
    with state_of(project, name) as store:
        if store is None:
            return None, []
        stored = store.load([key]).get(key)
        return None if stored is None else stored.rows, store.waiting(key)


def _decoded(project: Project, file: Path) -> Change:
    record = _record(file)
    decoder = project.decoder()
    headers = record.get("headers") or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    decoded = decoder.decode(
        str(record.get("topic", file)),
        int(record.get("partition") or 0),
        int(record.get("offset") or 0),
        _bytes(record.get("key")),
        _bytes(record["value"]),
        tuple((str(name), _bytes(value)) for name, value in pairs),
    )
    if isinstance(decoded, Unreadable):
        raise RecordNoChange(what=f"{decoded.problem.code}: {decoded.problem.message}")
    if not isinstance(decoded, Change):
        raise RecordNoChange(what=f"it is a {type(decoded).__name__}")
    return decoded


def _record(file: Path) -> dict[str, Any]:
    """The record as a recording has it; a bare Debezium value is put into one."""
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        found = orjson.loads(data)
    except OSError as error:
        raise RecordMalformed(file=file, reason=error.strerror or error) from error
    except orjson.JSONDecodeError as error:
        where = f"{file}:{error.lineno}:{error.colno}"
        raise RecordMalformed(file=file, reason="it is not one JSON object", where=where) from error
    if not isinstance(found, dict):
        raise RecordMalformed(file=file, reason="it is JSON, but no object")
    if "value" in found and "op" not in found:
        return found
    return {"topic": str(file), "key": None, "value": found}


def _bytes(part: Any) -> bytes | None:
    if part is None:
        return None
    return part.encode() if isinstance(part, str) else orjson.dumps(part)
