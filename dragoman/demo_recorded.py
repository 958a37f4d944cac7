"""The demo on a recorded feed: a day of the insurer in PostgreSQL as Debezium saw it, and no Kafka, Java or PostgreSQL here.

Beside the feed lie the rows that the database had when the recording ended: what was published has to say the same.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from connectors.debezium.rows import declared_plan
from dragoman.accounts import say_accounts
from dragoman.console import count, say
from dragoman.example import ExampleMissing, make_folder
from dragoman.progress import progress_line
from dragoman.project import Project
from dragoman.settings import read_settings
from dragoman.source import Recording
from dragoman.story import Story, events_of, lines_of
from dragoman.streams import records_of
from dragoman.times import span
from dragoman.waiting import parked_keys
from dragoman.wiring import reading, state_topic, works
from pipeline.accounting import total
from pipeline.cloudevents import encode
from pipeline.log.recording import read_recording
from translators.aggregate import Rows
from translators.compiled import CompiledTranslator
from translators.translator import Refused
from translators.values import Row

ROWS = "rows.jsonl.gz"


def run_recorded_demo(folder: Path) -> bool:
    """Run it in a folder; whether what was published says what the legacy's rows say."""
    begun = time.monotonic()
    with progress_line() as line:
        story = _Recorded(folder, line)
        story.prepare()
        story.translate()
        story.read_again()
        story.compare()
        line.clear()
    told = story.told()
    say()
    mark = ("✓ ", "bold green") if told else ("✗ ", "bold red")
    verdict = "says what the legacy's rows say" if told else "does not say what the legacy's rows say"
    say(mark, (f"what was published {verdict}", "bold"), f", in {span(time.monotonic() - begun)}")
    say(f"  look around: dragoman status --project {folder}, dragoman parked list --project {folder}")
    return told


class _Recorded(Story):
    """A day that is over, and what the legacy looked like in the evening."""

    def prepare(self) -> None:
        """The project's folder, with the recording in it."""
        with self.part("laying out the recording") as part:
            make_folder(self.folder, "recorded")
            self.project = Project(read_settings(self.folder, {}))
            origin = self.project.source.origin
            if not isinstance(origin, Recording):
                raise ExampleMissing
            records = sum(1 for _ in read_recording(origin.path, origin.encoding))
            part.append(f"a day of a PostgreSQL with four programs at work, as Debezium wrote it: {records:,} records")

    def translate(self) -> None:
        """The old data, and the day."""
        with (
            self.part("translating") as part,
            works(self.project, progress=self.line.moved) as all_works,
        ):
            all_works.engine.run()
            self.first = all_works.accounting()
            whole = total(lines_of(self.first))
            part.append(
                f"{whole.loaded:,} rows of old data are loaded, {whole.changes - whole.loaded:,} changes become "
                f"{events_of(self.first):,} events"
            )
        self.letters = self.sent()

    def compare(self) -> None:
        """Each state that was published last, with what the mapping makes of the rows in the end."""
        with self.part("comparing with the legacy's rows") as part:
            same, parked = 0, 0
            for name, translator in self.project.translators.items():
                published, waiting = self._published(name), {key.key for key in parked_keys(self.project, name)}
                expected, refused = self._expected(translator)
                differ = {key for key in published.keys() | expected.keys() if published.get(key) != expected.get(key)}
                self.expect(
                    differ - waiting == set(), f"each {name} says what its rows say: {sorted(differ - waiting)}"
                )
                self.expect(refused == waiting, f"each {name} whose rows cannot be translated is parked, and no other")
                same, parked = same + len(expected.keys() - waiting), parked + len(waiting)
            waits = f", and {count(parked, 'key')} with a code that nobody knows wait" if parked else ""
            part.append(f"{same:,} policies, claims and payments say what the legacy's rows say{waits}")

    def told(self) -> bool:
        """Print what came of it all; whether it is as it should be."""
        say_accounts(self.second)
        say()
        self.say_letters()
        return self.holds()

    def _published(self, name: str) -> dict[str, bytes]:
        """The last state of each key that has one."""
        with reading(self.project) as log:
            last = {record.key: record.value for record in records_of(log, state_topic(name))}
        return {key.decode(): value for key, value in last.items() if key is not None and value is not None}

    def _expected(self, translator: CompiledTranslator) -> tuple[dict[str, bytes], set[str]]:
        """The state of each key by its rows, and the keys whose rows cannot be translated."""
        aggregates: dict[str, Rows] = {}
        for table, row_key, row in self._rows(translator):
            aggregates.setdefault(translator.key_of(table, row), {}).setdefault(table, {})[row_key] = row
        expected: dict[str, bytes] = {}
        refused: set[str] = set()
        for key, rows in aggregates.items():
            try:
                state = translator.state(rows)
            except Refused:
                refused.add(key)
                continue
            if state is not None:
                expected[key] = encode(state)
        return expected, refused

    def _rows(self, translator: CompiledTranslator) -> Iterator[tuple[str, str, Row]]:
        """The rows of a translator's tables in the end, each with its table and key."""
        schema = self.project.schema
        plans = {name: declared_plan(name, schema.tables[name], schema.encoding) for name in translator.tables}
        with gzip.open(self.project.path(ROWS)) as lines:
            for one in map(orjson.loads, lines):
                if (plan := plans.get(one["table"])) is not None:
                    yield plan.name, plan.key_of(one["row"], plan.key), plan.row(one["row"])
