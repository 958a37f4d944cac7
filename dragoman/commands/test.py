"""`dragoman test`: the tests beside the mappings, run, brought up to date, and made from what really happened."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from dragoman.commands.options import JsonOption, ProjectOption, project_of
from dragoman.console import FINDINGS, cells, count, paragraph, say, say_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dragoman.project import Project
    from pipeline.coverage import Coverage, Touched
    from pipeline.testing import Line, MappingTest, StepResult
    from translators.compiled import CompiledTranslator

    Result = tuple[str, MappingTest, list[StepResult]]


class _RunUnlessNamed(TyperGroup):
    """`dragoman test policy` means `dragoman test run policy`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See click's `Group`."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RunUnlessNamed, help="Run the tests beside the mappings, or record new ones.", rich_markup_mode=None
)

_COLOURS = {" ": "dim", "-": "red", "+": "green"}


@app.command()
def run(
    translator: Annotated[
        str | None, typer.Argument(metavar="[TRANSLATOR]", help="Only this translator's tests.", show_default=False)
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Write what was said over what was expected, in the test files.")
    ] = False,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Show which codes, conditions and fields no example touches.")
    ] = False,
    folder: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Run the tests beside the mappings; `run` may be left out.

    Each test gives transactions and says what outcomes, events and states they must have.
    """
    begun = time.monotonic()
    project = project_of(folder)
    if translator is not None:
        project.check_name(translator)
    results: list[Result] = []
    for name in project.settings.translators if translator is None else (translator,):
        results += _run(project, name, coverage, as_json)
    failed = [result for result in results if not _holds(result)]
    if update and failed:
        _update(project, failed, as_json)
    elif not as_json:
        _say_summary(len(results), len(failed), time.monotonic() - begun)
    if (failed and not update) or not results:
        raise typer.Exit(FINDINGS)


@app.command()
def record(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="One recorded record, as JSON; - is standard input.", show_default=False),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", "-k", metavar="KEY", help="This key: what waits of it, or its last change in the log."),
    ] = None,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What the example shows.")] = "",
    translator: Annotated[
        str | None, typer.Option("--translator", "-t", metavar="NAME", help="For this one.", show_default=False)
    ] = None,
    folder: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Make an example out of a real change and add it to the tests; classified columns get stand-ins.

    With --key it is the first step of the key that waits behind a dead letter, else the last that was news.
    """
    from dragoman.recording import record as recorded

    project = project_of(folder)
    if (file is None) == (key is None):
        raise typer.BadParameter("name either a FILE or a --key")
    if not name.strip():
        raise typer.BadParameter("say in --name what the example shows")
    found = recorded(project, name.strip(), translator, file, key)
    if as_json:
        say_json(found)
        return
    says = ", ".join((found.outcome, *found.events))
    say(("✓ ", "bold green"), found.file, "   ", (name.strip(), "bold"))
    say(f"  {found.translator} {found.key}   {says}")
    if found.masked:
        paragraph(f"stand-ins for {', '.join(found.masked)}", "  ")
    if found.otherwise is not None:
        paragraph(f"With its own values it said: {found.otherwise}. Correct the stand-ins by hand.", "  ", "! ")


def _run(project: Project, name: str, coverage: bool, as_json: bool) -> list[Result]:
    from dragoman.mapping_tests import read_tests
    from pipeline.testing import run_test

    tests = read_tests(project, name)
    compiled = project.translator(name)
    results: list[Result] = [(name, one, run_test(compiled, one)) for one in tests]
    if as_json:
        for result in results:
            say_json(_data(result))
    else:
        _say_translator(name, results)
    if coverage:
        _coverage(project, compiled, tests, as_json)
    return results


def _holds(result: Result) -> bool:
    return all(step.holds for step in result[2])


def _data(result: Result) -> dict[str, object]:
    from pipeline.testing import mismatches

    name, one, steps = result
    found = mismatches(steps)
    return {"translator": name, "test": one.name, "where": one.where, "passed": not found, "mismatches": found}


def _say_translator(name: str, results: list[Result]) -> None:
    say((name, "bold"), "" if results else "   has no tests: write mappings/" + name + ".test.yaml")
    for result in results:
        _, one, steps = result
        if _holds(result):
            say(("  ✓ ", "green"), one.name)
            continue
        say(("  ✗ ", "bold red"), (one.name, "bold"))
        for step in steps:
            if not step.holds:
                say((f"      step {step.step}, {step.where}", "dim"))
                _say_lines(step.lines)


def _say_lines(lines: Sequence[Line]) -> None:
    """What was expected (-) and what came instead (+), among what is as expected."""
    width = max((cells(_name(line)) for line in lines if line.value), default=0)
    for line in lines:
        if not line.value:
            say((f"        {line.what}", "bold"))
            continue
        name = _name(line)
        style = _COLOURS[line.mark]
        say((f"        {line.mark} {name}{' ' * (width - cells(name))}  {line.value}", style))


def _name(line: Line) -> str:
    return f"  {line.path}" if line.path else line.what


def _update(project: Project, failed: Sequence[Result], as_json: bool) -> None:
    from dragoman.updating import update

    for name in dict.fromkeys(name for name, _, _ in failed):
        steps = update(project, name, [(one, found) for other, one, found in failed if other == name])
        if as_json:
            say_json({"translator": name, "updated": steps})
        else:
            say()
            say(("✓ ", "bold green"), f"mappings/{name}.test.yaml: {count(steps, 'expectation')} rewritten")
    if not as_json:
        paragraph("Read the difference before you commit it: what a test expects is what was promised.", "  ")


def _coverage(project: Project, compiled: CompiledTranslator, tests: list[MappingTest], as_json: bool) -> None:
    from dataclasses import replace

    from pipeline.coverage import coverage
    from translators.compiled import compile_mapping

    mapping, text = project.mapping(compiled.name)
    found = coverage(
        compiled,
        tests,
        lambda codes: compile_mapping(
            replace(mapping, codes=codes), text, project.schema, project.contracts, functions=project.function
        ),
    )
    if as_json:
        say_json({"translator": found.translator, "coverage": found})
    else:
        _say_coverage(found)


def _say_coverage(found: Coverage) -> None:
    for noun, things in (("codes", found.codes), ("conditions", found.conditions), ("fields", found.fields)):
        touched = sum(1 for thing in things if thing.touched)
        say(f"  {noun:<10}  ", (f"{touched} of {len(things)} touched", "bold"))
        for line in _untouched(things):
            paragraph(line, " " * 16, " " * 14)


def _untouched(things: Sequence[Touched]) -> list[str]:
    return [thing.name for thing in things if not thing.touched]


def _say_summary(number: int, failed: int, seconds: float) -> None:
    say()
    if not number:
        say(("✗ ", "bold red"), "no tests at all")
    elif failed:
        say(("✗ ", "bold red"), (f"{failed} of {count(number, 'test')} failed", "bold"), f", in {seconds:.2f} s")
    else:
        say(("✓ ", "bold green"), (f"{count(number, 'test')} passed", "bold"), f", in {seconds:.2f} s")
