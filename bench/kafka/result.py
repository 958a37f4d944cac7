"""What the ladder says: tables, and what was aimed at beside what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.kafka.latency import Latency
from bench.kafka.rung import Reading


@dataclass
class Row:
    """What a rung took: medians of the rounds, `times` of the ratios to the floor in the same round."""

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
    """What was wanted of a figure, and what was found."""

    aim: str
    wanted: str
    found: float
    met: bool


@dataclass
class Result:
    """`processor_us` is the client's processor time a message, in microseconds, all its threads; `mebibytes` its peak.

    The floor of `small` is bare aiokafka with the transform by hand, that of `mapping` bare aiokafka with the same mapping.
    `left_out` are rungs that could not be had, and why.
    `fence_us` is what the worker takes more with its fence than without.
    """

    machine: dict[str, str]
    versions: dict[str, str]
    left_out: dict[str, str]
    records: int
    rounds: int
    bytes_in: float
    bytes_out: float
    small: list[Row]
    changes: int
    mapping: list[Row]
    fence_us: float
    latency: list[Latency]
    aims: list[Aim]

    def said(self) -> str:
        """The tables."""
        return "\n".join(
            [
                f"on Kafka, the small transform ({self.bytes_in:.0f} bytes in, {self.bytes_out:.0f} out)",
                *_table(self.small),
                *(f"  {name} was left out: {why}" for name, why in self.left_out.items()),
                f"on Kafka, the insurer's mapping of policies ({self.changes:,} changes of two tables)",
                *_table(self.mapping),
                f"  {'the fence: its transactions, a change':62} {'':>10} {self.fence_us:>8.1f}",
                "from the last row and END being readable to the event being readable",
                *(
                    f"  {one.changes_per_second:,} changes/s: p50 {one.p50_ms:.0f} ms, p99 {one.p99_ms:.0f} ms, "
                    f"longest {one.longest_ms:.0f} ms ({one.events:,} events)"
                    for one in self.latency
                ),
                *(
                    f"{'met   ' if aim.met else 'MISSED'} {aim.aim}: {aim.found:.2f} ({aim.wanted})"
                    for aim in self.aims
                ),
            ]
        )


def _table(rows: Sequence[Row]) -> Iterator[str]:
    yield f"  {'':62} {'messages/s':>10} {'CPU us':>8} {'x floor':>8} {'MiB':>6}"
    for row in rows:
        yield (
            f"  {row.said:62} {row.messages_per_second:>10,.0f} {row.processor_us:>8.1f} {row.times:>8.2f}"
            f" {row.mebibytes:>6,.0f}"
        )


def row(name: str, said: str, rounds: Sequence[Mapping[str, Reading]], floor: str) -> Row:
    """The medians of a rung."""
    mine = [each[name] for each in rounds]
    used = [_us(reading) for reading in mine]
    return Row(
        rung=name,
        said=said,
        messages_per_second=round(median(one.messages / one.seconds for one in mine)),
        processor_us=round(median(used), 2),
        least_us=round(min(used), 2),
        most_us=round(max(used), 2),
        times=round(median(_us(each[name]) / _us(each[floor]) for each in rounds), 3),
        mebibytes=round(max(one.mebibytes for one in mine), 1),
    )


def _us(reading: Reading) -> float:
    return reading.processor / reading.messages * 1e6


def aims(rows: Mapping[str, Row], latency: Sequence[Latency]) -> list[Aim]:
    """What was aimed at, of the figures of one run."""
    ours = rows["engine"].times
    found = [
        _at_most("our engine, times bare aiokafka by hand", ours, 1.15),
        _at_least("plain Faust, times our engine", rows["faust"].times / ours, 10),
    ]
    if "quix" in rows:
        found.append(_at_least("Quix Streams, times our engine", rows["quix"].times / ours, 3))
    if "streams" in rows:
        found.append(_at_most("our engine, times warm Kafka Streams", ours / rows["streams"].times, 1))
    mapping = rows["mapping disk"].times
    found.append(_at_most("our worker without the fence, times bare aiokafka with the mapping", mapping, 1.15))
    found += [_at_most(f"p99 in ms at {one.changes_per_second:,} changes/s", one.p99_ms, 50) for one in latency]
    return found


def _at_most(aim: str, found: float, bound: float) -> Aim:
    return Aim(aim, f"at most {bound}", round(found, 3), found <= bound)


def _at_least(aim: str, found: float, bound: float) -> Aim:
    return Aim(aim, f"at least {bound}", round(found, 3), found >= bound)
