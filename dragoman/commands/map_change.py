"""`dragoman map`: one change in, its outcome explained."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from dragoman.commands.options import JsonOption, ProjectOption, project_of
from dragoman.console import cells, console, count, paragraph, say, say_json, wrapped

if TYPE_CHECKING:
    from dragoman.conditions import Named
    from dragoman.explain import Explanation, FieldTrace
    from dragoman.one_change import Case
    from dragoman.project import Project

_WORDS = {"c": "insert into", "u": "update of", "d": "delete from", "r": "snapshot of"}


def map_change(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="One recorded record, as JSON; - is standard input.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", "-k", metavar="KEY", help="The first waiting step of this key, or its state.")
    ] = None,
    translator: Annotated[
        str | None, typer.Option("--translator", "-t", metavar="NAME", help="Only this one.", show_default=False)
    ] = None,
    tries: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="FIX", help="Try codes.TABLE.CODE=meaning.", show_default=False),
    ] = None,
    from_log: Annotated[
        bool, typer.Option("--log", help="With --key: its last change in the log that was news.")
    ] = False,
    show_code: Annotated[bool, typer.Option("--show-code", help="Print the Python that the mapping becomes.")] = False,
    again: Annotated[bool, typer.Option("--watch", help="Run again whenever a file of the project is saved.")] = False,
    folder: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Explain what a mapping makes of one change.

    Shown are its decoded values, every field of the state before and after, and the outcome.

    With FILE, the other rows of the thing are taken from the state, if it knows them. With --key all comes from the state,
    and personal fields are masked.
    """
    if (file is None) == (key is None):
        raise typer.BadParameter("name either a FILE or a --key")
    if from_log and key is None:
        raise typer.BadParameter("--log needs a --key")
    wanted = Wanted(file, key, translator, tuple(tries or ()), show_code, as_json, from_log)
    if not again:
        _explain(folder, wanted)
        return
    from dragoman.watching import watch

    if str(file) == "-":
        raise typer.BadParameter("standard input cannot be read again: name a FILE")
    watch(folder, () if file is None else (file,), lambda: _explain(folder, wanted), time.sleep)


class Wanted(NamedTuple):
    """What the command was asked for."""

    file: Path | None
    key: str | None
    translator: str | None
    fixes: tuple[str, ...]
    show_code: bool
    as_json: bool
    from_log: bool


def _explain(folder: Path, wanted: Wanted) -> None:
    from dragoman.explain import explain, with_fixes
    from dragoman.one_change import cases_of_file, cases_of_key

    project = project_of(folder)
    if wanted.file is not None:
        found = cases_of_file(project, wanted.file, wanted.translator)
    else:
        found = cases_of_key(project, str(wanted.key), wanted.translator)
    if wanted.from_log:
        found = [_in_log(project, case) for case in found]
    for case in found:
        compiled = with_fixes(project, case.translator, list(wanted.fixes))
        said = explain(compiled, case.key, case.rows, case.changes)
        if wanted.as_json:
            say_json(_data(said, case))
            continue
        _say_case(said, case)
        _say_try(said, "" if wanted.file is None else str(wanted.file), case)
        if wanted.show_code:
            say()
            for line in compiled.source.splitlines():
                say((f"    {line}", "dim"))


def _in_log(project: Project, case: Case) -> Case:
    """The last change of the same key in the log, masked as what comes from a state is."""
    from dataclasses import replace

    from dragoman.recording import last_in_log
    from dragoman.rows import classified

    hidden = classified(project, case.translator)
    return replace(last_in_log(project, case.translator, case.key), masked=True, hidden=hidden)


def _data(said: Explanation, case: Case) -> dict[str, object]:
    import msgspec

    data: dict[str, object] = msgspec.to_builtins(said, enc_hook=str)
    if case.masked:
        hidden = {f.path for f in said.fields if f.classified}
        data["fields"] = [
            {k: v for k, v in field.items() if k not in ("old", "new", "inputs")} if field["path"] in hidden else field
            for field in data["fields"]  # type: ignore[attr-defined]
        ]
        data["events"] = [event.type for event in said.events]
        for condition in (*data["conditions"], *data["fields"]):  # type: ignore[misc]
            for named in (*condition.get("values", ()), *condition.get("summed", ())):
                if named["classified"]:
                    del named["value"]
    return {**data, "waiting_behind": case.behind}


def _say_case(said: Explanation, case: Case) -> None:
    from dragoman.rows import say_change, shown_row
    from dragoman.times import moment
    from dragoman.wiring import utc

    head = [f"{said.translator} {said.key}"]
    if case.changes:
        first = case.changes[0]
        if first.transaction is not None:
            head.append(f"tx {first.transaction}")
        tables = dict.fromkeys(f"{_WORDS[c.op]} {c.table}" for c in case.changes)
        head.append(", ".join(tables))
        if first.time is not None:
            head.append(moment(first.time, utc()))
    say((head[0], "bold"), "".join(f"   {part}" for part in head[1:]))
    for change in case.changes:
        images = {"before": change.before, "after": change.after}
        shown = {name: shown_row(change.table, row, case.hidden) for name, row in images.items()}
        say()
        say_change({"table": change.table, "op": change.op, "row_key": change.row_key, **shown}, "")
    say()
    if case.note:
        paragraph(case.note)
        say()
    _say_fields(said, case)
    if case.changes:
        _say_conditions(said, case)
        _say_outcome(said, case)


def _say_fields(said: Explanation, case: Case) -> None:
    room = max(12, min(28, (console().width - 34) // 2))
    say((f"    {'state':<24}  {'OLD':<{room}}  {'NEW' if case.changes else ''}", "bold"))
    for field in said.fields:
        old, new = (
            _shown(field, value, exists, case)
            for value, exists in ((field.old, said.existed), (field.new, said.exists))
        )
        if not case.changes:
            say(f"    {field.path:<24}  {new}")
            continue
        mark = "✗" if field.problem else "≠" if field.changed else " "
        style = "bold red" if field.problem else "bold" if field.changed else "dim"
        text = "cannot be computed" if field.problem else new
        if cells(old) > room:
            say((f"  {mark} {field.path:<24}  {old}", style))
            if field.changed:
                say((f"    {'':<24}→ {text}", style))
        else:
            say((f"  {mark} {field.path:<24}  {old}{' ' * (room - cells(old))}  {text}", style))
        if field.changed:
            _say_expression(field, case)


def _shown(field: FieldTrace, value: str | None, exists: bool, case: Case) -> str:
    from dragoman.rows import MASK

    if not exists:
        return "-"
    if value is None:
        return "null"
    return MASK if case.masked and field.classified else value


def _say_expression(field: FieldTrace, case: Case) -> None:
    inputs = ", ".join(f"{column} = {value!r}" for column, value in field.inputs.items())
    text = (
        field.expression if not inputs or (case.masked and field.classified) else f"{field.expression}   with {inputs}"
    )
    for line in wrapped(text, console().width, " " * 8):
        say((line, "dim"))
    for one in () if case.masked and field.classified else field.summed:
        _say_named(one, case)
    if field.problem is not None:
        where = f" ({field.problem.where})" if field.problem.where else ""
        paragraph(f"{field.problem.message}{where}", " " * 8)


def _say_named(one: Named, case: Case) -> None:
    from dragoman.rows import MASK

    value = MASK if case.masked and one.classified else one.value
    for line in wrapped(f"{one.name} = {value}", console().width, " " * 8):
        say((line, "dim"))


def _say_conditions(said: Explanation, case: Case) -> None:
    for one in said.conditions:
        what = "ignored: " if one.kind == "ignore" else ""
        say()
        say((f"  {'✓' if one.held else '·'} {what}{one.rule}", "bold" if one.held else ""))
        for line in wrapped(f"when {' '.join(one.condition.split())}", console().width, " " * 8):
            say((line, "dim"))
        for named in one.values:
            _say_named(named, case)
        if one.why:
            paragraph(one.why, " " * 8)


def _say_outcome(said: Explanation, case: Case) -> None:
    from dragoman.rows import MASK
    from dragoman.streams import leaves

    say()
    colour = {"Rejected": "bold red", "Translated": "bold green"}.get(said.outcome, "bold")
    more = f"   {said.why}" if said.why else ""
    if said.outcome == "Rejected":
        verb = "waits" if case.behind == 1 else "wait"
        behind = f": {count(case.behind, 'later step')} of {said.key} {verb}" if case.behind else ""
        more += f"     {'is' if case.masked else 'would be'} parked{behind}"
    say("  outcome   ", (said.outcome, colour), more)
    for event in said.events:
        say("  event     ", (event.type, "bold"))
        hidden = {f.path for f in said.fields if f.classified} if case.masked else set()
        for path, value in leaves(event.data):
            say((f"              {path:<22}  ", "dim"), MASK if path in hidden else value)
    if said.problem is not None and said.problem.hint:
        paragraph(said.problem.hint, "            ", "  next      ")


def _say_try(said: Explanation, file: str, case: Case) -> None:
    if said.fix is None:
        return
    what = file or f"--key {case.key} --translator {case.translator}"
    say(f'  try       dragoman map {what} --with "{said.fix}..."')
