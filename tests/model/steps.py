"""Which steps there are: what each transaction of a journal did to each order, and which orders became others by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.model.journal import Row, RowChange, Transaction
from tests.model.meaning import key_of

Keys = Mapping[str, Sequence[str]]
"""table -> the columns of its primary key; the root is `orders`."""

ROOT = "orders"
RowKey = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Effect:
    """What one row change did to the rows of one order. `counted`: the change is accounted for here and nowhere else.

    `inserted`: the row was not there before, under this key.
    """

    table: str
    row_key: RowKey
    after: Row | None
    counted: bool = True
    inserted: bool = True


@dataclass(frozen=True, slots=True)
class Renumbering:
    """That an order had another key before a step, or has another one since. `whole`: OLD is known under the other key.

    `made`: what has the key since is new.
    """

    came_from: str | None
    went_to: str | None
    whole: bool
    made: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What the transaction of this number did to one order, or (0) its rows as a snapshot showed them.

    `renumbering` is what is known of it when it is read, `told` what its own rows say, also after it had to wait.
    """

    number: int
    effects: tuple[Effect, ...]
    transaction: str | None
    time: int | None
    renumbering: Renumbering | None = None
    told: Renumbering | None = None

    @property
    def is_snapshot(self) -> bool:
        """Whether this is no news."""
        return self.transaction is None


@dataclass(slots=True)
class Roots:
    """Where the roots of one transaction came from and went to, change by change.

    `first` has the key under which a root stood before the transaction, or `None` if it was made in it. `made` are the keys
    that a new root got after another one had left it.
    """

    first: dict[str, str | None] = field(default_factory=dict)
    last_from: dict[str, str] = field(default_factory=dict)
    last_to: dict[str, str] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)

    def see(self, old: str | None, new: str | None) -> None:
        """One change of a root; `None` where it does not exist."""
        if old == new:
            return
        if old is not None:
            origin = self.first.pop(old, old)
            self.made.discard(old)
            if new is None:
                self.last_from.pop(old, None)
            else:
                self.first[new], self.last_to[old], self.last_from[new] = origin, new, old
        elif new is not None and new in self.last_to:
            self.first[new] = None
            self.made.add(new)
            self.last_from.pop(new, None)


class Plan:
    """The steps of each key, in the order of commits.

    `alone`: the feed has one partition, so that what happens to several keys at once is seen whole. `counts` are changes
    that no step accounts for.
    """

    def __init__(
        self,
        keys: Keys,
        loaded: Iterable[tuple[str, Row]],
        unseen: Iterable[tuple[str, Row]] = (),
        *,
        alone: bool,
    ) -> None:
        """`loaded` are the rows that an initial snapshot showed, `unseen` those that were there before the feed began."""
        self.steps: dict[str, list[Step]] = {}
        self.counts: Counter[tuple[str, str]] = Counter()
        self._keys = keys
        self._alone = alone
        self._number = 0
        self._rows: dict[tuple[str, RowKey], str] = {}
        self.unseen: dict[str, list[Effect]] = {}
        for table, row in unseen:
            effect = Effect(table, self._row_key(table, row), row)
            self.unseen.setdefault(key_of(table, row), []).append(effect)
            self._keep(key_of(table, row), effect)
        shown: dict[str, list[Effect]] = {}
        for table, row in loaded:
            effect = Effect(table, self._row_key(table, row), row)
            shown.setdefault(key_of(table, row), []).append(effect)
            self._keep(key_of(table, row), effect)
        for key, effects in shown.items():
            self.steps[key] = [Step(0, tuple(effects), None, None)]

    def add(self, transaction: Transaction) -> None:
        """The next transaction."""
        self._number += 1
        touched: dict[str, list[Effect]] = {}
        before = {key for (table, _), key in self._rows.items() if table == ROOT}
        roots = Roots()
        for change in transaction.changes:
            if change.table == ROOT and not change.truncated:
                old, new = (None if row is None else key_of(ROOT, row) for row in (change.before, change.after))
                roots.see(old, new)
            elif change.table == ROOT:
                for root in [key for (table, _), key in self._rows.items() if table == ROOT]:
                    roots.see(root, None)
            for key, effect in list(self._effects(change)):
                touched.setdefault(key, []).append(effect)
                self._keep(key, effect)
        after = {key for (table, _), key in self._rows.items() if table == ROOT}
        for key, effects in touched.items():
            told = _told(key, roots)
            seen = self._whole(key, roots, before, after) if self._alone else told
            step = Step(self._number, tuple(effects), transaction.name, transaction.time, seen, told)
            self.steps.setdefault(key, []).append(step)

    def _effects(self, change: RowChange) -> Iterator[tuple[str, Effect]]:
        """A row that changed its primary key, or its order, is gone from one place and new in the other."""
        table, before, after = change.table, change.before, change.after
        if change.truncated:
            self.counts[table, "translated"] += 1
            for (name, row_key), key in self._rows.items():
                if name == table:
                    yield key, Effect(table, row_key, None, counted=False)
            return
        old = None if before is None else (key_of(table, before), self._row_key(table, before))
        new = None if after is None else (key_of(table, after), self._row_key(table, after))
        if old is not None and old != new:
            yield old[0], Effect(table, old[1], None, counted=new is None or new[1] != old[1])
        if new is not None:
            yield new[0], Effect(table, new[1], after, inserted=old != new)

    def _keep(self, key: str, effect: Effect) -> None:
        if effect.after is None:
            if self._rows.get((effect.table, effect.row_key)) == key:
                del self._rows[effect.table, effect.row_key]
        else:
            self._rows[effect.table, effect.row_key] = key

    def _row_key(self, table: str, row: Row) -> RowKey:
        return tuple(row[column] for column in self._keys[table])

    def _whole(self, key: str, roots: Roots, before: set[str], after: set[str]) -> Renumbering | None:
        """Both halves are here: the key under which the order stood before the transaction, and after it."""
        came = roots.first.get(key) if key in after else None
        came = None if came == key or came not in before else came
        went = next((new for new, old in roots.first.items() if old == key != new and new in after), None)
        went = went if key in before else None
        made = went is not None and came is None and key in after
        return None if came is None and went is None else Renumbering(came, went, came is not None, made)


def _told(key: str, roots: Roots) -> Renumbering | None:
    """The other half may be elsewhere: what this half says of it."""
    came, went = roots.last_from.get(key), roots.last_to.get(key)
    made = went is not None and key in roots.made
    return None if came is None and went is None else Renumbering(came, went, whole=False, made=made)
