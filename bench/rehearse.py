"""A rehearsal of 100,000 recorded changes, old mapping against new: the worst case, in which every state differs."""

from __future__ import annotations

import resource
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass

from bench.corpus import insurer, live
from connectors.debezium.decode import Decoder
from dragoman.project import Project
from dragoman.rehearsing import side_of
from dragoman.wiring import source_of
from pipeline.log.embedded import EmbeddedLog
from pipeline.rehearse import LogFeed, rehearse
from translators.change import Change
from translators.compiled import CompiledTranslator, compile_mapping
from translators.mapping import read_mapping

CHANGES = 100_000
TRANSACTIONS = 88_000
NAME = "policy"


@dataclass
class Result:
    """`changes` row changes of the policy's tables, `steps` of which `differing` differ.

    `seconds` of processor time, `wall_seconds` on the machine as it was; `times` is the rehearsal as a multiple of reading
    and decoding the same records once; `peak_mb` is that of the whole process, which also made the legacy.
    """

    changes: int
    steps: int
    differing: int
    seconds: float
    wall_seconds: float
    times: float
    peak_mb: float

    def said(self) -> str:
        """One line of the report."""
        return (
            f"dragoman rehearse  {self.seconds:>10.1f} s of CPU for {self.changes:,} changes ({self.wall_seconds:.1f} s), "
            f"{self.times:.1f} x reading and decoding them once, peak {self.peak_mb:.0f} MB"
        )


def run() -> Result:
    """Capture first, then time the rehearsal, then the floor on the same log."""
    with insurer(TRANSACTIONS) as (project, connection), ExitStack() as held:
        log = held.enter_context(closing(EmbeddedLog(project.settings.log, worker=True)))
        source = source_of(project, log, held)
        source.turn()
        live(connection, TRANSACTIONS)
        while source.turn():
            pass
        feed = project.source.feed_of(project.translator(NAME))
        recorded = LogFeed(log, feed)
        decoder = Decoder(project.schema, project.source.notifications)
        old = side_of(project, project.translator(NAME), project.contracts, decoder)
        new = side_of(project, _changed(project), project.contracts, decoder)
        wall, begun = time.perf_counter(), time.process_time()
        found = rehearse(old, new, feed, recorded, CHANGES)
        seconds, wall = time.process_time() - begun, time.perf_counter() - wall
        floor = _decode(recorded, decoder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Result(found.changes, found.steps, found.differing, seconds, wall, seconds / floor, peak)


def _changed(project: Project) -> CompiledTranslator:
    """The mapping with another premium: all states and nearly all events of the policy differ."""
    mapping, text = project.mapping(NAME)
    other = text.replace("amount: prem_amt / 100", "amount: prem_amt / 10")
    return compile_mapping(read_mapping(other, mapping.file), other, project.schema, project.contracts)


def _decode(recorded: LogFeed, decoder: Decoder) -> float:
    """The floor: read and decode the same records, once."""
    begun = time.process_time()
    changes = 0
    for _, records in recorded.changes():
        for r in records:
            decoded = decoder.decode(r.topic, r.partition or 0, r.offset or 0, r.key, r.value, r.headers)
            changes += isinstance(decoded, Change)
        if changes >= CHANGES:
            break
    return time.process_time() - begun
