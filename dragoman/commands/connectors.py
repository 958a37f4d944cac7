"""`dragoman connectors`: the connector that the source declares."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from dragoman.commands.options import JsonOption, ProjectOption, project_of
from dragoman.console import count, paragraph, say, say_json
from translators.errors import DragomanError
from translators.yaml_text import did_you_mean

if TYPE_CHECKING:
    from connectors.connect.config import ConnectorSpec
    from connectors.connect.reasons import Explained

app = typer.Typer(help="Show the connector that the source declares.", no_args_is_help=True, rich_markup_mode=None)


class NothingDeclared(DragomanError):
    """The source {source} declares no connector."""

    code: ClassVar[str] = "connectors.none-declared"
    hint: ClassVar[str] = "Describe the database under `capture:` there; docs/connectors.md shows how."


class SettingUnknown(DragomanError):
    """The connector has no setting {setting}{suggestion}."""

    code: ClassVar[str] = "connectors.setting-unknown"
    hint: ClassVar[str] = "`dragoman connectors explain` shows them all."


@app.callback()
def connectors() -> None:
    """Show the connector that the source declares."""


@app.command()
def explain(
    setting: Annotated[
        str | None,
        typer.Argument(metavar="[SETTING]", help="Only this one, or those that begin so.", show_default=False),
    ] = None,
    folder: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Show each setting of the connector, and why it is so.

    Nothing is asked and nothing is changed. A setting with a lock keeps data safe and cannot be overridden.
    """
    from connectors.connect.config import connector_config
    from connectors.connect.reasons import explained

    spec = _declared(folder)
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


def _declared(folder: Path) -> ConnectorSpec:
    source = project_of(folder).source
    if source.capture is None:
        raise NothingDeclared(source=source.file, where=source.file)
    return source.capture


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
