"""The report: one HTML file that needs nothing else, and all findings as JSON Lines."""

from __future__ import annotations

import json
import os
import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from reconcile.finding import Finding
from reconcile.group_pages import SAMPLES, time_of
from reconcile.outputs import junit, openmetrics
from reconcile.pages import page_of
from reconcile.run import RunResult
from translators.errors import DragomanError

_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = _TEMPLATES / "report.css"

# Characters that show as nothing, break lines or turn the text around: a value may hold them, the page names them.
_INVISIBLE = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


class ReportUnwritable(DragomanError):
    """The report {path} cannot be written: {reason}."""

    code: ClassVar[str] = "report.unwritable"
    hint: ClassVar[str] = "Name a folder that can be written, with room on its disk, and run the check again."


def harmless(text: str) -> str:
    """The text with every invisible character as its code point in brackets: `[U+202E]`."""
    return _INVISIBLE.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)


def render(results: Sequence[RunResult], findings_file: str) -> str:
    """The page of one run, which may have several checks (at least one)."""
    style = _STYLE.read_text("utf-8")
    pages = tuple(page_of(result, number) for number, result in enumerate(results, 1))
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, finalize=_finalize
    )
    environment.filters["prose"] = prose
    return environment.get_template("report.html.j2").render(
        title=f"{', '.join(f'{page.name}: {page.answer}' for page in pages)} · {results[0].run}",
        style=Markup(style),  # noqa: S704  # our own file
        style_hash="sha256-" + b64encode(sha256(style.encode()).digest()).decode(),
        pages=pages,
        overall=_overall(results),
        per_cause=SAMPLES,
        findings_file=findings_file,
        run=results[0].run,
        started=time_of(results[0].started),
    )


def prose(text: str) -> Markup:
    """A sentence of ours as HTML: what stands in backticks is code, everything is escaped."""
    parts = [harmless(part) for part in text.split("`")]
    if len(parts) % 2 == 0:
        return escape("`".join(parts))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )


def _finalize(value: Any) -> Any:
    return harmless(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _overall(results: Sequence[RunResult]) -> str:
    """One sentence over all checks: how many are clean, differ, or prove nothing."""
    differ = sum(result.confirmed > 0 for result in results)
    unsure = sum(result.exit_code == 2 and not result.confirmed for result in results)
    parts = [
        (len(results) - differ - unsure, "all agree", "agrees"),
        (differ, "differ", "differs"),
        (unsure, "are not proven", "is not proven"),
    ]
    said = [f"{count} {one if count == 1 else many}" for count, many, one in parts if count]
    return ", ".join(said) + "."


def findings_lines(results: Sequence[RunResult]) -> Iterator[str]:
    """One JSON object per finding, in ASCII and without a line break, so that no reader can wrap or split it."""
    for result in results:
        for finding in result.findings:
            yield json.dumps(_line(result, finding), ensure_ascii=True, separators=(",", ":"))


def _line(result: RunResult, finding: Finding) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.to_builtins(finding)
    rows = [row for row in said.pop("rows") if row.pop("differs")]
    return {"run": result.run, "mapping_version": result.mapping_version, **said, "rows": rows}


def write_report(results: Sequence[RunResult], folder: Path, name: str) -> tuple[Path, Path]:
    """Write the page and, beside it, the findings as JSON Lines and the run as JUnit and as OpenMetrics.

    They are `<name>.html`, `.findings.jsonl`, `.junit.xml` and `.openmetrics` in `folder`, which is made; each appears whole
    or not at all. The paths of the first two are returned.

    `ReportUnwritable` if it cannot be done.
    """
    page, lines = folder / f"{name}.html", folder / f"{name}.findings.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(lines, "".join(f"{line}\n" for line in findings_lines(results)))
        _replace(folder / f"{name}.junit.xml", junit(results))
        _replace(folder / f"{name}.openmetrics", openmetrics(results))
        _replace(page, render(results, lines.name))
    except OSError as error:
        raise ReportUnwritable(path=page, reason=error.strerror or error) from error
    return page, lines


def _replace(path: Path, text: str) -> None:
    half = path.with_name(f".{path.name}.part")
    try:
        half.write_text(text, "utf-8")
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)
