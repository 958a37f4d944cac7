"""The histories of one key in a project's translators: gathered, and what of them may be shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, ClassVar

import msgspec

from dragoman.project import Project
from dragoman.rows import MASK, classified
from dragoman.wiring import reading, state_of
from pipeline.difference import hidden_paths, is_hidden
from pipeline.history import History, Step, Streams, history
from pipeline.log.port import Log
from pipeline.provenance import AsOf, ColumnChange, Deed, as_of, deeds, is_at, last_deeds, until
from translators.contract import shape_of
from translators.errors import DragomanError
from translators.lineage import lineage
from translators.values import Value
from translators.yaml_text import did_you_mean

_KEYS_COMPARED = 2_000


class KeyUnknown(DragomanError):
    """Nothing is known of {key}{place}{suggestion}"""

    code: ClassVar[str] = "history.key-unknown"
    hint: ClassVar[str] = (
        "Feed, streams and state were all searched, as far as they are kept. Write the key as `dragoman events` shows it; "
        "columns of a composite key are joined by `/`."
    )


class FieldUnknown(DragomanError):
    """Nothing that {key} is or was has the field {field}{suggestion}"""

    code: ClassVar[str] = "history.field-unknown"
    hint: ClassVar[str] = "`dragoman history {key}` shows its fields; members are joined by dots: premium.amount."


class Masks(msgspec.Struct, frozen=True, kw_only=True):
    """What is not shown: `columns` as `table.column` (`None`: all of them), `fields` by their paths in state and events."""

    columns: frozenset[str] | None = frozenset()
    fields: frozenset[str] = frozenset()

    def value(self, path: str, value: Any) -> Any:
        """A field's value, or the mask; what is absent or null hides nothing."""
        return MASK if value is not ... and value is not None and is_hidden(path, self.fields) else value

    def column(self, one: ColumnChange, value: Value) -> Value:
        """A column's value, or the mask."""
        hidden = self.columns is None or f"{one.table}.{one.column}" in self.columns
        return MASK if hidden and value is not None else value


class Chapter(msgspec.Struct, frozen=True, kw_only=True):
    """One translator's part of a history, as it was asked for: up to the time `at`, of the field `field` alone.

    `steps` are those to be shown, `deeds` what they set; `last` the last deed of each field up to then.
    """

    life: History
    at: datetime | None
    field: str | None
    steps: tuple[Step, ...]
    deeds: tuple[Deed, ...]
    last: dict[str, Deed]
    state: AsOf
    masks: Masks

    def of(self, step: Step) -> list[Deed]:
        """What one step set."""
        return [deed for deed in self.deeds if deed.step is step]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be shown of a key."""

    key: str
    translator: str | None = None
    at: datetime | None = None
    field: str | None = None
    unmasked: bool = False


def chapters(project: Project, asked: Asked) -> list[Chapter]:
    """The history of a key in each translator that knows it; `history.key-unknown` if none does."""
    names = project.settings.translators
    if asked.translator is not None:
        project.check_name(asked.translator)
        names = (asked.translator,)
    with reading(project) as log:
        lives = [life for name in names if (life := _life(project, log, name, asked.key)) is not None]
    if not lives:
        place = "" if asked.translator is None else f" in {asked.translator}"
        raise KeyUnknown(key=asked.key, place=place, suggestion=_nearest(project, names, asked.key))
    found = [_chapter(project, life, asked) for life in lives]
    if asked.field is not None:
        _check_field(found, asked.key, asked.field)
        found = [chapter for chapter in found if chapter.deeds] or found
    return found


def _life(project: Project, log: Log, name: str, key: str) -> History | None:
    translator = project.translator(name)
    decoder = project.decoder()
    feed = project.source.feed_of(translator)
    with state_of(project, name) as store:
        return history(Streams(log=log, store=store, translator=translator, decoder=decoder, feed=feed), key)


def _chapter(project: Project, life: History, asked: Asked) -> Chapter:
    steps = until(life.steps, asked.at)
    done = deeds(steps, lineage(project.translator(life.translator).bound))
    if asked.field is not None:
        done = [deed for deed in done if is_at(deed.field, asked.field)]
        having = {id(deed.step) for deed in done}
        steps = [step for step in steps if id(step) in having]
    return Chapter(
        life=life,
        at=asked.at,
        field=asked.field,
        steps=tuple(steps),
        deeds=tuple(done),
        last=last_deeds(deed for deed in done if deed.step.standing == "done"),
        state=as_of(life, asked.at),
        masks=Masks() if asked.unmasked else _masks(project, life.translator),
    )


def _masks(project: Project, name: str) -> Masks:
    translator = project.translator(name)
    contracts = [project.contracts[kind] for kind in (translator.state_type, *translator.event_types)]
    hidden = frozenset(path for contract in contracts for path in hidden_paths(shape_of(contract)))
    return Masks(columns=classified(project, name), fields=hidden)


def _check_field(found: Iterable[Chapter], key: str, field: str) -> None:
    """A field that no translator's state has is an error; one that was never set is an answer."""
    chapters = list(found)
    if any(chapter.deeds for chapter in chapters):
        return
    known = {deed.field for chapter in chapters for deed in deeds(chapter.life.steps, ())}
    if not any(is_at(one, field) for one in known):
        raise FieldUnknown(key=key, field=field, suggestion=did_you_mean(field, known))


def _nearest(project: Project, names: Iterable[str], key: str) -> str:
    """The known key that is most like this one; only some of a large state are compared."""
    return did_you_mean(key, islice(_keys_like(project, names, key), _KEYS_COMPARED))


def _keys_like(project: Project, names: Iterable[str], key: str) -> Iterator[str]:
    """The keys that the states hold whose characters are nearly those of `key`."""
    wanted = sorted(key)
    for name in names:
        with state_of(project, name) as store:
            for known, _ in () if store is None else store.scan():
                if abs(len(known) - len(key)) <= 2 and _apart(wanted, sorted(known)) <= 4:
                    yield known


def _apart(one: list[str], other: list[str]) -> int:
    """How many characters one has and the other has not, both ways."""
    left = list(other)
    missing = 0
    for character in one:
        if character in left:
            left.remove(character)
        else:
            missing += 1
    return missing + len(left)
