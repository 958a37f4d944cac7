"""`dragoman snapshot`: tables read again by the connector, while the feed goes on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.commands.options import JsonOption, ProjectOption, confirmed, now, project_of
from dragoman.console import FINDINGS, count, paragraph, say, say_json, say_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.debezium.snapshots import SnapshotRun, Snapshots, TableScan
    from dragoman.project import Project
    from dragoman.snapshots import Cost, SignalledSource
    from pipeline.log.port import Log

    Look = Callable[[], Snapshots]

_TELL_EVERY = 2.0


def snapshot(
    tables: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TABLE]...", help="Tables as in schema.yaml.", show_default=False),
    ] = None,
    where: Annotated[
        str, typer.Option("--where", metavar="SQL", help="Only rows for which this holds.", show_default=False)
    ] = "",
    stop: Annotated[
        bool, typer.Option("--stop", help="End the one that goes on, or its reading of these tables.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it begins.")] = False,
    folder: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Have the connector read tables again, while the feed goes on.

    Says first what it will cost, then how it goes. Rows that differ from what is kept correct it, and their keys are published
    once, class snapshot: no event is sent. Ctrl-C ends the watching, not the snapshot. Without tables: how the last one went.
    """
    from dragoman.snapshots import SignalledSource
    from dragoman.wiring import reading

    project = project_of(folder)
    source = SignalledSource(project)
    wanted = list(dict.fromkeys(tables or []))
    with reading(project) as log:
        if stop:
            _stop(source, log, wanted, as_json)
        elif wanted:
            _take(project, source, log, wanted, where, yes, as_json)
        else:
            _last(source, log, as_json)


def _last(source: SignalledSource, log: Log, as_json: bool) -> None:
    run = source.looks(log)().last
    if run is not None:
        _tell(run, as_json)
    elif not as_json:
        say("No snapshot was asked for yet, as far back as its notifications are kept.")


def _stop(source: SignalledSource, log: Log, tables: list[str], as_json: bool) -> None:
    look = source.looks(log)
    run = look().going_on
    if run is None:
        if not as_json:
            say("No snapshot goes on: nothing to stop.")
        return
    source.stop(log, tables, now())
    if tables:
        say(f"{', '.join(tables)} will be left out of {run.id}: `dragoman snapshot` says how it went.")
    else:
        _follow(source, look, run.id, as_json)


def _take(
    project: Project, source: SignalledSource, log: Log, tables: list[str], where: str, yes: bool, as_json: bool
) -> None:
    cost = source.cost(tables, where)
    if as_json:
        say_json(cost)
    else:
        _say_cost(source, cost, where)
    if not yes and not confirmed("Read them now?"):
        raise typer.Exit(0)
    look = source.looks(log)
    _wait_until_idle(look, as_json)
    run = source.ask(log, tables, where, now())
    if not as_json:
        say()
        say(f"{run} is asked for; the connector looks for signals every few seconds")
    _follow(source, look, run, as_json)


def _say_cost(source: SignalledSource, cost: Cost, where: str) -> None:
    from rich.filesize import decimal

    say(("snapshot  ", "bold"), ", ".join(one.table for one in cost.tables), f"  where {where}" if where else "")
    rows = [("table", "rows, about", "size, about", "feed", "read by")]
    for one in cost.tables:
        size = ("?", "?") if one.size is None else (f"{one.size.rows:,}", decimal(one.size.bytes))
        rows.append((one.table, *size, one.topic, ", ".join(one.read_by) or "nobody"))
    say_table(rows, "<>><<")
    if cost.rows is None:
        paragraph("How much that is nobody says: the source names no `database:` that could be asked.", "  ", "  ")
    else:
        chunks = -(-cost.rows // cost.chunk)
        said = f"about {count(max(chunks, 1), 'read')} of up to {cost.chunk:,} rows, each with two rows in the signal table"
        paragraph(f"{said}; every row becomes a record of its feed.", "  ", "  ")
    for name, others in cost.apart.items():
        paragraph(
            f"{name} reads {', '.join(others)} as well: a key that it never saw stays unpublished after this.",
            "    ",
            "  ! ",
        )
    if where:
        paragraph(
            "Rows for which the condition does not hold stay unread, so a key never seen stays unpublished: "
            "`dragoman reload KEY -t NAME` loads a single one.",
            "    ",
            "  ! ",
        )


def _wait_until_idle(look: Look, as_json: bool) -> None:
    from dragoman.interrupts import ended_by_signals
    from dragoman.snapshots import wait_until_idle

    told = ""
    with ended_by_signals() as ended:
        for run in wait_until_idle(look, ended.is_set):
            if run.id != told and not as_json:
                say(f"{run.id} goes on: what is asked for now would join it, so this waits until it is over")
            told = run.id
        if ended.is_set():
            raise typer.Exit(0)


def _follow(source: SignalledSource, look: Look, run: str, as_json: bool) -> None:
    """Tell each table when its scan ends, and now and then how far it is."""
    from dragoman.interrupts import ended_by_signals
    from dragoman.snapshots import follow

    ended_tables: set[str] = set()
    told, last = time.monotonic(), None
    with ended_by_signals() as ended:
        for last in follow(look, run, source.topic, ended.is_set):
            for table, scan in last.tables.items():
                if as_json or table in ended_tables:
                    continue
                if scan.status:
                    ended_tables.add(table)
                    _say_scan(table, scan, last.over)
                elif scan.at and time.monotonic() > told + _TELL_EVERY:
                    told = time.monotonic()
                    say((f"  {table:<24} at key {scan.at} of {scan.last}", "dim"))
    if last is None or not last.over:
        if not as_json:
            say("The snapshot goes on: `dragoman snapshot` says how it goes, `dragoman snapshot --stop` ends it.")
        return
    if as_json:
        say_json(last)
    else:
        _say_end(last, ended_tables)
    if not last.is_whole:
        raise typer.Exit(FINDINGS)


def _tell(run: SnapshotRun, as_json: bool) -> None:
    if as_json:
        say_json(run)
        return
    say((run.id, "bold"), "" if run.over else "  goes on")
    for table, scan in run.tables.items():
        if scan.status or not run.over:
            _say_scan(table, scan, run.over)
    if run.over:
        _say_end(run, {table for table, scan in run.tables.items() if scan.status})


def _say_scan(table: str, scan: TableScan, over: bool) -> None:
    from connectors.debezium.snapshots import READ

    if scan.status in READ:
        say(("  ✓ ", "green"), f"{table:<24} {count(scan.rows, 'row')} read")
    elif scan.status:
        say(("  ✗ ", "bold red"), f"{table:<24} {scan.status}: not read; the connector's log has the reason")
    elif not over:
        say("    ", f"{table:<24} " + (f"at key {scan.at} of {scan.last}" if scan.at else "waits"))


def _say_end(run: SnapshotRun, ended_tables: set[str]) -> None:
    left = [table for table in run.tables if table not in ended_tables]
    for table in left:
        say(("  ! ", "yellow"), f"{table:<24} stopped before all of it was read")
    if run.is_whole:
        say("Complete. What differed is published when the workers have read so far: `dragoman status`.")
    else:
        say(("Not complete: ", "bold"), "what was read corrects what is kept, and nothing is said of the rest.")
