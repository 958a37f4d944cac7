"""Small projects for the rules: one legacy, contracts made on the spot, mappings put together from their parts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

from pydantic import create_model

from translators.binding import bind_mapping
from translators.contract import Contract, Promise
from translators.findings import Finding
from translators.lint import ContractText, Level, Project, Subject, lint
from translators.mapping import read_mapping
from translators.schema_text import read_schema

TODAY = date(2026, 11, 20)

SCHEMA = """
source: legacy
connector: postgresql
namespace: public
tables:
  polmst:
    context: policy
    key: [pol_no]
    columns:
      pol_no: char(10) not null
      pol_sts: char(2)
      prem_amt: integer not null
      ccy: char(3) not null
      note: varchar(80)
      iban: varchar(34)
      eff_dt: date
      rate: double precision
  covdtl:
    context: policy
    key: [pol_no, cov_seq]
    columns:
      pol_no: char(10) not null
      cov_seq: integer not null
      cov_cd: char(4) not null
"""

Fields = Mapping[str, Any]
STATUS = Literal["quoted", "active", "ended"]
STATE: Fields = {"number": str, "status": STATUS | None, "amount": int, "remark": str | None}
MAPPED = {"number": "TRIM(pol_no)", "status": "CODE('status', pol_sts)", "amount": "prem_amt", "remark": "note"}
CODES = {"status": {"Q": "quoted", "A": "active", "E": "ended"}}


def contract(
    name: str, fields: Fields, version: int = 1, bases: tuple[type, ...] = (), **promise: Any
) -> type[Contract]:
    """A contract; the promise is that of a well-meant event of the context `policy` unless said otherwise."""
    said: dict[str, Any] = {
        "name": name,
        "version": version,
        "kind": "event",
        "context": "policy",
        "owner": "Policy administration",
        "intent": "Decide something.",
        "business_key": ("number",),
        "status": "active",
        "retention": "400 days",
        "lag_objective": "60 s",
        **promise,
    }
    given = {field: kind if isinstance(kind, tuple) else (kind, ...) for field, kind in fields.items()}
    make: Any = create_model
    made: type[Contract] = make(name, __base__=(*bases, Contract), **given)
    made.promise = Promise(**said)
    return made


def state(fields: Fields = STATE, **promise: Any) -> type[Contract]:
    """The contract of the state."""
    return contract("Policy", fields, kind="state", **promise)


def event(name: str = "PolicyBound", fields: Fields | None = None, **promise: Any) -> type[Contract]:
    """The contract of an event."""
    return contract(name, {"number": str} if fields is None else fields, **promise)


def mapping(
    *events: tuple[str, str],
    mapped: Mapping[str, str] = MAPPED,
    codes: Mapping[str, Mapping[str, str]] = CODES,
    ignore: str = "",
    name: str = "policy",
    state_type: str = "Policy.v1",
    head: str = "",
) -> str:
    """The text of a mapping; `events` are (type, when)."""
    lines = [f"translator: {name}", "context: policy", "root:", "  table: polmst", "  key: pol_no"]
    lines += head.splitlines()
    lines += ["codes:"] if codes else []
    for table, entries in codes.items():
        lines += [f"  {table}:", *(f"    {code}: {meaning}" for code, meaning in entries.items())]
    lines += ["state:", f"  contract: {state_type}", "  fields:"]
    lines += [f"    {field}: {text}" for field, text in mapped.items()]
    lines += ["events:"] if events else []
    for kind, when in events:
        lines += [f"  - type: {kind}", f"    when: {when}"]
    if ignore:
        lines += ["ignore:", f"  - when: {ignore}", "    reason: noise"]
    return "\n".join(lines) + "\n"


def subject(text: str, *contracts: type[Contract], schema: str = SCHEMA, file: str = "mappings/policy.yaml") -> Subject:
    """A bound mapping."""
    known = {one.promise.type: one for one in contracts}
    return Subject(bind_mapping(read_mapping(text, file), text, read_schema(schema, "schema.yaml"), known), text)


def found(
    text: str,
    *contracts: type[Contract],
    schema: str = SCHEMA,
    levels: Mapping[str, Level] | None = None,
    today: date = TODAY,
    more: tuple[Subject, ...] = (),
    sources: Mapping[str, ContractText] | None = None,
) -> list[Finding]:
    """What lint finds in a project of one mapping (and `more`)."""
    own = subject(text, *contracts, schema=schema)
    subjects = (own, *more)
    known = {one.promise.type: one for one in contracts}
    written = {one.file: one.text for one in (sources or {}).values()}
    return lint(
        Project(subjects, known, sources or {}),
        texts={**{one.file: one.text for one in subjects}, **written},
        levels={"state.unsaid": "off", **(levels or {})},
        today=today,
    )


def codes(findings: list[Finding]) -> list[str]:
    """The codes of findings, in their order."""
    return [finding.code for finding in findings]


def marked(finding: Finding) -> str:
    """The part of the line that a finding is about."""
    return finding.excerpt[finding.column - 1 : finding.column - 1 + finding.length]
