"""`dragoman dlq`: the steps that could not be translated, each whole, with its reason."""

from __future__ import annotations

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
    if as_json:
        for letter in letters:
            say_json(_summary(letter))
        return
    if not letters:
        say("No dead letter waits.")
        return
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
    for change in body["changes"]:
        for image in ("before", "after"):
            change[image] = shown_row(change["table"], change[image], hidden)
    body["waits"], body["waiting_behind"] = bool(waiting), waiting[0].behind if waiting else 0
    if as_json:
        say_json(body)
        return
    _say_letter(body)


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
    from dragoman.times import moment, of_millis
    from dragoman.wiring import utc

    problem = body["problem"]
    state = f"waits, {count(body['waiting_behind'], 'later step')} behind" if body["waits"] else "waits no longer"
    say((body["id"], "bold"), f"   {body['translator']} {body['key']}   {state}")
    say()
    facts = [
        ("problem", f"{problem['code']} ({problem['cause']})"),
        ("", problem["message"]),
        ("where", problem.get("where")),
        ("columns", ", ".join(problem.get("columns", []))),
        ("next", problem.get("hint")),
        ("owner", body["owner"]),
        ("first seen", moment(of_millis(body["first_seen"]), utc())),
        ("transaction", body["transaction"]),
        ("mapping", body["mapping_version"]),
    ]
    for name, text in facts:
        if text:
            paragraph(str(text), " " * 16, f"  {name:<11}   ")
    for change in body["changes"]:
        at = change["at"]
        say()
        say_change(change, f"{at['topic']} {at['partition']}:{at['offset']:,}" if at["offset"] >= 0 else at["topic"])
