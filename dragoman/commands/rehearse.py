"""`dragoman rehearse`: what a changed mapping would change, over recorded changes, before it is deployed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.commands.options import JsonOption, ProjectOption, project_of
from dragoman.console import FINDINGS, console, count, paragraph, say, say_json, wrapped

if TYPE_CHECKING:
    from pipeline.difference import Difference, Example
    from pipeline.rehearse import ContractChange, Rehearsal

_SAID = {
    "event-added": "events are new",
    "event-removed": "events are no longer said",
    "event-changed": "say otherwise",
    "id-moved": "have another id",
    "state-added": "state records are new",
    "state-removed": "state records are gone",
    "state-changed": "states differ",
    "outcome-changed": "",
}


def rehearse(
    against: Annotated[
        str,
        typer.Option("--against", "-a", metavar="REV|FOLDER", help="The old mappings: a git revision, or a folder."),
    ],
    translator: Annotated[
        str | None, typer.Argument(metavar="[TRANSLATOR]", help="Only this translator.", show_default=False)
    ] = None,
    feed: Annotated[
        Path | None,
        typer.Option("--feed", metavar="FILE", help="A recording instead of the log.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="Only the first so many changes.", show_default=False)
    ] = None,
    folder: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Show what a changed mapping would change.

    The old and the new mappings run over the same recorded changes, those of the log or of a recording. Nothing is
    published and nothing is kept. Exit code 0: nothing would change; 1: something would; 2: it could not be told.
    """
    from dragoman.rehearsing import older, rehearsed

    project = project_of(folder)
    if translator is not None:
        project.check_name(translator)
    same = True
    with older(project, against) as old:
        names, was = project.settings.translators, old.settings.translators
        if translator is None:
            same = set(names) == set(was)
            _say_missing(names, was, as_json)
        for name in (n for n in names if n in was) if translator is None else (translator,):
            found = rehearsed(project, old, name, feed, limit)
            same &= found.is_same
            if as_json:
                say_json(_data(found))
            else:
                _say_rehearsal(found)
    if not same:
        raise typer.Exit(FINDINGS)


def _say_missing(new: tuple[str, ...], old: tuple[str, ...], as_json: bool) -> None:
    for name, said in [(n, "is new") for n in new if n not in old] + [(n, "is gone") for n in old if n not in new]:
        if as_json:
            say_json({"translator": name, "verdict": said.removeprefix("is ")})
        else:
            say((name, "bold"), f"   {said}: there is nothing to compare it with")


def _data(found: Rehearsal) -> dict[str, object]:
    import msgspec

    data: dict[str, object] = msgspec.to_builtins(found)
    return {**data, "silent": [one.contract for one in found.silent], "same": found.is_same}


def _say_rehearsal(found: Rehearsal) -> None:
    over = f"{count(found.steps, 'step')} of {count(found.changes, 'change')}"
    if found.is_same:
        say((found.translator, "bold"), "   ", ("✓ ", "bold green"), f"nothing would change over {over}")
    else:
        differ = f"{found.differing:,} of {over} would differ"
        say((found.translator, "bold"), "   ", ("≠ ", "bold yellow"), (differ, "bold"))
    if found.open_steps:
        say(f"  not compared: {count(found.open_steps, 'open transaction')} that nothing proves to be over")
    if found.loading:
        say(f"  not compared: the snapshot of {count(len(found.loading), 'partition')}, not known to be complete")
    for contract in found.contracts:
        _say_contract(contract)
    _say_silent(found)
    for one in found.differences:
        _say_difference(one)
    if not found.is_same:
        say()


def _say_contract(one: ContractChange) -> None:
    if one.verdict == "unchanged":
        return
    style = "bold red" if one.verdict in ("breaking", "removed") else "bold"
    say("  contract  ", (one.contract, "bold"), "   ", (one.verdict, style))
    for broken in one.breaks:
        said = f"{broken.path or one.contract} {broken.message} ({broken.rule})"
        paragraph(said, "            ")


def _say_silent(found: Rehearsal) -> None:
    """The finding that no comparison of contracts would show."""
    if not found.silent:
        return
    said = ", ".join(f"{one.contract} ({one.differences:,})" for one in found.silent)
    for line in wrapped(f"unchanged contracts that now say something else: {said}", console().width, "    ", "  ✗ "):
        say((line, "bold red"))
    hint = "Consumers cannot see this. Tell them if it corrects what was wrong; make it a version if it is new."
    for line in wrapped(hint, console().width, "    "):
        say((line, "dim"))


def _say_difference(one: Difference) -> None:
    say()
    what = one.of if one.kind == "outcome-changed" else f"{one.of} {one.field}".strip()
    said = _SAID[one.kind]
    say((f"{one.count:>7,}  ", "bold"), (what, "bold"), f"   {said}" if said else "   outcomes change")
    for example in one.examples:
        _say_example(example)


def _say_example(example: Example) -> None:
    values = "" if (example.old, example.new) == ("-", "-") else f"   {example.old} → {example.new}"
    transaction = f"   tx {example.transaction}" if example.transaction else ""
    say((f"           {example.key}{transaction}   {example.at}", "dim"), values)
