"""The ladder: rungs by turns, several rounds, and each one's processor time beside bare aiokafka's in the same round."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from bench.kafka.climb import Command, Field, here
from bench.kafka.rung import Reading
from bench.kafka.small import changes, transform
from dragoman.stack import parts
from dragoman.stack.artifacts import cache_folder, fetch
from dragoman.stack.server import shared
from pipeline.log.kafka.log import KafkaLog

ROUNDS = 3
RECORDS = 200_000
BY_HAND = "by hand"


@dataclass(frozen=True)
class Rung:
    """A way to do it. Slow ones get fewer records; up to `warm` nothing is measured."""

    name: str
    said: str
    command: Command
    warm: int
    total: int


@dataclass
class Row:
    """What a rung took: medians of the rounds, `times` of the ratios to bare aiokafka by hand in the same round."""

    rung: str
    said: str
    messages_per_second: float
    processor_us: float
    least_us: float
    most_us: float
    times: float
    mebibytes: float


@dataclass
class Aim:
    """What was wanted of a ratio, and what was found."""

    aim: str
    wanted: str
    found: float
    met: bool


@dataclass
class Result:
    """`processor_us` is the client's processor time a message, in microseconds, all its threads; `mebibytes` its peak."""

    machine: dict[str, str]
    versions: dict[str, str]
    records: int
    rounds: int
    bytes_in: float
    bytes_out: float
    small: list[Row]
    aims: list[Aim]

    def said(self) -> str:
        """The tables."""
        return "\n".join(
            [
                f"on Kafka, the small transform ({self.bytes_in:.0f} bytes in, {self.bytes_out:.0f} out)",
                *_table(self.small),
                *(
                    f"{'met   ' if aim.met else 'MISSED'} {aim.aim}: {aim.found:.2f} ({aim.wanted})"
                    for aim in self.aims
                ),
            ]
        )


def _table(rows: Sequence[Row]) -> Iterator[str]:
    yield f"  {'':58} {'messages/s':>10} {'CPU us':>8} {'x by hand':>9} {'MiB':>6}"
    for row in rows:
        yield (
            f"  {row.said:58} {row.messages_per_second:>10,.0f} {row.processor_us:>8.1f} {row.times:>9.2f}"
            f" {row.mebibytes:>6,.0f}"
        )


def rungs() -> list[Rung]:
    """All of them, from the floor up."""
    fast, slow = (RECORDS // 5, RECORDS), (1_000, 11_000)
    return [
        Rung("copy", "bare aiokafka, the same bytes again", here("copy"), *fast),
        Rung(BY_HAND, "bare aiokafka, the transform by hand", here(BY_HAND), *fast),
        Rung("engine", "our engine under Faust, the same function in it", here("engine"), *fast),
        Rung("take", "Faust, agent over take_events, batches sent", here("take"), *slow),
        Rung("faust", "Faust, plain agent", here("faust"), *slow),
    ]


@contextmanager
def broker() -> Iterator[Field]:
    """A broker of its own."""
    with (
        tempfile.TemporaryDirectory() as name,
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
        chosen = rungs()
        rounds = [{rung.name: _climbed(field, rung, source) for rung in chosen} for _ in range(ROUNDS)]
    rows = [row(rung, rounds) for rung in chosen]
    some = [value for _, value in records[:2_000]]
    return Result(
        machine=machine(),
        versions=versions(),
        records=RECORDS,
        rounds=ROUNDS,
        bytes_in=sum(map(len, some)) / len(some),
        bytes_out=sum(len(transform(value)) for value in some) / len(some),
        small=rows,
        aims=aims({one.rung: one for one in rows}),
    )


def _climbed(field: Field, rung: Rung, source: str) -> Reading:
    reading, target = field.climb(rung.name, rung.command, source, rung.warm, rung.total)
    field.check(rung.name, source, target, bytes if rung.name == "copy" else transform)
    return reading


def row(rung: Rung, rounds: Sequence[dict[str, Reading]], floor: str = BY_HAND) -> Row:
    """The medians of a rung."""
    mine = [each[rung.name] for each in rounds]
    used = [_us(reading) for reading in mine]
    return Row(
        rung=rung.name,
        said=rung.said,
        messages_per_second=round(median(one.messages / one.seconds for one in mine)),
        processor_us=round(median(used), 2),
        least_us=round(min(used), 2),
        most_us=round(max(used), 2),
        times=round(median(_us(each[rung.name]) / _us(each[floor]) for each in rounds), 3),
        mebibytes=round(max(one.mebibytes for one in mine), 1),
    )


def _us(reading: Reading) -> float:
    return reading.processor / reading.messages * 1e6


def aims(rows: dict[str, Row]) -> list[Aim]:
    """What was aimed at, of the ratios of one run."""

    def at_most(aim: str, found: float, bound: float) -> Aim:
        return Aim(aim, f"at most {bound}", round(found, 3), found <= bound)

    def at_least(aim: str, found: float, bound: float) -> Aim:
        return Aim(aim, f"at least {bound}", round(found, 3), found >= bound)

    ours = rows["engine"].times
    return [
        at_most("our engine, times bare aiokafka by hand", ours, 1.15),
        at_least("plain Faust, times our engine", rows["faust"].times / ours, 10),
    ]


def machine() -> dict[str, str]:
    """Where it ran; `load` is the load average of the last minute, as it was in the end."""
    model = [line.partition(":")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return {
        "processor": model[0].strip() if model else platform.processor(),
        "cores": str(os.cpu_count()),
        "system": platform.system(),
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def versions() -> dict[str, str]:
    """Of what was run."""
    packages = ("aiokafka", "faust-streaming", "mode-streaming", "orjson", "msgspec")
    (kafka,) = fetch(cache_folder(os.environ)).libs.glob("kafka-clients-*.jar")
    return {
        "python": platform.python_version(),
        "kafka": kafka.stem.removeprefix("kafka-clients-"),
        **{package: version(package) for package in packages},
    }
