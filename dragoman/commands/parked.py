"""`dragoman parked`: the keys whose steps wait behind a dead letter, and the orders to let them go on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from dragoman.commands.options import JsonOption, ProjectOption, confirmed, project_of
from dragoman.commands.repair import order
from dragoman.console import FAILED, count, paragraph, say, say_json, say_table
from translators.errors import DragomanError

if TYPE_CHECKING:
    from dragoman.orders import Executed
    from dragoman.waiting import ParkedKey

app = typer.Typer(help="Show parked keys, release or discard what waits.", no_args_is_help=True, rich_markup_mode=None)

TranslatorOption = Annotated[
    str | None, typer.Option("--translator", "-t", metavar="NAME", help="Only this translator.", show_default=False)
]
_RESULTS_SHOWN = 10


class KeyNotParked(DragomanError):
    """No step of {key} waits{place}{suggestion}"""

    code: ClassVar[str] = "parked.unknown-key"
    hint: ClassVar[str] = "`dragoman parked list` shows the keys that are parked."


class KeyAmbiguous(DragomanError):
    """{key} is parked in several translators: {translators}."""

    code: ClassVar[str] = "parked.ambiguous-key"
    hint: ClassVar[str] = "Say which one with --translator."


class NothingToDiscard(DragomanError):
    """The events of all steps of {key} were given up already; what is missing is a state that can be published."""

    code: ClassVar[str] = "parked.nothing-to-discard"
    hint: ClassVar[str] = (
        "Mend the mapping, then `dragoman parked release {key}`; or wait for a step that makes it fit."
    )


class NothingNamed(DragomanError):
    """Neither a key nor --all was given."""

    code: ClassVar[str] = "parked.nothing-named"
    hint: ClassVar[str] = "`dragoman parked release KEY`, or `dragoman parked release --all`."


@app.command(name="list")
def list_(folder: ProjectOption = Path(), translator: TranslatorOption = None, as_json: JsonOption = False) -> None:
    """List the parked keys, and what became of commands."""
    from dragoman.orders import executed
    from dragoman.waiting import parked_keys

    project = project_of(folder)
    keys = parked_keys(project, translator)
    commands = executed(project)
    if as_json:
        for key in keys:
            say_json(_summary(key))
        for one in commands:
            result = one.pin.result or None
            said = {"command": one.pin.command, "translator": one.translator, "partition": one.pin.partition}
            say_json({**said, "result": result})
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
        _say_commands(commands)


def _say_commands(commands: list[Executed]) -> None:
    say()
    say(("commands", "bold"))
    for one in commands[-_RESULTS_SHOWN:]:
        start = f"  {one.pin.command:>4}  {one.translator}: "
        paragraph(one.pin.result or "not executed yet", "              ", start)


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
    from pipeline.control import Command

    project = project_of(folder)
    if key is None and not every:
        raise NothingNamed
    keys = parked_keys(project, translator, unmapped=False)
    chosen = keys if key is None else [_the_one(keys, key, translator)]
    commands = [Command(action="release", translator=k.translator, key=k.key, partition=k.partition) for k in chosen]
    order(project, commands, as_json)


@app.command()
def discard(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The business key.")],
    every: Annotated[bool, typer.Option("--all", help="The events of all steps that wait now.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    folder: ProjectOption = Path(),
    translator: TranslatorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give up the events of a key's dead letter.

    Never its rows: they enter the state, and the steps behind it are then applied. A step that comes after this command
    is never given up by it.
    """
    from dragoman.waiting import parked_keys
    from pipeline.control import Command

    project = project_of(folder)
    found = _the_one(parked_keys(project, translator, unmapped=False), key, translator)
    if not found.undecided:
        raise NothingToDiscard(key=found.key)
    steps = len(found.undecided) if every else 1
    if not yes:
        say(f"{found.translator} {found.key}: {found.problem.code}: {found.problem.message}")
        what = "this step" if steps == 1 else f"these {steps:,} steps"
        left = len(found.undecided) - steps
        then = f" {count(left, 'later step')} will then be applied." if left else ""
        paragraph(
            f"Rows will enter the state; the events of {what} will never be published, and nothing brings them back.{then}"
        )
        if not confirmed(f"Give up the events of {what}?"):
            say("Nothing was sent.")
            raise typer.Exit(FAILED)
    command = Command(
        action="discard",
        translator=found.translator,
        key=found.key,
        partition=found.partition,
        through=found.undecided[steps - 1].version,
    )
    order(project, [command], as_json)


def _the_one(keys: list[ParkedKey], wanted: str, translator: str | None) -> ParkedKey:
    from translators.yaml_text import did_you_mean

    found = [key for key in keys if key.key == wanted]
    if not found:
        near = did_you_mean(wanted, [key.key for key in keys])
        raise KeyNotParked(key=wanted, place=f" in {translator}" if translator else "", suggestion=near or ".")
    if len(found) > 1:
        raise KeyAmbiguous(key=wanted, translators=", ".join(key.translator for key in found))
    return found[0]
