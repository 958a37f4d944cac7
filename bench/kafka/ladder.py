"""The ladder: rungs by turns, several rounds, and each one's processor time beside bare aiokafka's in the same round."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench.kafka import insurer
from bench.kafka.climb import Command, Field, here
from bench.kafka.latency import measure
from bench.kafka.others import QUIX, Missing, quix, streams
from bench.kafka.result import Result, Row, aims, row
from bench.kafka.rung import Reading
from bench.kafka.small import changes, transform
from bench.measure import machine
from dragoman.stack import parts
from dragoman.stack.artifacts import cache_folder, fetch
from dragoman.stack.server import shared
from pipeline.feed import Curated
from pipeline.log.kafka.log import KafkaLog

ROUNDS = 3
RECORDS = 150_000
TRANSACTIONS = 10_000
"""Of the insurer's day, about 12,000 changes of policies."""
WARM = 2_000
"""Changes of them that are not measured."""
LATENCIES = ((100, 20.0), (1_000, 6.0))
"""Changes a second, and for how long."""
BY_HAND = "by hand"


@dataclass(frozen=True)
class Rung:
    """A way to do it. Slow ones get fewer records; up to `warm` nothing is measured."""

    name: str
    said: str
    command: Command
    warm: int
    total: int


def rungs() -> list[Rung]:
    """Those of this environment, from the floor up."""
    fast, middle, slow = (RECORDS // 5, RECORDS), (8_000, 32_000), (1_000, 11_000)
    return [
        Rung("copy", "bare aiokafka, the same bytes again", here("copy"), *fast),
        Rung(BY_HAND, "bare aiokafka, the transform by hand", here(BY_HAND), *fast),
        Rung("engine", "our engine under Faust, the same function in it", here("engine"), *fast),
        Rung("stateless", "our worker, store none: an event and a state of each", here("stateless"), *middle),
        Rung("disk", "our worker, store on disk: an event, a state and rows of each", here("disk"), *middle),
        Rung("take", "Faust, agent over take_events, batches sent", here("take"), *slow),
        Rung("faust", "Faust, plain agent", here("faust"), *slow),
    ]


def others() -> tuple[list[Rung], dict[str, str]]:
    """Those that are installed for this, and why some are not there."""
    found, missing = [], {}
    for name, said, command, warm, total in (
        ("quix", "Quix Streams", quix, 10_000, 60_000),
        ("streams", "Kafka Streams, warm: one thread, at least once", streams, RECORDS // 5, RECORDS),
    ):
        try:
            found.append(Rung(name, said, command(), warm, total))
        except Missing as why:
            missing[name] = str(why)
    return found, missing


@contextmanager
def broker() -> Iterator[Field]:
    """A broker of its own."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name,
        shared(parts.kafka(fetch(cache_folder(os.environ))), Path(name) / "kafka") as server,
        closing(KafkaLog(server.at)) as log,
    ):
        # Faust's compiled parts are slower than its Python unless a flag of theirs is set.
        yield Field(log, server.at, Path(name), environment={**os.environ, "NO_CYTHON": "1"})


def run() -> Result:
    """Climb."""
    with broker() as field:
        records = list(changes(RECORDS))
        source = field.fill("small", records)
        more, missing = others()
        small = _rounds([*rungs(), *more], lambda rung: _climbed(field, rung, source))
        found = insurer.corpus(TRANSACTIONS)
        insurer.fill(field.log, found, field.prefix)
        mapping = _mapping(field, found)
        latency = [measure(field, found, rate, seconds) for rate, seconds in LATENCIES]
    by_name = {one.rung: one for one in (*small, *mapping)}
    some = [value for _, value in records[:2_000]]
    return Result(
        machine=machine(),
        versions=versions(),
        left_out=missing,
        records=RECORDS,
        rounds=ROUNDS,
        bytes_in=sum(map(len, some)) / len(some),
        bytes_out=sum(len(transform(value)) for value in some) / len(some),
        small=small,
        changes=len(found.live[insurer.FEED]),
        mapping=mapping,
        fence_us=round(by_name["mapping fenced"].processor_us - by_name["mapping disk"].processor_us, 2),
        latency=latency,
        aims=aims(by_name, latency),
    )


def _rounds(chosen: Sequence[Rung], climbed: Callable[[Rung], Reading]) -> list[Row]:
    """All rungs by turns; the first is the floor unless one is called so."""
    rounds = [{rung.name: climbed(rung) for rung in chosen} for _ in range(ROUNDS)]
    floor = next((rung.name for rung in chosen if rung.name == BY_HAND), chosen[0].name)
    return [row(rung.name, rung.said, rounds, floor) for rung in chosen]


def _climbed(field: Field, rung: Rung, source: str) -> Reading:
    reading, job = field.climb(rung.name, rung.command, source, rung.warm, rung.total)
    if rung.name not in ("stateless", "disk"):  # their events have an envelope
        field.check(rung.name, source, job.target, bytes if rung.name == "copy" else transform)
    return reading


def _mapping(field: Field, found: insurer.Corpus) -> list[Row]:
    """The worker, and what it is measured against; all of them have to say the same events."""
    warm = len(found.loaded[insurer.FEED]) + WARM
    source = f"{field.prefix}.{insurer.FEED}"
    said: set[int] = set()

    def climbed(rung: Rung) -> Reading:
        name = f"{field.prefix}-policy-{field.runs}"
        project = insurer.project(field.folder / name, field.at, field.prefix, name, found.partitions)
        reading, _ = field.climb(rung.name, rung.command, source, rung.warm, rung.total, project)
        said.add(field.digest(Curated.of(name, 1).events.name))
        if len(said) > 1:
            raise RuntimeError(f"{rung.name} has said other events than those before")
        return reading

    told = {
        "mapping": "bare aiokafka, the identical compiled mapping, rows in a dict",
        "mapping memory": "our worker without fence, changelog and disk",
        "mapping disk": "our worker without the fence",
        "mapping fenced": "our worker as it is",
    }
    return _rounds([Rung(n, text, here(n), warm, found.changes) for n, text in told.items()], climbed)


def versions() -> dict[str, str]:
    """Of what was run."""
    packages = ("aiokafka", "faust-streaming", "mode-streaming", "orjson", "msgspec")
    (kafka,) = fetch(cache_folder(os.environ)).libs.glob("kafka-clients-*.jar")
    return {
        "python": platform.python_version(),
        "java": _java(),
        "quixstreams": QUIX[0].rpartition("=")[2],
        "kafka": kafka.stem.removeprefix("kafka-clients-"),
        **{package: version(package) for package in packages},
    }


def _java() -> str:
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    return said.splitlines()[0].split('"')[1]
