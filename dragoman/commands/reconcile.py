"""`dragoman reconcile`: is the view what the legacy says it should be, and if not, why, since when, and is that accepted?"""

from __future__ import annotations

import time
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from dragoman.commands.options import JsonOption, ProjectOption, project_of
from dragoman.console import say_json, say_lines

app = typer.Typer(help="Compare views with the legacy, behind the fence.", no_args_is_help=True, rich_markup_mode=None)

CheckArgument = Annotated[str | None, typer.Argument(metavar="[CHECK]", help="Only this check.", show_default=False)]


def _sleep(duration: timedelta) -> None:
    time.sleep(duration.total_seconds())


@app.callback()
def reconcile() -> None:
    """Compare views with the legacy database, behind the fence."""


@app.command()
def run(
    check: CheckArgument = None,
    gate: Annotated[
        bool, typer.Option("--gate", help="Compare all of it as of one position, to decide over a cutover.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that died, from the ranges that it had finished.")
    ] = False,
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes",
            min=1,
            metavar="N",
            help="Compare many rows by so many processes, side by side.",
            show_default="as the check says",
        ),
    ] = None,
    folder: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Run the checks and write the report.

    Exit code 0: clean and complete; 1: more differences than a check's limit; 2: incomplete, so nothing is proven.
    """
    from dragoman.checking import chosen_checks, resumed_checks, run_id, run_recorded
    from dragoman.ledgers import ledger_of
    from dragoman.progress import progress_line
    from dragoman.reports import as_data, exit_code, keep, say_results
    from dragoman.wiring import reading, running_worker, utc

    project = project_of(folder)
    specs = chosen_checks(project, check)

    def stopped() -> str | None:
        return None if running_worker(project.settings.log) is not None else "no worker is running"

    name = run_id(utc())
    with reading(project) as log, ledger_of(project) as ledger, progress_line(enabled=not as_json) as line:
        going = resumed_checks(ledger, specs, gate=gate) if resume else ()
        results = []
        for spec in specs:
            line.doing(f"comparing {spec.mapping} with {spec.view}")
            result = run_recorded(
                project,
                ledger,
                spec,
                log,
                run=name,
                wait=_sleep,
                stopped=stopped,
                gate=gate,
                processes=processes,
                resume=spec.check in going,
            )
            results.append(result)
    page = keep(project, results)
    if as_json:
        for one in as_data(results, page):
            say_json(one)
    else:
        say_results(results, page)
    raise typer.Exit(exit_code(results))


@app.command()
def explain(
    check: CheckArgument = None,
    folder: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Say how each check would read and compare its sides: by which plan and why, and what a faster one would need.

    Reads no rows.
    """
    from dragoman.checking import chosen_checks
    from dragoman.explaining import explained, say_explained
    from dragoman.wiring import reading

    project = project_of(folder)
    with reading(project) as log:
        plans = [explained(project, spec, log) for spec in chosen_checks(project, check)]
    if as_json:
        say_lines(plans)
    else:
        say_explained(plans)


@app.command()
def watch(
    check: CheckArgument = None,
    within: Annotated[str, typer.Option("--within", metavar="SPAN", help="Each key is looked at within it.")] = "24h",
    every: Annotated[str, typer.Option("--every", metavar="SPAN", help="How often changes are asked for.")] = "5s",
    rate: Annotated[
        int, typer.Option("--rate", min=1, metavar="N", help="Keys a second that each database is asked for at most.")
    ] = 500,
    gate: Annotated[
        list[str],
        typer.Option(
            "--gate",
            metavar="WHEN",
            help="Run all of it as a gate: every 24h, daily at 02:30, or before 2027-01-31T06:00 (UTC); repeatable.",
            show_default=False,
        ),
    ] = [],  # noqa: B006
    health: Annotated[
        str | None,
        typer.Option(
            "--health", metavar="HOST:PORT", help="Answer /healthz, /readyz and /metrics there.", show_default=False
        ),
    ] = None,
    folder: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Check for ever, beside production: what just changed, and every key within a time.

    Goes on until ended by SIGINT or SIGTERM, and from where it was when it is started again. Findings are those of
    `dragoman reconcile run`, by the same rule, in the same ledger.
    """
    from dragoman.checking import chosen_checks
    from dragoman.interrupts import ended_by_signals
    from dragoman.ledgers import ledger_engine
    from dragoman.probes import Probes, answering
    from dragoman.times import span_of
    from dragoman.watch_gates import gate_time
    from dragoman.watch_metrics import Both, Metrics
    from dragoman.watch_service import Ended, Watched, watch_checks
    from dragoman.watch_words import Lines, Words
    from dragoman.wiring import reading, running_worker, utc
    from reconcile.watch.watcher import Promise

    project = project_of(folder)
    specs = chosen_checks(project, check)
    promise = Promise(within=span_of(within), every=span_of(every))
    gates = tuple(gate_time(text) for text in gate)
    probes = Probes(promise.within.total_seconds())

    def stopped() -> str | None:
        return None if running_worker(project.settings.log) is not None else "no worker is running"

    with ended_by_signals() as ended, reading(project) as log, ledger_engine(project) as engine:

        def wait(duration: timedelta) -> None:
            probes.alive()
            if ended.wait(duration.total_seconds()):
                raise Ended

        watched = Watched(
            project=project, log=log, engine=engine, promise=promise, rate=rate, clock=utc, wait=wait, stopped=stopped,
            gates=gates,
        )  # fmt: skip
        metrics = Metrics(engine, specs, promise, utc)
        probes.started(metrics.parts)
        with suppress(Ended), nullcontext() if health is None else answering(health, probes, metrics.text):
            watch_checks(watched, specs, Both(Lines() if as_json else Words(utc), metrics))


@app.command(name="gate")
def gate_answer(
    check: CheckArgument = None,
    fresh: Annotated[str, typer.Option("--fresh", metavar="SPAN", help="The last gate is no older than this.")] = "24h",
    folder: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Say whether a cutover may go ahead: by the last gate of each check, and by what is open now.

    Compares nothing: `dragoman reconcile run --gate` and `watch --gate` do. Exit code 0: yes; 1: something differs;
    2: nothing is proven, or it was proven too long ago.
    """
    from dragoman.checking import chosen_checks
    from dragoman.gates_told import as_data, exit_code, say_answers
    from dragoman.ledgers import ledger_of
    from dragoman.times import span_of
    from reconcile.ledger.gates import answer

    project = project_of(folder)
    age, now = span_of(fresh), datetime.now(UTC)
    with ledger_of(project) as ledger:
        answers = [
            answer(spec, ledger.runs(spec.check), ledger.findings(spec.check), now=now, fresh=age)
            for spec in chosen_checks(project, check)
        ]
    if as_json:
        say_lines(as_data(answers))
    else:
        say_answers(answers, age)
    raise typer.Exit(exit_code(answers))


@app.command()
def findings(
    check: CheckArgument = None,
    closed: Annotated[bool, typer.Option("--closed", help="Those that are closed as well.")] = False,
    folder: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """List what differs and is not closed: since when, why, whose, what was accepted until when, and how it was repaired."""
    from dragoman.checking import chosen_checks
    from dragoman.ledgers import as_data, ledger_of, say_entries

    project = project_of(folder)
    with ledger_of(project) as ledger:
        entries, repairs = ledger.findings(check, closed=closed), ledger.repairs()
    if not entries:
        chosen_checks(project, check)  # a misspelt check has no findings either, and is not told as one without
    if as_json:
        say_lines(as_data(entries, repairs))
    else:
        say_entries(entries, repairs)


@app.command()
def accept(
    finding: Annotated[str, typer.Argument(metavar="ID", help="The finding's id, or its beginning.")],
    until: Annotated[
        datetime, typer.Option("--until", formats=["%Y-%m-%d"], metavar="DATE", help="The last day, in UTC.")
    ],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it may stay until then.")],
    folder: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Accept a finding until the end of a day: it is told, and does not count against the limit.

    It is reopened after that day, and as soon as it has another cause.
    """
    from dragoman.ledgers import ledger_of, say_entries

    with ledger_of(project_of(folder)) as ledger:
        entry = ledger.accept(finding, until.date(), reason, now=datetime.now(UTC))
    if as_json:
        say_json(entry)
    else:
        say_entries([entry])


@app.command()
def runs(
    check: CheckArgument = None,
    last: Annotated[int, typer.Option("--last", min=1, metavar="N", help="Of each check, so many.")] = 20,
    folder: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """List the runs: what each proved, whether it broke, for how long all was proven, and how far a watch has come."""
    import msgspec

    from dragoman.checking import chosen_checks
    from dragoman.ledgers import ledger_engine, say_runs
    from reconcile.ledger.ledger import Ledger
    from reconcile.ledger.watches import WatchBook

    project = project_of(folder)
    with ledger_engine(project) as engine:
        recorded, turns = Ledger(engine).runs(check), WatchBook(engine).turns(check)
    if not recorded and not turns:
        chosen_checks(project, check)
    if as_json:
        say_lines(recorded)
        say_lines({"watch": turn.check, **msgspec.structs.asdict(turn)} for turn in turns)
    else:
        say_runs(recorded, turns, last)


@app.command()
def repair(
    check: Annotated[str, typer.Argument(metavar="CHECK", help="The check of the view's rows.", show_default=False)],
    plan: Annotated[
        Path | None, typer.Option("--plan", metavar="FILE", help="Carry out a plan that was kept.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show and keep the plan; order nothing.")] = False,
    cause: Annotated[
        str | None, typer.Option("--cause", metavar="NAME", help="Only what has this cause.", show_default=False)
    ] = None,
    escalated: Annotated[bool, typer.Option("--escalated", help="What was escalated as well, once more.")] = False,
    allow_deletes: Annotated[bool, typer.Option("--allow-deletes", help="Deletions are permitted, a few.")] = False,
    override_breaker: Annotated[
        bool, typer.Option("--override-breaker", help="However many they are, and if all have one cause.")
    ] = False,
    within: Annotated[float, typer.Option("--within", min=0, metavar="SECONDS", help="Wait so long for proof.")] = 60,
    folder: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Repair what is open, through the pipeline: publish again, or read again from the legacy.

    Each key is looked at again behind the fence: its finding is closed, or escalated. Nothing is written into a view.
    Exit code 0: all healed; 1: something still differs; 2: refused, moved since the plan, or not proven.
    """
    from dragoman.checking import chosen_checks
    from dragoman.ledgers import ledger_of
    from dragoman.mending import May, carry_out, exit_code, would_carry_out
    from dragoman.repairing import Bench, keep_plan, make_plan, read_plan
    from dragoman.repairs_told import as_data, near, say_how, say_plan, say_repaired
    from dragoman.wiring import reading

    project = project_of(folder)
    (spec,) = chosen_checks(project, check)
    may = May(deletes=allow_deletes, override=override_breaker)
    with reading(project) as log, ledger_of(project) as ledger, nullcontext() if dry_run else ledger.alone():
        bench = Bench(project=project, ledger=ledger, log=log, spec=spec, wait=_sleep)
        if plan is None:
            made = make_plan(bench, cause=cause, escalated=escalated)
            path = near(keep_plan(project, made))
        else:
            made, path = read_plan(plan, spec.check), plan
        if not as_json:
            say_plan(made, path)
        if dry_run:
            if plan is not None:
                would_carry_out(bench, made, may)
            if as_json:
                say_json(as_data(made, path))
            else:
                say_how(made, path, override=override_breaker)
            return
        told = carry_out(bench, made, may, timedelta(seconds=within))
    if as_json:
        say_lines(told)
    else:
        say_repaired(told, made)
    raise typer.Exit(exit_code(told))
