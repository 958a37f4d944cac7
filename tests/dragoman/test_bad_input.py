"""Bad input, end to end: each gets one clear error with its code and what to do, and loses nothing."""

from __future__ import annotations

import gzip
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.dragoman.support import (
    ROOT,
    Outcome,
    application,
    dragoman,
    make_shop,
    query,
    replace,
    succeeds,
    write,
)


def assert_refused(told: Outcome, code: str, *said: str) -> None:
    """One error on standard error, in the one form, and nothing on standard output."""
    lines = told.err.splitlines()
    assert (told.code, told.out) == (2, ""), told.out + told.err
    assert lines[0] == f"error {code}"
    assert lines[1].startswith("  ")
    assert any(line.startswith("  next   ") for line in lines)
    assert "Traceback" not in told.err
    flat = " ".join(told.err.split())
    for words in said:
        assert words in flat


def test_a_mapping_with_an_unknown_column(insurer: Path) -> None:
    replace(insurer / "mappings" / "policy.yaml", "prem_amt / 100", "prem_amnt / 100")
    told = dragoman("run", cwd=insurer)
    assert_refused(told, "mapping.invalid", "prem_amnt", "where mappings/policy.yaml:", "dragoman lint")
    assert not (insurer / "var" / "log.db").exists()


def test_a_missing_contract(insurer: Path) -> None:
    (insurer / "contracts" / "payment.py").unlink()
    told = dragoman("run", cwd=insurer)
    assert_refused(told, "mapping.invalid", "no contract is called Payment.v1")


def test_two_contracts_of_one_type(insurer: Path) -> None:
    shutil.copy(insurer / "contracts" / "payment.py", insurer / "contracts" / "payment2.py")
    told = dragoman("run", cwd=insurer)
    assert_refused(told, "contract.twice", "contracts/payment.py", "contracts/payment2.py")


def test_a_contract_that_is_no_python(insurer: Path) -> None:
    write(insurer / "contracts" / "broken.py", "from dragoman import Contract\n\nclass Broken(Contract:\n")
    assert_refused(dragoman("run", cwd=insurer), "project.python-failed", "where contracts/broken.py:3")


def test_a_contract_that_fails_when_it_is_imported(insurer: Path) -> None:
    write(insurer / "contracts" / "broken.py", "import nothing_of_that_name\n")
    told = dragoman("run", cwd=insurer)
    assert_refused(told, "project.python-failed", "nothing_of_that_name", "where contracts/broken.py:1")


def test_the_projects_files_shadow_nobody(insurer: Path, tmp_path: Path) -> None:
    write(insurer / "colorsys.py", "raise RuntimeError('the project came first')\n")
    write(insurer / "shared_words.py", "WORD = 'shared'\n")
    write(insurer / "contracts" / "extra.py", "import colorsys, shared_words\nfrom .policy import Premium\n")
    succeeds("lint", "--project", str(insurer), cwd=tmp_path)


@pytest.fixture(scope="module")
def recorded() -> bytes:
    return gzip.decompress((ROOT / "tests" / "data" / "orders-excerpt.jsonl.gz").read_bytes())


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return make_shop(tmp_path / "shop")


def test_a_feed_file_cut_in_the_middle_of_a_line(shop: Path, recorded: bytes) -> None:
    (shop / "feed.jsonl").write_bytes(recorded[:-40])
    replace(shop / "sources" / "shop.yaml", "feed.jsonl.gz", "feed.jsonl")
    told = dragoman("run", cwd=shop)
    lines = recorded.count(b"\n")
    assert_refused(told, "recording.cut", f"feed.jsonl:{lines}")
    # Nothing of it was appended: with the whole file everything comes out as if the cut one had never been there.
    (shop / "feed.jsonl").write_bytes(recorded)
    clean = make_shop(shop.with_name("clean"))
    assert succeeds("run", "--json", cwd=shop).lines == succeeds("run", "--json", cwd=clean).lines


def test_a_feed_file_cut_in_the_middle_of_its_gzip_stream(shop: Path) -> None:
    whole = (shop / "feed.jsonl.gz").read_bytes()
    (shop / "feed.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    assert_refused(dragoman("run", cwd=shop), "recording.gzip-damaged", "gzip -t")
    (shop / "feed.jsonl.gz").write_bytes(whole)
    assert all(one["fits"] for one in succeeds("run", "--json", cwd=shop).lines)


def test_a_feed_file_that_is_not_there(shop: Path) -> None:
    (shop / "feed.jsonl.gz").unlink()
    assert_refused(dragoman("run", cwd=shop), "recording.unreadable", "feed.jsonl.gz")


def test_a_read_only_view_database(worked: Path) -> None:
    with application(worked, seed=8) as programs:
        programs.run(20)
    views = worked / "var" / "views.db"
    rows = query(views, "SELECT count(*) FROM policy_view")
    url = f"sqlite:///file:{views}?mode=ro&uri=true"
    replace(worked / "consumers" / "policy_view.yaml", "database: var/views.db", f'database: "{url}"')
    assert_refused(dragoman("run", cwd=worked), "view.read-only", "the right to write it")
    assert query(views, "SELECT count(*) FROM policy_view") == rows
    replace(worked / "consumers" / "policy_view.yaml", f'database: "{url}"', "database: var/views.db")
    succeeds("run", cwd=worked)
    assert dragoman("reconcile", "run", "--json", cwd=worked).lines[0]["confirmed"] == 2


def limited(size: int) -> Callable[[], None]:
    """A disk on which no file grows beyond `size` bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_full_disk(insurer: Path) -> None:
    told = dragoman("run", cwd=insurer, before=limited(120_000))
    assert_refused(told, "disk.full", "Free some space")
    lines = succeeds("run", "--json", cwd=insurer).lines
    assert all(one["fits"] for one in lines if "translator" in one)


def test_a_corrupt_log(worked: Path) -> None:
    log = worked / "var" / "log.db"
    data = bytearray(log.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4096] = bytes(4096)
    log.write_bytes(data)
    assert_refused(dragoman("run", cwd=worked), "log.corrupt", "Nothing was written")
    assert log.read_bytes() == data


def test_a_log_that_is_no_log(worked: Path) -> None:
    shutil.copy(worked / "var" / "letters.db", worked / "var" / "log.db")
    for name in ("log.db-wal", "log.db-shm"):
        (worked / "var" / name).unlink(missing_ok=True)
    assert_refused(dragoman("run", cwd=worked), "log.corrupt")
    assert_refused(dragoman("status", cwd=worked), "log.corrupt")


def test_a_state_that_is_damaged(worked: Path) -> None:
    (worked / "var" / "state.db").write_bytes(b"SQLite format 3\0" + bytes(5_000))
    told = dragoman("run", cwd=worked)
    assert told.code == 2
    assert told.err.startswith("error state.")


class TestFiles:
    def test_no_project(self, tmp_path: Path) -> None:
        assert_refused(dragoman("run", cwd=tmp_path), "project.not-found", "--project")

    def test_an_unknown_key(self, insurer: Path) -> None:
        replace(insurer / "dragoman.yaml", "namespace:", "namspace:")
        told = dragoman("run", cwd=insurer)
        assert_refused(told, "project.malformed", "did you mean 'namespace'?", "where dragoman.yaml:3:1")

    def test_a_key_that_is_missing(self, insurer: Path) -> None:
        replace(insurer / "dragoman.yaml", "state: var/state.db\n", "")
        assert_refused(dragoman("run", cwd=insurer), "project.malformed", "'state'", "where dragoman.yaml:2:1")

    def test_a_variable_that_nobody_set(self, insurer: Path) -> None:
        replace(insurer / "dragoman.yaml", "log: var/log.db", "log: ${WHERE}/log.db")
        told = dragoman("status", cwd=insurer)
        assert_refused(told, "project.variable-missing", "WHERE", "where dragoman.yaml:9:6")
        assert_refused(dragoman("status", cwd=insurer, WHERE="nowhere"), "log.missing", "nowhere/log.db")
        replace(insurer / "dragoman.yaml", "${WHERE}", "${WHERE:-elsewhere}")
        assert_refused(dragoman("status", cwd=insurer), "log.missing", "elsewhere/log.db")

    def test_a_source_of_an_unknown_kind(self, insurer: Path) -> None:
        replace(insurer / "sources" / "legacy.yaml", "kind: sqlite", "kind: sqllite")
        told = dragoman("run", cwd=insurer)
        assert_refused(told, "project.malformed", "did you mean 'sqlite'?", "where sources/legacy.yaml:3:7")

    def test_a_translator_without_a_mapping(self, insurer: Path) -> None:
        replace(insurer / "dragoman.yaml", "  - payment\n", "  - payment\n  - party\n")
        assert_refused(dragoman("run", cwd=insurer), "project.file-missing", "mappings/party.yaml")

    def test_a_table_in_no_feed(self, insurer: Path) -> None:
        replace(insurer / "sources" / "legacy.yaml", "      covdtl:\n        - pol_no\n", "")
        told = dragoman("run", cwd=insurer)
        assert_refused(told, "feed.table-missing", "policy", "covdtl", "where sources/legacy.yaml")

    def test_an_aggregate_over_two_feeds(self, insurer: Path) -> None:
        source = insurer / "sources" / "legacy.yaml"
        replace(source, "      covdtl:\n        - pol_no\n", "")
        replace(source, "      clmhdr:\n", "      covdtl:\n        - pol_no\n      clmhdr:\n")
        assert_refused(dragoman("run", cwd=insurer), "feed.split-aggregate", "covdtl")

    def test_rows_routed_apart(self, insurer: Path) -> None:
        replace(
            insurer / "sources" / "legacy.yaml", "      covdtl:\n        - pol_no", "      covdtl:\n        - cov_seq"
        )
        assert_refused(dragoman("run", cwd=insurer), "feed.routed-apart", "covdtl", "cov_seq")

    def test_parts_without_a_marker(self, insurer: Path) -> None:
        source = insurer / "sources" / "legacy.yaml"
        line = next(line for line in source.read_text().splitlines() if line.startswith("marker:"))
        replace(source, line + "\n", "")
        assert_refused(dragoman("run", cwd=insurer), "feed.no-proof", "marker: <table>")

    def test_a_consumer_that_reads_nothing_known(self, insurer: Path) -> None:
        replace(insurer / "consumers" / "documents.yaml", "  - claim\n", "  - clam\n")
        told = dragoman("run", cwd=insurer)
        assert_refused(told, "project.reads-unknown", "did you mean 'claim'?", "where consumers/documents.yaml:5:3")

    def test_two_consumers_of_one_name(self, insurer: Path) -> None:
        shutil.copy(insurer / "consumers" / "documents.yaml", insurer / "consumers" / "letters.yaml")
        assert_refused(dragoman("run", cwd=insurer), "project.consumer-twice", "documents")

    def test_no_legacy_database(self, insurer: Path) -> None:
        (insurer / "var" / "legacy.db").unlink()
        assert_refused(dragoman("run", cwd=insurer), "capture.database-missing", "legacy.db")


def test_words_that_are_not_understood(insurer: Path) -> None:
    for words in (("rnu",), ("run", "--nothing"), ("events",), ("dlq", "shwo")):
        told = dragoman(*words, cwd=insurer)
        assert (told.code, told.out) == (2, "")
        assert "Usage:" in told.err
