"""`dragoman connectors`: the connector that the source declares, explained, planned, applied, and taken away again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from dragoman.commands import connector_steer
from dragoman.commands.connector_plan import say_plan
from dragoman.commands.connector_steps import WaitOption, YesOption, confirm, say_done, say_json_done
from dragoman.commands.options import JsonOption, ProjectOption, project_of
from dragoman.console import FINDINGS, count, paragraph, say, say_document, say_json
from translators.errors import DragomanError
from translators.yaml_text import did_you_mean

if TYPE_CHECKING:
    from connectors.connect import ConnectClient
    from connectors.connect.plan import Live, Plan, Wanted
    from connectors.connect.reasons import Explained
    from dragoman.connecting import Declared
    from dragoman.project import Project

app = typer.Typer(
    help="Plan, apply and steer the connector that the source declares.", no_args_is_help=True, rich_markup_mode=None
)


class SettingUnknown(DragomanError):
    """The connector has no setting {setting}{suggestion}."""

    code: ClassVar[str] = "connectors.setting-unknown"
    hint: ClassVar[str] = "`dragoman connectors explain` shows them all."


@app.callback()
def connectors() -> None:
    """Plan, apply and steer the connector that the source declares."""


@app.command()
def explain(
    setting: Annotated[
        str | None,
        typer.Argument(metavar="[SETTING]", help="Only this one, or those that begin so.", show_default=False),
    ] = None,
    bare: Annotated[
        bool,
        typer.Option(
            "--config", help="Only the configuration, as PUT /connectors/NAME/config takes it.", show_default=False
        ),
    ] = False,
    folder: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Show each setting of the connector, and why it is so.

    Nothing is asked and nothing is changed. A setting that is guarded keeps data safe and cannot be overridden. --config is for
    those who run Kafka Connect, where you do not.
    """
    from connectors.connect.config import connector_config
    from connectors.connect.reasons import explained
    from dragoman.connecting import spec_of

    spec = spec_of(project_of(folder))
    if bare:
        say_document(connector_config(spec))
        return
    told = list(explained(connector_config(spec), spec.overrides))
    chosen = [one for one in told if setting is None or one.setting == setting or one.setting.startswith(f"{setting}.")]
    if setting is not None and not chosen:
        known = [one.setting for one in told]
        raise SettingUnknown(setting=setting, suggestion=did_you_mean(setting, known))
    for one in chosen:
        if as_json:
            say_json(one)
    if not as_json:
        _say(chosen)


@app.command()
def plan(
    folder: ProjectOption = Path(),
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Keep the plan, for `apply --plan FILE`.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what would change at Kafka and Kafka Connect, what it costs, and what is refused.

    Nothing is changed. The worker tries the declared connector on the database. A plan holds no secret.
    """
    import msgspec

    with _planned(folder) as work:
        found = work.plan
    if out is not None:
        out.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    if as_json:
        say_json({"digest": found.digest, **msgspec.to_builtins(found)})
    else:
        _say_work(work)
    if found.lines("refused"):
        raise typer.Exit(FINDINGS)


@app.command()
def apply(
    folder: ProjectOption = Path(),
    named: Annotated[
        str | None,
        typer.Option("--plan", metavar="PLAN", help="Only this plan: its digest or file.", show_default=False),
    ] = None,
    yes: YesOption = False,
    wait: WaitOption = 120,
    as_json: JsonOption = False,
) -> None:
    """Make the topics and the connector as declared, and wait until it truly works.

    May be repeated. Refuses what order or state forbid, a plan that does not hold any more, and without a yes what destroys.
    """
    from dragoman.applying import AT_REST, apply_plan, check_plan, check_refusals, wait_until_it_works
    from dragoman.connector_standing import check_slot

    with _planned(folder) as work:
        if named is not None:
            check_plan(named, work.plan)
        if not as_json:
            _say_work(work, advice=False)
        check_refusals(work.plan)
        check_slot(work.project, work.wanted.connector)
        if lost := work.plan.lines("destructive"):
            confirm(f"{count(len(lost), 'change')} would be destructive", yes)
        told = say_json_done if as_json else say_done
        apply_plan(work.plan, work.wanted, work.live, work.declared, work.client, told)
        status = work.live.status
        if status is not None and status.state in AT_REST:
            told(f"the connector {work.wanted.connector} stays {status.state}")
            return
        changed = any(item.kind == "connector" for item in work.plan.changes)
        position = wait_until_it_works(work.wanted, work.declared, work.client, wait, changed=changed)
        told(f"the connector {work.wanted.connector} works: RUNNING, what it writes moves, its position is {position}")


@dataclass(frozen=True, slots=True)
class Work:
    """What a command works on: what is declared, what there is, the plan from one to the other, and who is told."""

    project: Project
    declared: Declared
    wanted: Wanted
    live: Live
    plan: Plan
    client: ConnectClient


@contextmanager
def _planned(folder: Path) -> Iterator[Work]:
    from connectors.connect.plan import plan_of
    from dragoman.access import connect_client
    from dragoman.connecting import declared, live_of, wanted_of

    project = project_of(folder)
    told, wanted = declared(project), wanted_of(project)
    with connect_client(told.worker) as client:
        live = live_of(project, wanted, client)
        yield Work(project, told, wanted, live, plan_of(wanted, live), client)


def _say_work(work: Work, advice: bool = True) -> None:
    from dragoman.settings import masked

    say_plan(work.plan, masked(work.declared.worker.url), work.declared.origin.bootstrap, advice)


for _command in ("pause", "resume", "restart", "offsets", "destroy"):
    app.command()(getattr(connector_steer, _command))


def _say(told: list[Explained]) -> None:
    """Settings that have one reason stand together above it."""
    for at, one in enumerate(told):
        mark = "guarded" if one.guarded else one.origin if one.origin == "overridden" else ""
        say((one.setting, "bold"), f" = {one.value}", (f"  [{mark}]" if mark else "", "dim"))
        if at + 1 == len(told) or told[at + 1].why != one.why:
            paragraph(one.why, "    ")
    guarded = sum(1 for one in told if one.guarded)
    say()
    say((count(len(told), "setting"), "bold"), f", {guarded} guarded: they cannot be overridden")
