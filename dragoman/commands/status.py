"""`dragoman status`: how far everything has come."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.commands.options import JsonOption, ProjectOption, now, project_of
from dragoman.console import count, paragraph, say, say_json, say_table

if TYPE_CHECKING:
    from dragoman.connector_standing import ConnectorStanding
    from dragoman.schema_news import SchemaNews
    from dragoman.standing import PartitionStanding, ReaderStanding, TranslatorStanding, Trouble


_PROOFS = {"later": "a later one", "end": "their END", "passed": "the connector's offset"}


def status(folder: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """Show how far everything has come, and what waits."""
    from dragoman.connector_standing import connector_standing
    from dragoman.proven import connectors_of, unproven
    from dragoman.standing import reader_standings, translator_standings
    from dragoman.wiring import reading, running_worker, workers_of

    project = project_of(folder)
    with reading(project) as log:
        warnings = unproven(connectors_of(project, log))
        translators = translator_standings(project, log)
        readers = reader_standings(project, log)
        workers = workers_of(project, log)
        connector = connector_standing(project, log, now())
    worker = running_worker(project.settings.log)
    if as_json:
        say_json({"worker": worker})
        for one in (*translators, *readers):
            say_json(one)
        if connector is not None:
            say_json(connector)
        for error in warnings:
            say_json({"warning": error.code, "message": error.message})
        return
    say(("worker  ", "bold"), workers)
    for error in warnings:
        paragraph(error.message, "  ", "! ")
    if connector is not None:
        _say_connector(connector)
    for standing in translators:
        _say_translator(standing)
    _say_readers(readers)


def _say_connector(one: ConnectorStanding) -> None:
    """What is said of it is not what it is: the facts beside its state, then what is wrong and what to do."""
    from rich.filesize import decimal

    from dragoman.times import span

    say()
    say((one.connector, "bold"), f"   {one.states}")
    seen, facts = one.seen, []
    for what, seconds in (("last record", seen.record_seconds), ("last heartbeat", seen.beat_seconds)):
        facts.append(f"{what} {'never' if seconds is None else span(seconds) + ' ago'}")
    if seen.slot is not None:
        facts.append(
            f"slot {seen.slot_name}: {decimal(seen.slot.behind)} behind, {decimal(seen.slot.retained)} of log kept"
        )
    if seen.log is not None:
        at = "nothing of it read" if seen.place is None else f"read up to {seen.place.file}:{seen.place.position}"
        facts.append(f"binary log kept from {seen.log.files[0]}, {at}")
    say((f"  {', '.join(facts)}", "dim"))
    for symptom in one.symptoms:
        mark = ("  ✗ ", "bold red") if symptom.severity == "error" else ("  ! ", "yellow")
        say(mark, (symptom.code, "bold"))
        paragraph(symptom.message, "    ")
        paragraph(symptom.fix, "         ", "  next   ")


def _say_translator(one: TranslatorStanding) -> None:
    say()
    version = "never run" if one.generation is None else f"generation {one.generation}, mapping {one.mapping_version}"
    feed = f"   reads {one.feed}" if one.feed else ""
    say((one.translator, "bold"), f"{feed}   {version}")
    if one.trouble is not None:
        _say_trouble(one.trouble)
    elif one.pending:
        say(("  ! ", "yellow"), "the mapping's files have changed: the next worker runs with another version")
    if one.partitions:
        say_table([("partition", "offset", "end", "behind", ""), *map(_row, one.partitions)], ">>>><")
    elif one.trouble is None:
        say("  its feed does not exist yet")
    if one.proofs:
        said = (f"{number:,} by {_PROOFS[proof]}" for proof, number in sorted(one.proofs.items()))
        say((f"  transactions closed: {', '.join(said)}", "dim"))
    if one.late:
        say(("  ! ", "yellow"), f"{count(one.late, 'change')} came late, after their transaction was closed")
    if one.parked_keys:
        say(("  ! ", "yellow"), f"{count(one.parked_keys, 'key')} parked: `dragoman parked list`")
    if one.unmapped_keys:
        say(
            ("  ! ", "yellow"), f"{count(one.unmapped_keys, 'key')} without a publishable state: `dragoman parked list`"
        )
    for news in one.news:
        _say_news(news)


def _say_news(one: SchemaNews) -> None:
    say(("  ! ", "yellow"), f"{one.message}, since {one.since or 'the snapshot'} ({one.at})")
    paragraph(one.fix, "    ")
    if one.command:
        say(("    " + one.command, "dim"))


def _say_trouble(trouble: Trouble) -> None:
    say(("  ✗ ", "bold red"), ("its mapping cannot be used, so nobody knows how far it has come", "bold"))
    paragraph(trouble.message, "    ")
    if trouble.where is not None and trouble.where not in trouble.message:
        say(f"    {trouble.where}")
    say(("    `dragoman lint` shows all of it; no new worker starts before it is mended.", "dim"))


def _row(one: PartitionStanding) -> tuple[str, ...]:
    from dragoman.times import span

    notes = [f"{span(one.seconds)} of records"] if one.behind else []
    if one.loading:
        notes.append("loading")
    if one.connector_behind:
        notes.append("open step: the connector is behind, its own offset has not passed the transaction")
    elif one.open_step:
        notes.append("open step: the end of its transaction has not been read")
    return (f"{one.partition}", f"{one.offset:,}", f"{one.end:,}", f"{one.behind:,}", ", ".join(notes))


def _say_readers(readers: list[ReaderStanding]) -> None:
    if not readers:
        return
    say()
    rows = [("consumer", "reads", "behind", "parked")]
    for one in readers:
        nothing = "no database yet" if one.trouble is None else f"unknown ({one.trouble.code})"
        behind = nothing if one.behind is None else f"{one.behind:,}"
        rows.append(
            (one.consumer, ", ".join(one.reads), behind, "unknown" if one.parked is None else f"{one.parked:,}")
        )
    say_table(rows, "<<>>", indent="")
