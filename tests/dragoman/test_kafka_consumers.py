"""Consumers in the adopter's own code on a real Kafka: killed, run again, told twice, and beside an aborted write."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dragoman.stack.server import Server
from examples.consumers.curated import NoFact, fact_of
from examples.consumers.policies import opened, show, write_letter
from pipeline.log.embedded import EmbeddedLog
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import Outgoing, TopicSpec
from pipeline.log.reading import read_through
from tests.dragoman.support import ROOT, environment, eventually, query
from tests.pipeline.log.kafka.bare import Bare

PARTITIONS = 2


def streams(project: Path, topic: str, name: str) -> list[Outgoing]:
    """A stream of a project that has run, for a topic of this name."""
    with closing(EmbeddedLog(project / "var" / "log.db")) as log:
        spec = log.topics()[topic]
        found = [r for n in range(spec.partitions) for some in read_through(log, topic, n) for r in some]
    return [Outgoing(topic=name, timestamp=r.timestamp, key=r.key, value=r.value, headers=r.headers) for r in found]


@contextmanager
def consumer(module: str, at: str, topic: str, database: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", f"examples.consumers.{module}", at, topic, str(database)]
    said = database.with_suffix(f".{time.monotonic_ns()}.err")
    with said.open("w") as err:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=err)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def grown(database: Path, table: str, size: int) -> Callable[[], bool]:
    def holds() -> bool:
        """The file is there before its table."""
        made = database.exists() and query(database, "SELECT 1 FROM sqlite_master WHERE name = ?", table)
        return bool(made) and query(database, f"SELECT count(*) FROM {table}") >= [(size,)]

    return holds


def ended(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(30)


def test_a_view_with_aiokafka_and_letters_with_faust(
    worked: Path, kafka: Server, unused_name: str, tmp_path: Path
) -> None:
    states = streams(worked, "policy.state", f"{unused_name}.state")
    events = streams(worked, "policy.events", f"{unused_name}.events")
    view, letters = tmp_path / "view.db", tmp_path / "letters.db"
    with closing(KafkaLog(kafka.at)) as log, asyncio.Runner() as runner:
        log.create(TopicSpec(name=f"{unused_name}.state", kind="state", partitions=PARTITIONS, compacted=True))
        log.create(TopicSpec(name=f"{unused_name}.events", kind="events", partitions=PARTITIONS))
        half = len(states) // 2
        log.writer(f"{unused_name}.w").append(states[:half])
        aborted = Bare(kafka.at, runner).producer(f"{unused_name}.aborted")
        aborted.begin()
        aborted.send(f"{unused_name}.state", 0, b"no fact at all")
        aborted.abort()
        aborted.close()
        log.append(events[: len(events) // 2])
        both = (("with_aiokafka", "state", view, "policy"), ("with_faust", "events", letters, "letter"))
        for module, kind, database, table in both:
            with consumer(module, kafka.at, f"{unused_name}.{kind}", database):
                eventually(grown(database, table, 1), 60)  # and then it is killed
        log.writer(f"{unused_name}.w").append([*states[half:], *states[half - 3 : half]])  # the last three are late
        log.append([*events, *events[:5]])

    shown = query(
        worked / "var" / "views.db",
        "SELECT policy_number, status, premium_amount FROM policy_view ORDER BY policy_number",
    )
    wanted = {
        dict(e.headers)["ce_id"]
        for e in events
        if (dict(e.headers)["ce_type"] or b"").endswith((b"PolicyBound.v1", b"PolicyCancelled.v1"))
    }
    assert shown and wanted
    now = "SELECT policy_number, status, premium FROM policy WHERE NOT gone ORDER BY policy_number"
    with consumer("with_aiokafka", kafka.at, f"{unused_name}.state", view) as process:
        eventually(lambda: query(view, now) == shown, 60)
        assert ended(process) == 0
    with consumer("with_faust", kafka.at, f"{unused_name}.events", letters) as process:
        eventually(grown(letters, "letter", len(wanted)), 60)
        time.sleep(0.7)  # one commit of Faust's
        assert ended(process) == 0
    assert {event.encode() for (event,) in query(letters, "SELECT event_id FROM letter")} == wanted
    with closing(KafkaLog(kafka.at)) as log:
        for group, kind in (("policy-view", "state"), ("letters", "events")):
            topic = f"{unused_name}.{kind}"
            done = log.committed(f"{group}.{topic}")
            assert all(done[topic, n] > 0 for n in range(PARTITIONS) if log.end(topic, n) > 0)


def state(sequence: str, value: bytes | None, *more: tuple[str, bytes]) -> tuple[bytes | None, list[tuple[str, bytes]]]:
    headers = [("ce_id", sequence.encode()), ("ce_type", b"com.example.policy.Policy.v1"), ("ce_subject", b"P1")]
    return value, [*headers, ("ce_sequence", sequence.encode()), *more]


def test_what_comes_late_does_not_count_and_what_was_not_sent_stays() -> None:
    first = state("0001.000000000001", b'{"status": "active", "premium": {"amount": "10.00"}}')
    second = state("0001.000000000002", b'{"premium": {"amount": "12.00"}}', ("dragoman_unavailable", b"status=toast"))
    gone = state("0001.000000000003", None)
    with closing(opened(":memory:")) as database:

        def after(*told: tuple[bytes | None, list[tuple[str, bytes]]]) -> list[tuple[object, ...]]:
            for one in told:
                show(database, fact_of(*one))
            return database.execute("SELECT status, premium, gone FROM policy").fetchall()

        assert after(first, second, first) == [("active", "12.00", 0)]
        assert after(gone, second) == [(None, None, 1)]
        again = fact_of(*state("0001.000000000001", b"{}"))
        write_letter(database, again)
        assert database.execute("SELECT count(*) FROM letter").fetchone() == (0,)
    with pytest.raises(NoFact):
        fact_of(b"{}", [("ce_id", b"1")])
    with pytest.raises(NoFact):
        fact_of(b"{cut", state("1", b"")[1])
