"""A million aggregates of three tables mapped by DuckDB on one thread."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from statistics import median
from typing import ClassVar

import duckdb

from reconcile.whole_tables import CHUNK, WholeTables
from translators.compiled import CompiledTranslator, compile_mapping
from translators.contract import Contract, Promise
from translators.duckdb_state import state_query
from translators.expression.duckdb import SETTINGS
from translators.mapping import read_mapping
from translators.schema_text import read_schema
from translators.values import Row

AGGREGATES = 1_000_000
ROUNDS = 3
SAMPLE = 100

SCHEMA = """
source: legacy
connector: postgresql
namespace: public
tables:
  pol:
    key: [no]
    columns:
      no: varchar(10) not null
      sts: char(2)
      prd: varchar(4)
      amt: integer not null
      tax: decimal(9,2)
      eff: varchar(8)
      exp: varchar(8)
      agt: varchar(8)
      ccy: char(3) not null
  cov:
    key: [no, seq]
    columns: {no: varchar(10) not null, seq: integer not null, prm: integer not null}
  pay:
    key: [no, seq]
    columns: {no: varchar(10) not null, seq: integer not null, amt: "decimal(9,2) not null"}
"""
MAPPING = """
translator: policy
context: policy
root: {table: pol, key: no}
parts:
  cov: {parent: no, order: seq}
  pay: {parent: no, order: seq}
codes:
  status: {Q: quoted, A: active, C: cancelled, L: lapsed}
  product: {HOME: home, MOTO: motor, LIAB: liability}
state:
  contract: Policy.v1
  fields:
    number: TRIM(no)
    status: CODE('status', TRIM(sts))
    product: CODE('product', prd, 'other')
    premium: amt / 100
    gross: amt / 100 + COALESCE(tax, 0)
    effective: TO_DATE(NULLIF(eff, '00000000'), 'YYYYMMDD')
    expires: TO_DATE(NULLIF(exp, '00000000'), 'YYYYMMDD')
    agent: NULLIF(TRIM(agt), '')
    size: CASE WHEN amt >= 100000 THEN 'large' WHEN amt > 0 THEN 'small' ELSE 'none' END
    coverages: COUNT(cov)
    covered: SUM(cov.prm)
    paid: COALESCE(SUM(pay.amt), 0)
ignore:
  - {when: NOT CHANGED(*), reason: nothing}
"""
DATA = f"""
CREATE TABLE pol AS SELECT 'P' || lpad(x::VARCHAR, 8, '0') || ' ' AS no, ['Q ', 'A ', 'C ', 'L '][1 + x % 4] AS sts,
    ['HOME', 'MOTO', 'LIAB', 'PETS'][1 + x % 4] AS prd, x % 200000 AS amt,
    CASE WHEN x % 5 > 0 THEN (x % 900 / 100)::DECIMAL(9, 2) END AS tax,
    strftime(DATE '2015-01-01' + (x % 3650)::INTEGER, '%Y%m%d') AS eff,
    CASE WHEN x % 3 = 0 THEN '00000000' ELSE strftime(DATE '2025-01-01' + (x % 700)::INTEGER, '%Y%m%d') END AS exp,
    CASE WHEN x % 7 = 0 THEN '' ELSE 'AG' || x % 500 END AS agt, 'EUR' AS ccy FROM range({AGGREGATES}) AS t (x);
CREATE TABLE cov AS SELECT no, s::BIGINT AS seq, amt * s AS prm FROM pol, range(1, 3) AS u (s);
CREATE TABLE pay AS SELECT no, 1::BIGINT AS seq, (amt % 1000)::DECIMAL(9, 2) AS amt FROM pol WHERE amt % 2 = 0;
ALTER TABLE pol ALTER amt TYPE BIGINT;
"""


class Policy(Contract):
    """What the mapping promises."""

    promise: ClassVar[Promise] = Promise(
        name="Policy",
        version=1,
        kind="state",
        context="policy",
        owner="Policies",
        intent="Measure.",
        business_key=("number",),
        retention="1 day",
        lag_objective="1 s",
    )
    number: str
    status: str | None
    product: str | None
    premium: Decimal
    gross: Decimal
    effective: date | None
    expires: date | None
    agent: str | None
    size: str
    coverages: int
    covered: int | None
    paid: Decimal


@dataclass
class Result:
    """Processor time on one thread: seconds of the one query over everything, microseconds an aggregate.

    `chunks_seconds`: cut into chunks, mapped and handed over to Python one by one. `again_each`: the microseconds of an
    aggregate whose chunk raises and is mapped again in Python.
    """

    aggregates: int
    seconds: float
    each: float
    chunks_seconds: float
    again_each: float

    def said(self) -> str:
        """One line of the report."""
        return (
            f"mapped by DuckDB   {self.seconds:>10.2f} s for {self.aggregates:,} aggregates of three tables on one thread "
            f"({self.each:.2f} us each); in chunks, and each as a Python value {self.chunks_seconds:.1f} s; "
            f"where a chunk raises {self.again_each:.0f} us each"
        )


def run() -> Result:
    """Check a sample against the generated Python, then time the query, and the whole way in chunks."""
    schema = read_schema(SCHEMA, "schema.yaml")
    translator = compile_mapping(read_mapping(MAPPING, "policy.yaml"), MAPPING, schema, {"Policy.v1": Policy})
    with duckdb.connect() as connection:
        connection.execute(DATA)
        for statement in (*SETTINGS, "SET threads = 1"):
            connection.execute(statement)
        tables = {name: name for name in schema.tables}
        query = state_query(translator.bound, tables)
        for row in connection.execute(f"SELECT * FROM ({query}) LIMIT {SAMPLE}").fetchall():
            rows = {name: _rows(connection, name, row[0]) for name in schema.tables}
            wanted = translator.state(rows)
            if tuple(row[1:]) != tuple((wanted or {}).values()):
                raise AssertionError(f"not the same: {row} {wanted}")
        taken = median(_seconds(connection, query) for _ in range(ROUNDS))
        chunks = _in_chunks(WholeTables(connection, translator, tables))
        again = _again(connection, translator)
    return Result(AGGREGATES, taken, taken / AGGREGATES * 1e6, chunks, again)


def _in_chunks(tables: WholeTables) -> float:
    begun = time.process_time()
    count = sum(1 for one in tables.states() if one.state is not None)
    if (count, tables.by_python) != (AGGREGATES, 0):
        raise AssertionError(f"{count} states, {tables.by_python} chunks by Python")
    return time.process_time() - begun


def _again(connection: duckdb.DuckDBPyConnection, translator: CompiledTranslator) -> float:
    """What two chunks cost an aggregate when one row in each cannot be mapped."""
    last = f"P{2 * CHUNK:08}"
    spoilt = f"SELECT * REPLACE (CASE WHEN amt % {CHUNK} = 1 THEN 'X ' ELSE sts END AS sts) FROM pol"
    cut = {"pol": spoilt, "cov": "SELECT * FROM cov", "pay": "SELECT * FROM pay"}
    tables = WholeTables(connection, translator, {name: f"({q} WHERE no < '{last}')" for name, q in cut.items()})
    begun = time.process_time()
    refused = sum(1 for one in tables.states() if one.problem is not None)
    if (refused, tables.by_python) != (2, 2):
        raise AssertionError(f"{refused} refused, {tables.by_python} chunks by Python")
    return (time.process_time() - begun) / (2 * CHUNK) * 1e6


def _seconds(connection: duckdb.DuckDBPyConnection, query: str) -> float:
    begun = time.process_time()
    connection.execute(f"CREATE OR REPLACE TEMP TABLE state AS {query}")
    return time.process_time() - begun


def _rows(connection: duckdb.DuckDBPyConnection, table: str, number: str) -> dict[str, Row]:
    """The rows of one aggregate as the decoder gives them: CHAR without its blanks."""
    found = connection.execute(f"SELECT * FROM {table} WHERE no = ? ORDER BY ALL", [number])
    names = [column[0] for column in found.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    for row in rows if table == "pol" else ():
        row["sts"] = row["sts"].rstrip(" ")
    return {str(at): row for at, row in enumerate(rows)}
