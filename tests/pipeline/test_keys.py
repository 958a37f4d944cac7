"""Business keys of every type have one canonical text: in root and parts, in Kafka keys, subjects, dead letters and
commands, on PostgreSQL and MariaDB. The oracle writes the text by itself."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from connectors.debezium.decode import Decoder
from pipeline import control
from pipeline.control import Command
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing
from pipeline.state.memory import MemoryState
from tests.pipeline.harness import append, create_topics, published, worker
from tests.pipeline.world import BASE_TIME, FEED, TRANSACTIONS
from translators.compiled import CompiledTranslator, compile_mapping
from translators.contract import Contract, Promise
from translators.mapping import read_mapping
from translators.parts import misfits
from translators.schema_text import read_schema

SCHEMA = """\
source: legacy
connector: {connector}
namespace: shop
tables:
  acc:
    key: [br, nr, am, dt, tx]
    replica_identity: full
    columns: {{br: char(6) not null, nr: bigint not null, am: 'decimal(9,2) not null', dt: date not null,
      tx: varchar(20) not null, sts: varchar(1)}}
  mov:
    key: [a, b, c, d, e, seq]
    replica_identity: full
    columns: {{a: char(6) not null, b: bigint not null, c: 'decimal(9,2) not null', d: date not null,
      e: varchar(20) not null, seq: integer not null}}
"""
MAPPING = """\
translator: acc
context: bank
root: {table: acc, key: [br, nr, am, dt, tx]}
parts:
  mov: {parent: [a, b, c, d, e], order: seq}
codes:
  status: {A: active}
state:
  contract: Acc.v1
  fields:
    branch: br
    status: CODE('status', sts)
    movements:
      each: mov
      fields:
        number: seq
"""


class Movement(BaseModel):
    number: int


class Acc(Contract):
    promise: ClassVar[Promise] = Promise(
        name="Acc", version=1, kind="state", context="bank", owner="Bank", intent="Decide.",
        business_key=("branch",), retention="1 day", lag_objective="1 s",
    )  # fmt: skip
    branch: str
    status: Literal["active", "lost"]
    movements: list[Movement]


Key = tuple[str, int, Decimal, date, str]
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
KEYS = st.tuples(
    TEXT.map(lambda text: text[:6].rstrip(" ")),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(10**9) + 1, 10**9 - 1).map(lambda cents: Decimal(cents).scaleb(-2)),
    st.dates(),
    TEXT | st.sampled_from(["a/b", "100%", "%2F", "/", "", "é", "e\u0301"]),
)


def text_of(key: Key) -> str:
    """The canonical text, by hand."""
    branch, number, amount, day, text = key
    cents = int(amount * 100)
    whole = f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"
    parts = [branch, str(number), whole, f"{day.year:04d}-{day.month:02d}-{day.day:02d}", text]
    return "/".join("".join({"/": "%2F", "%": "%25"}.get(c, c) for c in part) for part in parts)


def wire(key: Key, names: str, connector: str) -> dict[str, Any]:
    """The key's columns as Connect's JSON has them; PostgreSQL pads CHAR, MariaDB does not."""
    branch, number, amount, day, text = key
    cents = int(amount * 100)
    data = b64encode(cents.to_bytes(cents.bit_length() // 8 + 1, "big", signed=True)).decode()
    padded = branch.ljust(6) if connector == "postgresql" else branch
    return dict(zip(names.split(), (padded, number, data, (day - date(1970, 1, 1)).days, text), strict=True))


class Bank:
    """A feed of accounts and movements; `rows` of one transaction share a rows event on MariaDB."""

    def __init__(self, connector: str) -> None:
        self.connector, self.log, self.store, self.at = connector, MemoryLog(), MemoryState(), 1000
        self.schema = read_schema(SCHEMA.format(connector=connector), "s")
        create_topics(self.log, 1)

    def commit(self, *rows: tuple[str, str, Any, Any], ends: bool = True) -> None:
        self.at += 1000
        records = [self._record(number, *row) for number, row in enumerate(rows)]
        name = self.gtid if self.connector == "mariadb" else f"{self.at}:{self.at}"
        mark = {"id": name, "event_count": None, "data_collections": None, "ts_ms": 1}
        marks = [{**mark, "status": "BEGIN"}, *([{**mark, "status": "END"}] if ends else [])]
        append(self.log, [*records, *[_out(TRANSACTIONS, {"id": name}, one) for one in marks]])

    def begin(self) -> None:
        """A statement that changed a table: a BEGIN that never has an END."""
        self.at += 1000
        mark = {"id": self.gtid, "status": "BEGIN", "event_count": None, "data_collections": None, "ts_ms": 1}
        append(self.log, [_out(TRANSACTIONS, {"id": self.gtid}, mark)])

    @property
    def gtid(self) -> str:
        return f"0-1-{self.at}"

    def _record(self, number: int, table: str, op: str, before: Any, after: Any, **headers: Any) -> Outgoing:
        source: dict[str, Any] = {"connector": self.connector, "name": "legacy", "table": table, "ts_us": BASE_TIME}
        if self.connector == "mariadb":
            place = {
                "db": "shop",
                "file": "bin.000002",
                "pos": self.at,
                "row": number,
                "gtid": self.gtid,
                "server_id": 1,
            }
        else:
            lsn = self.at + number
            place = {"db": "d", "schema": "shop", "txId": self.at, "lsn": lsn, "sequence": f'["{self.at - 5}","{lsn}"]'}
        names = self.schema.tables[table].key
        key = {name: (after or before)[name] for name in names}
        value = {"op": op, "before": before, "after": after, "source": source | place}
        return _out(FEED, key, value)

    def run(self, translator: CompiledTranslator | None = None, **how: Any) -> None:
        made = worker(
            self.log, self.store, translator=translator or self.compiled(), decoder=Decoder(self.schema), **how
        )
        while made.turn():
            pass

    def compiled(self, text: str = MAPPING) -> CompiledTranslator:
        return compile_mapping(read_mapping(text, "acc.yaml"), text, self.schema, {"Acc.v1": Acc})

    def account(self, key: Key, status: str = "A") -> dict[str, Any]:
        return {**wire(key, "br nr am dt tx", self.connector), "sts": status}

    def movement(self, key: Key, seq: int) -> dict[str, Any]:
        return {**wire(key, "a b c d e", self.connector), "seq": seq}

    def states(self) -> dict[str, Any]:
        return {event.subject: event.data for event in published(self.log, "acc.state")}


def _out(topic: str, key: Any, value: Any) -> Outgoing:
    return Outgoing(
        topic=topic, partition=0, timestamp=1, key=json.dumps(key).encode(), value=json.dumps(value).encode()
    )


@pytest.mark.parametrize("connector", ["postgresql", "mariadb"])
@settings(max_examples=40, deadline=None)
@given(keys=st.lists(KEYS, min_size=1, max_size=4, unique_by=text_of))
def test_root_and_parts_have_the_text_that_everything_is_named_by(connector: str, keys: list[Key]) -> None:
    bank = Bank(connector)
    for key in keys:
        bank.commit(("mov", "c", None, bank.movement(key, 1)), ("acc", "c", None, bank.account(key)))
        bank.commit(("mov", "c", None, bank.movement(key, -2)))
    bank.run()
    movements = [{"number": -2}, {"number": 1}]
    assert bank.states() == {
        text_of(key): {"branch": key[0], "status": "active", "movements": movements} for key in keys
    }
    for record in bank.log.read("acc.state", 0, 0, 100).records:
        headers = dict(record.headers)
        assert record.key == headers["ce_subject"] == headers["ce_partitionkey"]
    assert {key for key, _ in bank.store.scan()} == {text_of(key) for key in keys}


@pytest.mark.parametrize("connector", ["postgresql", "mariadb"])
@settings(max_examples=15, deadline=None)
@given(key=KEYS)
def test_a_dead_letter_and_a_command_name_the_same_key(connector: str, key: Key) -> None:
    bank = Bank(connector)
    bank.commit(("acc", "c", None, bank.account(key, "X")))
    bank.commit(("mov", "c", None, bank.movement(key, 1)))
    bank.run()
    (letter,) = bank.log.read("acc.dead-letters", 0, 0, 10).records
    assert (letter.key or b"").decode() == text_of(key) == json.loads(letter.value or b"")["key"]
    assert len(bank.store.waiting(text_of(key))) == 2
    control.send(bank.log, Command(action="release", translator="acc", key=text_of(key), partition=0), 0)
    bank.run(bank.compiled(MAPPING.replace("{A: active}", "{A: active, X: lost}")))
    assert bank.states() == {text_of(key): {"branch": key[0], "status": "lost", "movements": [{"number": 1}]}}


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("c: 'decimal(9,2) not null'", "c: 'decimal(11,2) not null'", None),
        ("c: 'decimal(9,2) not null'", "c: 'decimal(9,0) not null'", "part.key-type"),
        ("a: char(6) not null", "a: char(8) not null", None),
        ("a: char(6) not null", "a: varchar(6) not null", "part.key-type"),
        ("b: bigint not null", "b: integer not null", None),
        ("b: bigint not null", "b: varchar(9) not null", "part.key-type"),
        ("am: 'decimal(9,2) not null'", "am: numeric not null", "root.key"),
        ("am: 'decimal(9,2) not null'", "am: double precision not null", "root.key"),
    ],
)
def test_key_columns_have_one_text_in_all_tables_or_are_refused(old: str, new: str, code: str | None) -> None:
    text = SCHEMA.format(connector="postgresql")
    assert old in text
    mapping = read_mapping(MAPPING, "acc.yaml")
    found = [one.code for one in misfits(mapping, read_schema(text.replace(old, new), "s").tables)]
    assert found[:1] == ([] if code is None else [code])


ONE: Key = ("B1", 7, Decimal("1.50"), date(2026, 1, 2), "x")
TWO: Key = ("B2", -7, Decimal("-0.05"), date(1900, 1, 2), "/")


def test_mariadb_a_begin_without_an_end_and_several_rows_of_one_event() -> None:
    bank = Bank("mariadb")
    bank.commit(
        ("acc", "c", None, bank.account(ONE)),
        ("acc", "c", None, bank.account(TWO)),
        *[("mov", "c", None, bank.movement(ONE, number)) for number in range(5)],
    )
    bank.begin()
    bank.commit(*[("mov", "d", bank.movement(ONE, number), None) for number in range(1, 5)], ends=False)
    bank.run()
    # The last one has no END, and nothing came behind it.
    assert len(bank.states()[text_of(ONE)]["movements"]) == 5
    bank.begin()
    bank.commit(("acc", "d", bank.account(TWO), None))
    bank.run()
    assert bank.states()[text_of(ONE)]["movements"] == [{"number": 0}]
    assert bank.states()[text_of(TWO)] is None
    assert bank.store.counts()["", "closed: later"] == 2


@pytest.mark.parametrize(("where", "closes"), [(3000, True), (2000, False), (2001, True)])
def test_mariadb_is_closed_by_what_the_connector_committed_only_when_that_is_past_it(where: int, closes: bool) -> None:
    bank = Bank("mariadb")
    bank.commit(("acc", "c", None, bank.account(ONE)), ends=False)
    place = (2 << 33) + where
    bank.run(passed=lambda: place, exactly_once=False)
    assert bool(bank.states()) is closes


def test_mariadb_a_part_that_another_key_takes_over() -> None:
    bank = Bank("mariadb")
    bank.commit(("acc", "c", None, bank.account(ONE)), ("acc", "c", None, bank.account(TWO)))
    bank.commit(("mov", "c", None, bank.movement(ONE, 1)))
    # A change of the primary key is one event with one position: a delete and an insert.
    bank.commit(("mov", "d", bank.movement(ONE, 1), None), ("mov", "c", None, bank.movement(TWO, 1)))
    bank.run()
    assert [len(bank.states()[text_of(key)]["movements"]) for key in (ONE, TWO)] == [0, 1]
