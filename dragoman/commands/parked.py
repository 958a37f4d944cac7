"""`dragoman parked`: the keys whose steps wait behind a dead letter, and the orders to let them go on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from dragoman.commands.options import JsonOption, ProjectOption, now, project_of
from dragoman.console import FAILED, count, paragraph, say, say_json, say_table
from translators.errors import DragomanError

if TYPE_CHECKING:
    from dragoman.project import Project
    from dragoman.waiting import ParkedKey

app = typer.Typer(help="Show parked keys, release or discard what waits.", no_args_is_help=True, rich_markup_mode=None)

TranslatorOption = Annotated[
    str | None, typer.Option("--translator", "-t", metavar="NAME", help="Only this translator.", show_default=False)
]
_RESULTS_SHOWN = 10


class KeyNotParked(DragomanError):
    """No step of {key} waits{place}."""

    code: ClassVar[str] = "parked.unknown-key"
    hint: ClassVar[str] = "`dragoman parked list` shows the keys that are parked."


class KeyAmbiguous(DragomanError):
    """{key} is parked in several translators: {translators}."""

    code: ClassVar[str] = "parked.ambiguous-key"
    hint: ClassVar[str] = "Say which one with --translator."


class NothingNamed(DragomanError):
    """Neither a key nor --all was given."""

    code: ClassVar[str] = "parked.nothing-named"
    hint: ClassVar[str] = "`dragoman parked release KEY`, or `dragoman parked release --all`."


@app.command(name="list")
def list_(folder: ProjectOption = Path(), translator: TranslatorOption = None, as_json: JsonOption = False) -> None:
    """List the parked keys, and what became of commands."""
    from dragoman.waiting import executed, parked_keys

    project = project_of(folder)
    keys = parked_keys(project, translator)
    commands = executed(project)
    if as_json:
        for key in keys:
            say_json(_summary(key))
        for one in commands:
            result = one.pin.result or None
            say_json({"command": one.pin.command, "translator": one.translator, "result": result})
        return
    waiting = [key for key in keys if key.steps]
    steps = sum(len(key.steps) for key in waiting)
    if waiting:
        what = "key is parked" if len(waiting) == 1 else "keys are parked"
        say((f"{len(waiting):,} {what}", "bold"), f", {count(steps, 'step')} {'waits' if steps == 1 else 'wait'}")
        _say_waiting(waiting)
    else:
        say("No key is parked.")
    _say_unmapped([key for key in keys if not key.steps])
    if commands:
        say()
        say(("commands", "bold"))
        for one in commands[-_RESULTS_SHOWN:]:
            paragraph(
                one.pin.result or "not executed yet", "              ", f"  {one.pin.command:>4}  {one.translator}: "
            )


def _say_waiting(keys: list[ParkedKey]) -> None:
    """The keys below what they wait behind."""
    from dragoman.times import moment, of_millis
    from dragoman.wiring import utc

    reasons: dict[tuple[str, str, str], list[ParkedKey]] = {}
    for key in keys:
        reasons.setdefault((key.translator, key.problem.code, key.problem.message), []).append(key)
    for (translator, code, message), group in reasons.items():
        say()
        paragraph(f"{translator}   behind {code}: {message}", "      ", "  ")
        rows = [("key", "since", "steps", "dead letter")]
        for key in group:
            since = moment(of_millis(key.steps[0].first_seen), utc())
            rows.append((key.key, since, f"{len(key.steps):,}", key.dead_letter or ""))
        say_table(rows, "<<><", indent="    ")


def _say_unmapped(keys: list[ParkedKey]) -> None:
    if not keys:
        return
    say()
    say((f"{count(len(keys), 'key')} without a publishable state", "bold"), ": rows are known, no step waits")
    rows = [(k.translator, k.key, f"{k.problem.code}: {k.problem.message}") for k in keys]
    say_table(rows, "<<<", header=False)


def _summary(key: ParkedKey) -> dict[str, Any]:
    first = key.steps[0] if key.steps else None
    return {
        "translator": key.translator,
        "key": key.key,
        "since": None if first is None else first.first_seen,
        "steps": len(key.steps),
        "dead_letter": key.dead_letter,
        "unmapped": first is None,
        "code": key.problem.code,
        "message": key.problem.message,
        "where": key.problem.where,
        "hint": key.problem.hint,
    }


@app.command()
def release(
    key: Annotated[str | None, typer.Argument(metavar="KEY", help="The business key.", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Every parked key.")] = False,
    folder: ProjectOption = Path(),
    translator: TranslatorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Apply the waiting steps of a key, in order.

    As far as the mapping of today can translate them; what it cannot goes on waiting.
    """
    from dragoman.waiting import parked_keys

    project = project_of(folder)
    if key is None and not every:
        raise NothingNamed
    keys = parked_keys(project, translator, unmapped=False)
    _send(project, "release", keys if key is None else [_the_one(keys, key, translator)], as_json)


@app.command()
def discard(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The business key.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    folder: ProjectOption = Path(),
    translator: TranslatorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give up the events of a key's dead letter.

    Never its rows: they enter the state, and the steps behind it are then applied.
    """
    from dragoman.waiting import parked_keys

    project = project_of(folder)
    found = _the_one(parked_keys(project, translator, unmapped=False), key, translator)
    if not yes:
        say(f"{found.translator} {found.key}: {found.problem.code}: {found.problem.message}")
        paragraph(
            "Its rows will enter the state; the events of this step will never be published, and nothing brings them "
            f"back. {count(found.behind, 'later step')} will then be applied."
        )
        if not _confirmed("Give up the events of this step?"):
            say("Nothing was sent.")
            raise typer.Exit(FAILED)
    _send(project, "discard", [found], as_json)


def _confirmed(question: str) -> bool:
    """Whether a person says yes; where nobody can be asked, nobody did."""
    try:
        return typer.confirm(question)
    except typer.Abort:
        say()
        return False


def _the_one(keys: list[ParkedKey], wanted: str, translator: str | None) -> ParkedKey:
    found = [key for key in keys if key.key == wanted]
    if not found:
        raise KeyNotParked(key=wanted, place=f" in {translator}" if translator else "")
    if len(found) > 1:
        raise KeyAmbiguous(key=wanted, translators=", ".join(key.translator for key in found))
    return found[0]


def _send(project: Project, action: Literal["release", "discard"], keys: list[ParkedKey], as_json: bool) -> None:
    """Append one command for each key, and say who will execute it."""
    from dragoman.wiring import reading, running_worker
    from pipeline.control import Command, send

    with reading(project) as log:
        sent = []
        for key in keys:
            command = Command(action=action, translator=key.translator, key=key.key, partition=key.partition)
            sent.append((send(log, command, now()), key))
    worker = running_worker(project.settings.log)
    if as_json:
        for number, key in sent:
            worker_is = {"command": number, "action": action, "translator": key.translator, "key": key.key}
            say_json({**worker_is, "worker": worker})
        return
    for number, key in sent:
        say(f"command {number}: {action} {key.translator} {key.key}")
    if not sent:
        say("No key is parked: nothing to do.")
    elif worker is None:
        say("No worker is running: the next `dragoman run` executes this, then `dragoman parked list` says the result.")
    else:
        say(f"The running worker (process {worker}) executes this; `dragoman parked list` says the result.")
