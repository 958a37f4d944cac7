"""`dragoman demo`: the whole idea in one minute, on an insurer's legacy that it makes itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dragoman.console import FINDINGS


def demo(
    folder: Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where to make the demo's project.")] = Path(
        "dragoman-demo"
    ),
    transactions: Annotated[int, typer.Option(min=200, max=1_000_000, help="How many the insurer does.")] = 4_000,
    seed: Annotated[int, typer.Option(help="Another number, another insurer.")] = 7,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="A day recorded from PostgreSQL through Debezium.", show_default=False)
    ] = False,
) -> None:
    """See the whole idea at work in one minute.

    A legacy insurer's changes become events, a view and letters; then the report says what differs, and why.

    With --recorded the changes are one day of a real PostgreSQL with four programs, as Debezium wrote them to Kafka
    (--transactions and --seed say nothing there); what is published is compared with the rows that it had in the end.
    """
    from dragoman.demo import run_demo
    from dragoman.demo_recorded import run_recorded_demo

    if not (run_recorded_demo(folder) if recorded else run_demo(folder, transactions, seed)):
        raise typer.Exit(FINDINGS)
