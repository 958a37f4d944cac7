"""`dragoman dlq`: the steps that could not be translated, each whole, with its reason."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from dragoman.commands.options import JsonOption, ProjectOption, project_of
from dragoman.console import count, paragraph, say, say_json
from translators.errors import DragomanError

if TYPE_CHECKING:
    from dragoman.project import Project
    from dragoman.waiting import ParkedKey

app = typer.Typer(help="Show dead letters: what could not be translated.", no_args_is_help=True, rich_markup_mode=None)

_KEYS_SHOWN = 5


class DeadLetterUnknown(DragomanError):
    """There is no dead letter {id}."""

    code: ClassVar[str] = "dlq.unknown"
    hint: ClassVar[str] = (
        "`dragoman dlq list` shows those that wait; the beginning of an id is enough, if only one has it."
    )


@app.command(name="list")
def list_(folder: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """List the dead letters that wait, by reason."""
    from dragoman.waiting import parked_keys

    project = project_of(folder)
    letters = parked_keys(project, unmapped=False)
    aside = _set_aside(project)
    if as_json:
        for letter in letters:
            say_json(_summary(letter))
        for body in aside:
            say_json(
                {name: body[name] for name in ("id", "translator", "table", "problem", "first_seen")} | _place(body)
            )
        return
    if letters:
        _say_waiting(letters)
    else:
        say("No dead letter waits.")
    if aside:
        _say_aside(aside)


def _say_waiting(letters: list[ParkedKey]) -> None:
    behind = sum(letter.behind for letter in letters)
    verb = "waits" if len(letters) == 1 else "wait"
    say((f"{count(len(letters), 'dead letter')} {verb}", "bold"), f", {count(behind, 'later step')} behind")
    groups: dict[tuple[str, str, str], list[ParkedKey]] = {}
    for letter in letters:
        place = (letter.translator, letter.problem.code, letter.problem.message)
        groups.setdefault(place, []).append(letter)
    for group in sorted(groups.values(), key=len, reverse=True):
        _say_group(group)
    say()
    say("`dragoman dlq show ID` shows one whole; `dragoman parked release` tries again when its cause is mended.")


def _set_aside(project: Project) -> list[dict[str, Any]]:
    """The dead letters of records that could not be read; nothing waits for them."""
    import orjson

    from dragoman.streams import records_of
    from dragoman.wiring import has_log, letters_topic, reading

    if not has_log(project):
        return []
    with reading(project) as log:
        topics = [name for name in map(letters_topic, project.settings.translators) if name in log.topics()]
        bodies = [orjson.loads(r.value) for name in topics for r in records_of(log, name) if r.value and r.key is None]
    return [body for body in bodies if "record" in body]


def _place(body: dict[str, Any]) -> dict[str, Any]:
    return {name: body["record"][name] for name in ("topic", "partition", "offset")}


def _say_aside(bodies: list[dict[str, Any]]) -> None:
    say()
    are = "record is" if len(bodies) == 1 else "records are"
    say(
        (f"{len(bodies):,} {are} set aside", "bold"),
        ", since they could not be read: their rows are missing in the state",
    )
    for body in bodies[:_KEYS_SHOWN]:
        at = _place(body)
        place = f"{at['topic']} {at['partition']}:{at['offset']:,}"
        say(f"         {body['id']}   {body['translator']}   {place}   {body['problem']['code']}")
    if len(bodies) > _KEYS_SHOWN:
        say((f"         and {len(bodies) - _KEYS_SHOWN:,} more: --json lists them all", "dim"))


def _say_group(group: list[ParkedKey]) -> None:
    from dragoman.times import moment, of_millis
    from dragoman.wiring import utc

    first = group[0]
    problem = first.problem
    since = moment(of_millis(min(letter.steps[0].first_seen for letter in group)), utc())
    say()
    say((f"{len(group):>5}  ", "bold"), (problem.code, "bold"), f"   {first.translator}   since {since}")
    paragraph(problem.message, "       ")
    if problem.where:
        say((f"       {problem.where}", "dim"))
    if problem.hint:
        paragraph(problem.hint, "              ", "       next   ")
    for letter in group[:_KEYS_SHOWN]:
        later = f"   {count(letter.behind, 'later step')} behind" if letter.behind else ""
        say(f"         {letter.dead_letter}   {letter.key}{later}")
    if len(group) > _KEYS_SHOWN:
        say((f"         and {len(group) - _KEYS_SHOWN:,} more: --json lists them all", "dim"))


def _summary(letter: ParkedKey) -> dict[str, Any]:
    step = letter.steps[0]
    return {
        "id": letter.dead_letter,
        "translator": letter.translator,
        "key": letter.key,
        "code": letter.problem.code,
        "cause": letter.problem.cause,
        "message": letter.problem.message,
        "field": letter.problem.field,
        "where": letter.problem.where,
        "hint": letter.problem.hint,
        "first_seen": step.first_seen,
        "mapping_version": step.mapping_version,
        "waiting_behind": letter.behind,
    }


@app.command()
def show(
    letter: Annotated[str, typer.Argument(metavar="ID", help="The dead letter's id, or its beginning.")],
    folder: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Show one dead letter whole; personal data are masked."""
    from dragoman.rows import classified, shown_row
    from dragoman.waiting import parked_keys

    project = project_of(folder)
    body = _find(project, letter)
    waiting = [k for k in parked_keys(project, body["translator"], unmapped=False) if k.dead_letter == body["id"]]
    hidden = classified(project, body["translator"])
    if "record" in body:
        _show_record(body, masked=hidden is None or bool(hidden), as_json=as_json)
        return
    for change in body["changes"]:
        for image in ("before", "after"):
            change[image] = shown_row(change["table"], change[image], hidden)
    body["waits"], body["waiting_behind"] = bool(waiting), waiting[0].behind if waiting else 0
    if as_json:
        say_json(body)
        return
    _say_letter(body)


def _show_record(body: dict[str, Any], masked: bool, as_json: bool) -> None:
    """A record that could not be read: what is in it cannot be told apart, so that all of it is personal or nothing."""
    record = body["record"]
    if masked:
        record |= {"key": None, "value": None, "headers": [], "masked": True}
    if as_json:
        say_json(body)
        return
    say((body["id"], "bold"), f"   {body['translator']} {body['table'] or ''}   set aside")
    say()
    at = _place(body)
    _say_facts(body, (("record", f"{at['topic']} {at['partition']}:{at['offset']:,}"),))
    for name in ("key", "value"):
        if record[name] is not None:
            paragraph(record[name], " " * 16, f"  {name:<11}   ")
    if masked:
        paragraph("not shown: the mapping reads personal data", " " * 16, f"  {'content':<11}   ")


def _find(project: Project, wanted: str) -> dict[str, Any]:
    """The dead letter with this id; a step that still waits after a release has more than one: the last."""
    import orjson

    from dragoman.streams import records_of
    from dragoman.wiring import letters_topic, reading

    found: dict[str, dict[str, Any]] = {}
    with reading(project) as log:
        for name in project.settings.translators:
            for record in records_of(log, letters_topic(name)):
                header = dict(record.headers).get("dragoman_error_id") or b""
                if header.decode().startswith(wanted) and record.value is not None:
                    found[header.decode()] = orjson.loads(record.value)
    if wanted in found:
        return found[wanted]
    if len(found) != 1:
        raise DeadLetterUnknown(id=wanted)
    return next(iter(found.values()))


def _say_letter(body: dict[str, Any]) -> None:
    from dragoman.rows import say_change

    state = f"waits, {count(body['waiting_behind'], 'later step')} behind" if body["waits"] else "waits no longer"
    say((body["id"], "bold"), f"   {body['translator']} {body['key']}   {state}")
    say()
    _say_facts(body, (("transaction", body["transaction"]),))
    for change in body["changes"]:
        at = change["at"]
        say()
        say_change(change, f"{at['topic']} {at['partition']}:{at['offset']:,}" if at["offset"] >= 0 else at["topic"])


def _say_facts(body: dict[str, Any], more: Iterable[tuple[str, object]]) -> None:
    from dragoman.times import moment, of_millis
    from dragoman.wiring import utc

    problem = body["problem"]
    facts = [
        ("problem", f"{problem['code']} ({problem['cause']})"),
        ("", problem["message"]),
        ("where", problem.get("where")),
        ("columns", ", ".join(problem.get("columns", []))),
        ("next", problem.get("hint")),
        ("owner", body["owner"]),
        ("first seen", moment(of_millis(body["first_seen"]), utc())),
        *more,
        ("mapping", body["mapping_version"]),
    ]
    for name, text in facts:
        if text:
            paragraph(str(text), " " * 16, f"  {name:<11}   ")
