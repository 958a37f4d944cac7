"""A project whose feeds are on Kafka, by its commands: what it publishes is what the embedded run of the same feed does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from dragoman.stack.server import Server
from pipeline.log.embedded import EmbeddedLog
from pipeline.log.kafka.log import KafkaLog
from tests.dragoman.kafka_shop import said, shop_at
from tests.dragoman.support import environment, eventually, succeeds


@pytest.fixture
def shop(kafka: Server, unused_name: str, tmp_path: Path) -> Iterator[tuple[Path, Path, KafkaLog]]:
    """See `shop_at`."""
    with shop_at(kafka.at, unused_name, tmp_path) as made:
        yield made


def test_it_publishes_what_the_embedded_run_does_and_tells_how_it_stands(
    shop: tuple[Path, Path, KafkaLog], unused_name: str
) -> None:
    embedded, on_kafka, brokers = shop
    ran = [json.loads(line) for line in succeeds("run", "--json", cwd=on_kafka).out.splitlines()]
    assert ran[0]["fits"] is True
    with closing(EmbeddedLog(embedded / "var" / "log.db")) as log:
        assert said(brokers, f"{unused_name}.events") == said(log, f"{unused_name}.events") != {}
        states, kept = said(brokers, f"{unused_name}.state"), said(log, f"{unused_name}.state")
        assert {key: found[-1] for key, found in states.items()} == {key: found[-1] for key, found in kept.items()}
    succeeds("run", cwd=on_kafka)
    status = [json.loads(line) for line in succeeds("status", "--json", cwd=on_kafka).out.splitlines()]
    (standing,) = [one for one in status if "translator" in one]
    assert [(p["behind"], p["loading"], p["open_step"]) for p in standing["partitions"]] == [(0, False, False)] * len(
        standing["partitions"]
    )
    assert standing["generation"] == 1
    assert "the brokers answer, 1 feeds are there" in succeeds("doctor", cwd=on_kafka).out
    for command in (("status",), ("parked", "list"), ("dlq", "list"), ("events", unused_name)):
        assert succeeds(*command, cwd=on_kafka).out
    assert (on_kafka / "var" / "state.db" / "worker-0").is_dir()


def test_under_faust_each_translator_has_a_process_and_publishes_the_same(
    shop: tuple[Path, Path, KafkaLog], unused_name: str
) -> None:
    embedded, on_kafka, brokers = shop
    source = on_kafka / "sources" / "shop.yaml"
    source.write_text(source.read_text() + "engine: faust\n")
    ran = [json.loads(line) for line in succeeds("run", "--json", cwd=on_kafka).out.splitlines()]
    (account,) = [one for one in ran if one.get("translator") == unused_name]
    assert account["fits"] and account["events"]
    with closing(EmbeddedLog(embedded / "var" / "log.db")) as log:
        assert said(brokers, f"{unused_name}.events") == said(log, f"{unused_name}.events") != {}
    assert (on_kafka / "var" / "state.db" / unused_name / "worker-0").is_dir()

    with running_at(on_kafka) as (ended, at), running_at(on_kafka) as (broken, _), running_at(on_kafka) as (gone, _):
        eventually(lambda: probe(at, "/readyz") == (200, {"ok": True, "ready": {unused_name: True}}), 60)
        code, told = probe(at, "/healthz")
        assert code == 200 and set(told["silent_seconds"]) == {"dragoman", unused_name}
        eventually(lambda: len(children(broken)) == 1, 60)
        (child,) = children(broken)
        os.kill(child, signal.SIGKILL)
        assert broken.wait(60) == 2
        assert broken.stderr is not None
        assert f"the translator {unused_name} has ended with code -9" in " ".join(broken.stderr.read().split())
        eventually(lambda: len(children(gone)) == 1, 60)
        (orphan,) = children(gone)
        gone.kill()
        gone.wait()
        eventually(lambda: has_ended(orphan), 60)
        (child,) = children(ended)
        began = time.monotonic()
        ended.terminate()
        assert ended.wait(60) == 0
        assert time.monotonic() - began < 15
        assert not Path(f"/proc/{child}").exists()


@contextmanager
def running_at(project: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`dragoman run --follow` while the block runs, and where it answers probes."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        at = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "dragoman", "run", "--follow", "--json", "--health", at]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=project, env=environment(), text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process, at
        finally:
            if process.poll() is None:
                process.kill()


def probe(at: str, path: str) -> tuple[int, Any]:
    connection = HTTPConnection(at, timeout=5)
    with closing(connection):
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
        except OSError:
            return 0, None
        return answer.status, json.loads(answer.read())


def has_ended(pid: int) -> bool:
    """Also where nobody asks for its exit code any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def children(process: subprocess.Popen[str]) -> list[int]:
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(one) for one in listed.split()]
