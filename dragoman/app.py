"""The commands and their help."""

from __future__ import annotations

from typing import Annotated

import typer

from dragoman.commands import (
    connectors,
    demo,
    dlq,
    doctor,
    events,
    functions,
    history,
    init,
    lineage,
    lint,
    map_change,
    parked,
    raise_epoch,
    reconcile,
    rehearse,
    repair,
    report,
    run,
    schema,
    snapshot,
    stack,
    status,
    test,
)

_EPILOG = (
    "Exit codes: 0 all is well; 1 something was found: an error in a mapping, a test that fails, drift, sums that do "
    "not fit; 2 the command was not understood or could not be carried out."
)

app = typer.Typer(
    name="dragoman",
    help="Turn a legacy database's changes into business events, and prove that what is built from them agrees.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from dragoman import __version__

        typer.echo(f"dragoman {__version__}")
        raise typer.Exit


@app.callback()
def dragoman(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Turn a legacy database's changes into business events, and prove that what is built from them agrees."""


app.command()(demo.demo)
app.command()(init.init)
app.command()(lint.lint)
app.add_typer(test.app, name="test")
app.command(name="map")(map_change.map_change)
app.command()(rehearse.rehearse)
app.command()(lineage.lineage)
app.command()(functions.functions)
app.command()(schema.schema)
app.command()(run.run)
app.command()(status.status)
app.command()(events.events)
app.command()(history.history)
app.add_typer(dlq.app, name="dlq")
app.add_typer(parked.app, name="parked")
app.command()(repair.republish)
app.command()(repair.reload)
app.command()(snapshot.snapshot)
app.command(name="raise-epoch")(raise_epoch.raise_epoch)
app.add_typer(reconcile.app, name="reconcile")
app.command()(report.report)
app.command()(doctor.doctor)
app.add_typer(connectors.app, name="connectors")
app.add_typer(stack.app, name="stack")
