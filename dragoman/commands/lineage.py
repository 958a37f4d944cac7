"""`dragoman lineage`: which legacy columns stand behind each field and event, and what reads a column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from dragoman.commands.options import ProjectOption, project_of
from dragoman.console import clean, console, say, say_json, wrapped
from translators.errors import DragomanError
from translators.yaml_text import did_you_mean

if TYPE_CHECKING:
    from dragoman.project import Project
    from translators.lineage import Line

Format = Literal["table", "json", "mermaid"]

_WHAT = {
    "key": "business key",
    "when": "happens when",
    "occurred": "business time",
    "ignore": "is ignored when",
    "correlation": "correlation",
}


class LineageUnknown(DragomanError):
    """No mapping {what} {name}{suggestion}."""

    code: ClassVar[str] = "lineage.unknown"
    hint: ClassVar[str] = "`dragoman lineage` shows all fields with their columns; a column is written table.column."


def lineage(
    translator: Annotated[
        str | None, typer.Argument(metavar="[TRANSLATOR]", help="Only this translator.", show_default=False)
    ] = None,
    field: Annotated[
        str | None,
        typer.Option("--field", metavar="F", help="Only this field, and what is below it.", show_default=False),
    ] = None,
    column: Annotated[
        str | None, typer.Option("--column", metavar="T.C", help="Only what reads this column.", show_default=False)
    ] = None,
    form: Annotated[Format, typer.Option("--format", metavar="table|json|mermaid", help="How to print it.")] = "table",
    folder: ProjectOption = Path(),
) -> None:
    """Show which columns stand behind what, and the way back.

    Each field of the state and of the events, each condition, with the legacy columns that it is made of.
    `table.*` stands for the rows themselves: counting, listing, creating or deleting them.
    """
    project = project_of(folder)
    if field is not None and column is not None:
        raise typer.BadParameter("name either a --field or a --column")
    found = _chosen(project, translator, field, column)
    match form:
        case "json":
            for line in found:
                say_json(line)
        case "mermaid":
            for text in mermaid(found):
                say(text)
        case "table":
            _say_table(found)


def _chosen(project: Project, translator: str | None, field: str | None, column: str | None) -> list[Line]:
    from translators.lineage import lineage as lineage_of
    from translators.lineage import of_column, of_field

    if translator is not None:
        project.check_name(translator)
    names = project.settings.translators if translator is None else (translator,)
    lines = [line for name in names for line in lineage_of(project.translator(name).bound)]
    if field is not None:
        chosen = of_field(lines, field)
        if not chosen:
            known = {line.field for line in lines if line.field}
            raise LineageUnknown(what="has the field", name=field, suggestion=did_you_mean(field, known))
        return list(chosen)
    if column is not None:
        chosen = of_column(lines, column)
        if not chosen:
            known = {name for line in lines for name in line.columns}
            raise LineageUnknown(what="reads the column", name=column, suggestion=did_you_mean(column, known))
        return list(chosen)
    return lines


def _say_table(lines: Sequence[Line]) -> None:
    """One block a contract; conditions stand before the fields, as the mapping has them."""
    width = max(len(_shown(line)) for line in lines)
    of = ""
    for line in lines:
        if line.of != of:
            if of:
                say()
            say((line.of, "bold"))
        of = line.of
        first = f"  {_shown(line):<{width}}   "
        for number, text in enumerate(wrapped(", ".join(line.columns), console().width, " " * len(first), first)):
            say(text if number else (text[: len(first)]), "" if number else text[len(first) :])


def _shown(line: Line) -> str:
    return _WHAT.get(line.what, line.field)


def mermaid(lines: Sequence[Line]) -> list[str]:
    """A flowchart: columns, the state fields that they become, and the events that say them or depend on them."""
    state = next((line.of for line in lines if line.what == "state"), "state")
    names: dict[str, str] = {}
    drawn: list[str] = []
    edges: dict[str, None] = {}

    def node(text: str, left: str, right: str) -> str:
        if text not in names:
            names[text] = f"n{len(names)}"
            drawn.append(f'  {names[text]}{left}"{_quoted(text)}"{right}')
        return names[text]

    for line in lines:
        is_state = line.what == "state"
        target = node(line.name if is_state else line.of, *(("[", "]") if is_state else ("([", "])")))
        arrow = "-.->" if line.what in ("when", "ignore") else "-->"
        for column in line.direct:
            edges[f"  {node(column, '[(', ')]')} {arrow} {target}"] = None
        for path in line.through:
            edges[f"  {node(f'{state} {path}', '[', ']')} {arrow} {target}"] = None
    return ["flowchart LR", *drawn, *edges]


def _quoted(text: str) -> str:
    """A text for a label: Mermaid takes entities, not escapes."""
    return clean(text).replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
