"""The insurer's legacy: the same from one seed, and as consistent as its programs make it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.insurer.legacy.generator import UNKNOWN_STATUS
from tests.examples.support import a_legacy, legacy_schema

TABLES = ("txlog", "ptymst", "agtmst", "polmst", "covdtl", "clmhdr", "clmlin", "clmpay")


def dump(connection: sqlite3.Connection) -> list[str]:
    return list(connection.iterdump())


def none_of(connection: sqlite3.Connection, sql: str) -> None:
    """The query finds nothing."""
    assert connection.execute(sql).fetchall() == []


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """A legacy after much work of every kind."""
    connection, application = a_legacy(tmp_path_factory.mktemp("legacy") / "legacy.db", 7)
    application.run(600)
    application.nightly_job()
    application.unmapped_code(3)
    application.run(600)
    yield connection
    connection.close()


def test_one_seed_gives_one_database(tmp_path: Path) -> None:
    dumps = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        connection, application = a_legacy(tmp_path / f"{name}.db", seed)
        application.run(150)
        application.unmapped_code(2)
        application.nightly_job()
        application.run(50)
        dumps.append(dump(connection))
        connection.close()
    assert dumps[0] == dumps[1]
    assert dumps[0] != dumps[2]


def test_every_kind_of_transaction_is_done(tmp_path: Path) -> None:
    connection, application = a_legacy(tmp_path / "legacy.db", 3)
    application.unmapped_code(2)
    done = application.run(1500)
    connection.close()
    assert done.total() == 1500
    assert len(done) == 19


def test_the_database_is_what_the_schema_says(worked: sqlite3.Connection) -> None:
    for name, table in legacy_schema().tables.items():
        info = worked.execute(f"PRAGMA table_info({name})").fetchall()
        assert [column for _, column, *_ in info] == list(table.columns)
        assert [row[1] for row in sorted(info, key=lambda row: row[5]) if row[5]] == list(table.key)
        for column, type_ in table.columns.items():
            values = [v for (v,) in worked.execute(f"SELECT {column} FROM {name}")]
            assert type_.nullable or None not in values
            if type_.padded:
                assert {len(v) for v in values if v is not None} <= {type_.length}, (name, column)
            elif type_.kind == "text":
                assert max((len(v) for v in values if v is not None), default=0) <= type_.length
            elif type_.kind == "decimal":
                assert all(len(v.rpartition(".")[2]) == type_.scale for v in values if v is not None), (name, column)
            elif type_.kind == "integer":
                assert {type(v) for v in values} <= {int}
    assert set(TABLES) == set(legacy_schema().tables)


def test_the_invariants_of_policies_hold(worked: sqlite3.Connection) -> None:
    none_of(worked, "SELECT pol_no FROM polmst WHERE pol_no NOT IN (SELECT pol_no FROM covdtl)")
    none_of(worked, "SELECT pol_no FROM covdtl WHERE pol_no NOT IN (SELECT pol_no FROM polmst)")
    none_of(worked, "SELECT pol_no FROM polmst WHERE (trim(pol_sts) = 'Q') <> (eff_dt = '00000000')")
    none_of(worked, "SELECT pol_no FROM polmst WHERE exp_dt < eff_dt")
    none_of(worked, "SELECT pol_no FROM polmst WHERE (trim(pol_sts) = 'C') <> (cxl_dt <> '00000000')")
    none_of(worked, "SELECT pol_no FROM polmst WHERE trim(pol_sts) = 'C' AND coalesce(trim(cxl_rsn), '') = ''")
    none_of(
        worked,
        "SELECT pol_no FROM polmst p WHERE prem_amt <> (SELECT sum(cov_prm) FROM covdtl c WHERE c.pol_no = p.pol_no)"
        " * (10000 - coalesce(CAST(replace(dsc_pct, '.', '') AS INTEGER), 0)) / 10000",
    )
    none_of(worked, "SELECT pol_no FROM polmst WHERE pty_no NOT IN (SELECT pty_no FROM ptymst)")
    statuses = {s for (s,) in worked.execute("SELECT trim(pol_sts) FROM polmst")}
    assert statuses == {"Q", "A", "C", "L", UNKNOWN_STATUS}


def test_the_invariants_of_claims_and_payments_hold(worked: sqlite3.Connection) -> None:
    cents = "CAST(replace({}, '.', '') AS INTEGER)".format
    accepted = f"(SELECT coalesce(sum({cents('acc_amt')}), 0) FROM clmlin l WHERE l.clm_no = h.clm_no)"
    paid = f"(SELECT coalesce(sum({cents('pay_amt')}), 0) FROM clmpay p WHERE p.clm_no = h.clm_no AND pay_sts <> 'R')"
    none_of(worked, "SELECT clm_no FROM clmhdr WHERE clm_no NOT IN (SELECT clm_no FROM clmlin)")
    none_of(worked, "SELECT clm_no FROM clmpay WHERE clm_no NOT IN (SELECT clm_no FROM clmhdr)")
    none_of(worked, "SELECT clm_no FROM clmhdr WHERE (clm_sts IN ('RJ', 'ST')) <> (cls_dt <> '00000000')")
    none_of(worked, "SELECT clm_no FROM clmhdr WHERE clm_sts = 'RJ' AND coalesce(trim(rej_rsn), '') = ''")
    none_of(worked, f"SELECT clm_no FROM clmhdr h WHERE clm_sts = 'ST' AND {cents('set_amt')} <> {accepted}")
    none_of(worked, f"SELECT clm_no FROM clmhdr h WHERE clm_sts IN ('AC', 'ST') AND {accepted} = 0")
    none_of(worked, f"SELECT clm_no FROM clmhdr h WHERE {paid} > {accepted}")
    none_of(worked, "SELECT clm_no FROM clmpay WHERE (pay_sts = 'A') <> (iss_dt = '00000000')")
    none_of(worked, "SELECT clm_no FROM clmpay WHERE (pay_sts = 'R') <> (rev_dt <> '00000000')")


def test_nothing_of_an_abandoned_quote_is_kept(worked: sqlite3.Connection) -> None:
    none_of(worked, "SELECT pol_no FROM polmst WHERE pol_no LIKE 'P9999%'")
    none_of(worked, "SELECT pol_no FROM covdtl WHERE pol_no LIKE 'P9999%'")


def test_the_nightly_job_touches_every_policy_and_only_its_stamp(tmp_path: Path) -> None:
    connection, application = a_legacy(tmp_path / "legacy.db", 11)
    columns = ", ".join(c for c in legacy_schema().tables["polmst"].columns if c != "rct_ts")
    before = connection.execute(f"SELECT {columns} FROM polmst ORDER BY pol_no").fetchall()
    stamps = connection.execute("SELECT count(DISTINCT rct_ts) FROM polmst").fetchone()
    assert application.nightly_job() == len(before) == 60
    assert connection.execute(f"SELECT {columns} FROM polmst ORDER BY pol_no").fetchall() == before
    assert connection.execute("SELECT DISTINCT rct_ts FROM polmst").fetchall() == [("20260302073000",)]
    assert stamps == (1,)
    connection.close()


def test_an_unmapped_code_is_put_on_as_many_policies_as_asked(tmp_path: Path) -> None:
    connection, application = a_legacy(tmp_path / "legacy.db", 12)
    numbers = application.unmapped_code(4)
    sql = "SELECT trim(pol_no) FROM polmst WHERE pol_sts = ? ORDER BY pol_no"
    assert sorted(numbers) == [no for (no,) in connection.execute(sql, (UNKNOWN_STATUS,))]
    assert len(numbers) == 4
    connection.close()
