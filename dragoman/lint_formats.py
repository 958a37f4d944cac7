"""Findings for machines: SARIF 2.1.0 for code scanning, JUnit XML for CI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from dragoman.console import clean
from translators.findings import Finding

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def to_sarif(findings: Sequence[Finding], version: str, titles: Mapping[str, str]) -> dict[str, Any]:
    """A SARIF log of one run. Files are relative to `%SRCROOT%`, which is the project's folder.

    `version` is Dragoman's. `titles` says in a few words what a code is about; a code without one has none.
    """
    codes = list(dict.fromkeys(finding.code for finding in findings))
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "dragoman lint",
                        "semanticVersion": version,
                        "rules": [_rule(code, titles.get(code, "")) for code in codes],
                    }
                },
                "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "The project's folder."}}},
                "columnKind": "unicodeCodePoints",
                "results": [_result(finding, codes.index(finding.code)) for finding in findings],
            }
        ],
    }


def _rule(code: str, title: str) -> dict[str, Any]:
    help_ = {"text": f"`dragoman lint --explain {code}` says more."}
    return {"id": code, "help": help_, **({"shortDescription": {"text": f"{title}."}} if title else {})}


def _result(finding: Finding, index: int) -> dict[str, Any]:
    # What stays the same when lines move: the code, the file, and the text of the line.
    seed = f"{finding.code}\0{finding.file}\0{finding.excerpt.strip()}\0{finding.message}"
    return {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": finding.severity,
        "message": {"text": _said(finding)},
        "locations": [{"physicalLocation": _location(finding)}],
        "partialFingerprints": {"dragoman/v1": blake2b(seed.encode("utf-8", "replace"), digest_size=16).hexdigest()},
    }


def _location(finding: Finding) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": quote(finding.file), "uriBaseId": "%SRCROOT%"}}
    if finding.line:
        location["region"] = {"startLine": finding.line}
        if finding.column:
            location["region"] |= {"startColumn": finding.column, "endColumn": finding.column + finding.length}
        if finding.excerpt:
            location["region"]["snippet"] = {"text": clean(finding.excerpt)}
    return location


def to_junit(findings: Iterable[Finding], seconds: float) -> str:
    """A JUnit XML report: an error is a failed test, a warning one that passed and says something.

    Without findings there is one test that passed, since a report without tests fails in many a CI. `seconds` is how
    long it took.
    """
    found = list(findings)
    failed = sum(finding.severity == "error" for finding in found)
    counts = {"tests": str(max(len(found), 1)), "failures": str(failed), "errors": "0", "time": f"{seconds:.3f}"}
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": "dragoman lint", "skipped": "0", **counts})
    for finding in found:
        _case(suite, finding)
    if not found:
        ElementTree.SubElement(suite, "testcase", {"classname": "dragoman.lint", "name": "no findings", "time": "0"})
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ElementTree.Element, finding: Finding) -> None:
    name = f"{finding.code} at {finding.where}"
    attributes = {"classname": clean(finding.file), "name": clean(name), "file": clean(finding.file), "time": "0"}
    case = ElementTree.SubElement(suite, "testcase", {**attributes, "line": str(finding.line)})
    shown = "\n".join(clean(line) for line in (finding.where, finding.excerpt, _said(finding)) if line)
    if finding.severity == "error":
        message = {"message": clean(finding.message), "type": finding.code}
        ElementTree.SubElement(case, "failure", message).text = shown
    else:
        ElementTree.SubElement(case, "system-out").text = f"warning\n{shown}"


def _said(finding: Finding) -> str:
    """Message and hint as one text."""
    message = finding.message[:1].upper() + finding.message[1:]
    end = "" if message.endswith((".", "?", "!")) else "."
    return clean(f"{message}{end} {finding.hint}".rstrip())
