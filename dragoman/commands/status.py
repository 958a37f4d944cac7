"""`dragoman status`: how far everything has come."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.commands.options import JsonOption, ProjectOption, project_of
from dragoman.console import count, paragraph, say, say_json, say_table

if TYPE_CHECKING:
    from dragoman.standing import PartitionStanding, ReaderStanding, TranslatorStanding


def status(folder: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """Show how far everything has come, and what waits."""
    from dragoman.proven import connectors_of, unproven
    from dragoman.standing import reader_standings, translator_standings
    from dragoman.wiring import reading, running_worker

    project = project_of(folder)
    with reading(project) as log:
        warnings = unproven(connectors_of(project, log))
        translators = translator_standings(project, log)
        readers = reader_standings(project, log)
    worker = running_worker(project.settings.log)
    if as_json:
        say_json({"worker": worker})
        for one in (*translators, *readers):
            say_json(one)
        for error in warnings:
            say_json({"warning": error.code, "message": error.message})
        return
    say(("worker  ", "bold"), "none is running" if worker is None else f"process {worker} is running")
    for error in warnings:
        paragraph(error.message, "  ", "! ")
    for standing in translators:
        _say_translator(standing)
    _say_readers(readers)


def _say_translator(one: TranslatorStanding) -> None:
    say()
    version = "never run" if one.generation is None else f"generation {one.generation}, mapping {one.mapping_version}"
    say((one.translator, "bold"), f"   reads {one.feed}   {version}")
    if one.pending:
        say(("  ! ", "yellow"), "the mapping's files have changed: the next worker runs with another version")
    if not one.partitions:
        say("  its feed does not exist yet")
        return
    rows = [("partition", "offset", "end", "behind", ""), *map(_row, one.partitions)]
    say_table(rows, ">>>><")
    if one.parked_keys:
        say(("  ! ", "yellow"), f"{count(one.parked_keys, 'key')} parked: `dragoman parked list`")
    if one.unmapped_keys:
        say(
            ("  ! ", "yellow"), f"{count(one.unmapped_keys, 'key')} without a publishable state: `dragoman parked list`"
        )


def _row(one: PartitionStanding) -> tuple[str, ...]:
    from dragoman.times import span

    notes = [f"{span(one.seconds)} of records"] if one.behind else []
    if one.loading:
        notes.append("loading")
    if one.open_step:
        notes.append("open step: the end of its transaction has not been read")
    return (f"{one.partition}", f"{one.offset:,}", f"{one.end:,}", f"{one.behind:,}", ", ".join(notes))


def _say_readers(readers: list[ReaderStanding]) -> None:
    if not readers:
        return
    say()
    rows = [("consumer", "reads", "behind", "parked")]
    for one in readers:
        behind = "no database yet" if one.behind is None else f"{one.behind:,}"
        rows.append((one.consumer, ", ".join(one.reads), behind, f"{one.parked:,}"))
    say_table(rows, "<<>>", indent="")
