"""Whether values exist that meet a formula.

The answer "none" is a proof: for every test, the values tried stand for all that could be. Where the search would
grow too long it is given up, and the answer is that values may exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal

from translators.lint.formula import Either, Every, Fixed, Formula, Probe, Term
from translators.schema import Type

Domain = Callable[[Term], frozenset[object] | None]
"""All values that a term can have (NULL is `None`), where they are a closed set."""

Values = Mapping[Term, object]

MAX_CHECKS = 400
"""How many combinations of alternatives are tried for one formula."""
MAX_ASSIGNMENTS = 3_000
"""How many values are tried for one group of terms that depend on each other."""


class _TooLong(Exception):
    """The search was given up."""


class Solver:
    """Looks for values of terms. `types` says what kind each is; a nullable one may be NULL."""

    def __init__(self, domain: Domain, types: Mapping[Term, Type]) -> None:
        self._domain = domain
        self._types = types
        self._checks = 0

    def solve(self, *formulas: Formula) -> Values | None:
        """Values that meet all formulas: `None` if there are none, an empty mapping if the search was given up."""
        self._checks = 0
        try:
            return self._search(list(formulas), [])
        except _TooLong:
            return {}

    def _search(self, goals: list[Formula], tests: list[Probe]) -> Values | None:
        choices: list[Either] = []
        tests = list(tests)
        while goals:
            goal = goals.pop()
            if isinstance(goal, Probe):
                tests.append(goal)
            elif isinstance(goal, Every):
                goals.extend(goal.parts)
            elif len(goal.parts) == 1:
                goals.append(goal.parts[0])
            else:
                choices.append(goal)
        found = self._check(tests)
        if found is None or not choices:
            return found
        choices.sort(key=lambda choice: -len(choice.parts))
        for part in choices.pop().parts:
            solved = self._search([*choices, part], tests)
            if solved is not None:
                return solved
        return None

    def _check(self, tests: list[Probe]) -> Values | None:
        """Values that meet all tests, group by group."""
        self._checks += 1
        if self._checks > MAX_CHECKS:
            raise _TooLong
        if not all(test.is_met({}) for test in tests if not test.terms):
            return None
        found: dict[Term, object] = {}
        for terms, group in _groups(tests):
            values = self._assign(terms, group)
            if values is None:
                return None
            found.update(values)
        return found

    def _assign(self, terms: list[Term], tests: list[Probe]) -> Values | None:
        domains = {term: self._domain(term) for term in terms}
        fixed = {part.value for test in tests for part in test.operands if isinstance(part, Fixed)}
        fixed |= {value for test in tests for value in test.members}
        fixed |= {value for domain in domains.values() if domain is not None for value in domain}
        tried = {t: list(self._values(t, domains[t], fixed - {None}, len(terms))) for t in terms}
        terms = sorted(terms, key=lambda term: len(tried[term]))
        left = [MAX_ASSIGNMENTS]
        return self._extend({}, terms, tests, tried, left)

    def _extend(
        self,
        values: dict[Term, object],
        terms: list[Term],
        tests: list[Probe],
        tried: Mapping[Term, list[object]],
        left: list[int],
    ) -> Values | None:
        if not terms:
            return values
        for value in tried[terms[0]]:
            left[0] -= 1
            if left[0] < 0:
                raise _TooLong
            now = {**values, terms[0]: value}
            ready = [test for test in tests if terms[0] in test.terms and all(t in now for t in test.terms)]
            if all(test.is_met(now) for test in ready):
                found = self._extend(now, terms[1:], tests, tried, left)
                if found is not None:
                    return found
        return None

    def _values(self, term: Term, domain: frozenset[object] | None, fixed: set[object], count: int) -> Iterator[object]:
        """Values that stand for all that a term can have, as far as tests against `fixed` can tell them apart."""
        if domain is not None:
            yield from sorted(domain, key=lambda value: (value is None, str(value)))
            return
        kind = self._types[term]
        yield from dict.fromkeys(_representatives(kind.kind, fixed, count))
        if kind.nullable:
            yield None


def _groups(tests: list[Probe]) -> Iterator[tuple[list[Term], list[Probe]]]:
    """The terms that depend on each other through tests, and these tests."""
    groups: list[tuple[set[Term], list[Probe]]] = []
    for test in tests:
        terms = set(test.terms)
        if not terms:
            continue
        touched = [group for group in groups if group[0] & terms]
        groups = [group for group in groups if not group[0] & terms]
        joined = [test, *(one for group in touched for one in group[1])]
        groups.append((terms.union(*(group[0] for group in touched)), joined))
    for terms, joined in groups:
        yield sorted(terms), joined


def _representatives(kind: str, fixed: Iterable[object], count: int) -> Iterator[object]:
    """The known values, and `count` values in each gap between, below and above them."""
    steps = range(1, count + 1)
    match kind:
        case "boolean":
            yield from (True, False)
        case "integer" | "decimal" | "wide" | "float":
            numbers = [v for v in fixed if isinstance(v, int | float | Decimal) and not isinstance(v, bool)] or [0]
            yield from numbers
            yield from (moved for value in numbers for step in steps for moved in _near(value, step, kind))
        case "text":
            words = [value for value in fixed if isinstance(value, str)]
            yield from words
            # The texts just above one are those with NULs behind it; below all stand the empty text and NULs alone.
            yield from (word + "\0" * step for word in words for step in steps)
            yield from ("\0" * step for step in range(count + 1))
        case "date" | "timestamp" | "timestamptz":
            yield from _moments(kind, fixed, count)
        case _:
            yield from (f"#{step}" for step in range(count + 1))


def _near(value: int | float | Decimal, step: int, kind: str) -> Iterator[object]:
    if kind == "integer":
        whole = int(value)
        yield from (whole - step, whole + step)
    elif isinstance(value, float):
        yield from (value - step * 1e-6 * max(1.0, abs(value)), value + step * 1e-6 * max(1.0, abs(value)))
    else:
        little = Decimal(step).scaleb(-50)
        yield from (_exactly(Decimal(value), little.copy_negate()), _exactly(Decimal(value), little))


def _exactly(value: Decimal, change: Decimal) -> Decimal:
    from translators.expression.runtime import CTX

    return CTX.add(value, change)


def _moments(kind: str, fixed: Iterable[object], count: int) -> Iterator[object]:
    known = [v for v in fixed if isinstance(v, date) and isinstance(v, datetime) is (kind != "date")]
    if not known:
        # No test names a moment, so only whether two of them are equal can matter.
        yield from (f"#{step}" for step in range(count + 1))
        return
    unit = timedelta(days=1) if kind == "date" else timedelta(microseconds=1)
    yield from known
    for value in known:
        for step in range(1, count + 1):
            for sign in (-1, 1):
                try:
                    yield value + sign * step * unit
                except OverflowError:
                    break
