"""`dragoman test`: the tests beside the mappings."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.commands.options import JsonOption, ProjectOption, project_of
from dragoman.console import FINDINGS, count, say, say_json, say_table

if TYPE_CHECKING:
    from dragoman.mapping_tests import MappingTest, Mismatch


def test(
    translator: Annotated[
        str | None, typer.Argument(metavar="[TRANSLATOR]", help="Only this translator's tests.", show_default=False)
    ] = None,
    folder: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Run the tests beside the mappings.

    Each test gives transactions and says what outcomes, events and states they must have.
    """
    from dragoman.mapping_tests import read_tests, run_test

    begun = time.monotonic()
    project = project_of(folder)
    if translator is not None:
        project.check_name(translator)
    names = project.settings.translators if translator is None else (translator,)
    results: list[tuple[str, MappingTest, list[Mismatch]]] = []
    for name in names:
        tests = read_tests(project, name)
        compiled = project.translator(name)
        results += [(name, one, run_test(compiled, one)) for one in tests]
        if not as_json:
            _say_translator(name, [result for result in results if result[0] == name])
    failed = sum(1 for _, _, mismatches in results if mismatches)
    if as_json:
        for name, one, mismatches in results:
            passed = not mismatches
            say_json(
                {"translator": name, "test": one.name, "where": one.where, "passed": passed, "mismatches": mismatches}
            )
    else:
        _say_summary(len(results), failed, time.monotonic() - begun)
    if failed or not results:
        raise typer.Exit(FINDINGS)


def _say_translator(name: str, results: list[tuple[str, MappingTest, list[Mismatch]]]) -> None:
    say((name, "bold"), "" if results else "   has no tests: write mappings/" + name + ".test.yaml")
    for _, one, mismatches in results:
        if not mismatches:
            say(("  ✓ ", "green"), one.name)
            continue
        say(("  ✗ ", "bold red"), (one.name, "bold"))
        for step in sorted({m.step for m in mismatches}):
            found = [m for m in mismatches if m.step == step]
            say((f"      step {step}, {found[0].where}", "dim"))
            rows = [("", "expected", "got"), *((m.what, m.expected, m.got) for m in found)]
            say_table(rows, "<<<", indent="        ")


def _say_summary(number: int, failed: int, seconds: float) -> None:
    say()
    if not number:
        say(("✗ ", "bold red"), "no tests at all")
    elif failed:
        say(("✗ ", "bold red"), (f"{failed} of {count(number, 'test')} failed", "bold"), f", in {seconds:.2f} s")
    else:
        say(("✓ ", "bold green"), (f"{count(number, 'test')} passed", "bold"), f", in {seconds:.2f} s")
