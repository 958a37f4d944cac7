"""A mapping made into a translator: generated functions, and the way from a failing value back to its line."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from collections.abc import Mapping as MappingType
from functools import cached_property
from hashlib import blake2b
from typing import Any, cast

from translators.aggregate import Rows
from translators.binding import bind_mapping
from translators.bound_mapping import BoundField, BoundInvariant, BoundMapping, BoundNode
from translators.contract import substance
from translators.contracts import Contracts
from translators.expression.bind import sources
from translators.expression.runtime import ValueProblem
from translators.facts import UNKNOWN, Facts
from translators.functions import Functions, PythonCall, no_functions
from translators.generate import generate
from translators.generating import Checked
from translators.mapping import Mapping
from translators.parts import key_columns, layout_of
from translators.problem import Problem
from translators.schema import LegacySchema
from translators.translator import Event, Partial, Refused, Said, State
from translators.values import Row, Unavailable, key_text

_UNAVAILABLE = "value.unavailable"
UNREAD = Unavailable("not read yet")
"""In place of a column that a row, read before `schema.yaml` had it, does not have."""

StateFunction = Callable[[Rows], State | None]
EventsFunction = Callable[[State | None, State | None, Rows, Rows, Facts], tuple[tuple[Event, ...], str | None]]


class CompiledTranslator:
    """A `Translator` made from a mapping file."""

    def __init__(self, bound: BoundMapping, version: str) -> None:
        mapping = bound.mapping
        generated = generate(bound)
        self.bound = bound
        self.source = generated.source
        self.fields = generated.fields
        self.name = mapping.name
        self.context = mapping.context
        self.owner = bound.owner
        self.version = version
        self.root = mapping.root
        self.tables = frozenset({mapping.root, *mapping.parts})
        self.has_parts = bool(mapping.parts)
        self.keeps_rows = mapping.keeps_rows
        self.state_type = mapping.contract
        self.event_types = tuple(dict.fromkeys(event.type for event in bound.events))
        self._keys = key_columns(mapping, bound.schema.tables)
        self.layout = layout_of(mapping, self._keys)
        self._given = generated.namespace

    @cached_property
    def columns(self) -> MappingType[str, frozenset[str]]:
        """The columns of each table that it needs: those behind its key, fields, events and rules, and what orders parts."""
        from translators.lineage import columns_of

        return columns_of(self.bound)

    # Python compiles the text at its first use: most commands read all mappings, and run none or one.
    @cached_property
    def _functions(self) -> dict[str, Any]:
        return self._run(self.source, self._given, self.fields)

    @cached_property
    def _lenient(self) -> dict[str, Any]:
        """The functions for rows that lack values; a Python translator has only its own."""
        if self.bound.mapping.python is not None:
            return self._functions
        from translators.generate_lenient import generate_lenient

        generated = generate_lenient(self.bound)
        return self._run(generated.source, generated.namespace, generated.fields)

    def _run(self, source: str, given: MappingType[str, Any], fields: Sequence[Checked]) -> dict[str, Any]:
        def refused(at: int, problem: ValueProblem) -> Refused:
            return Refused(self.problem(fields[at] if at >= 0 else None, problem))

        namespace = {**given, "state_refused": refused, "event_refused": refused}
        code = compile(source, f"<mapping {self.name}>", "exec")
        exec(code, namespace)  # noqa: S102 - the text is generated here, from the catalogue; nothing a user wrote is in it
        return namespace

    @cached_property
    def _state(self) -> StateFunction:
        return cast(StateFunction, self._functions["state"])

    @cached_property
    def _events(self) -> EventsFunction:
        return cast(EventsFunction, self._functions["events"])

    @cached_property
    def _correlation(self) -> Callable[[Rows], str | None]:
        return cast(Callable[[Rows], str | None], self._functions["correlation"])

    def key_of(self, table: str, row: Row) -> str:
        """The business key of the aggregate that a row belongs to. `Refused` if a key column is null or was not sent."""
        columns = self._keys[table]
        try:
            return key_text(tuple([row[column] for column in columns]))
        except (KeyError, ValueError) as error:
            named = ", ".join(f"{table}.{column}" for column in columns)
            problem = Problem(
                code="key.unreadable",
                cause="technical",
                message=f"the business key ({named}) cannot be read from this row",
                columns=tuple(f"{table}.{column}" for column in columns),
            )
            raise Refused(problem) from error

    def state(self, rows: Rows) -> State | None:
        """The state of an aggregate, `None` without a root row. `Refused` if its rows cannot be translated."""
        try:
            return self._state(rows)
        except KeyError:
            pass
        except Refused as refused:
            if refused.problem.code != _UNAVAILABLE:
                raise
        return cast(StateFunction, self._lenient["state"])(self._filled(rows))

    def events(
        self, old: State | None, new: State | None, old_rows: Rows, new_rows: Rows, facts: Facts = UNKNOWN
    ) -> Said:
        """What happened between two states. `Refused` if an event's own fields cannot be computed."""
        if type(old) is not Partial and type(new) is not Partial:
            try:
                return Said(*self._events(old, new, old_rows, new_rows, facts))
            except KeyError:
                pass
            except Refused as refused:
                if refused.problem.code != _UNAVAILABLE:
                    raise
        lenient = cast(EventsFunction, self._lenient["events"])
        try:
            return Said(*lenient(old, new, self._filled(old_rows), self._filled(new_rows), facts))
        except KeyError as error:
            raise Refused(self._untold(str(error.args[0]), old, new)) from error

    def correlation(self, rows: Rows) -> str | None:
        """What ties this step to others, where the mapping names a column for it. `Refused` if it cannot be computed."""
        try:
            return self._correlation(rows)
        except KeyError:
            return self._correlation(self._filled(rows))

    def _filled(self, rows: Rows) -> Rows:
        """The rows with every column that is needed: those read before `schema.yaml` had it do not say its value."""
        filled: Rows = {}
        for table, found in rows.items():
            unread = dict.fromkeys(self.columns.get(table, ()), UNREAD)
            filled[table] = {key: {**unread, **row} for key, row in found.items()}
        return filled

    def _untold(self, path: str, *states: State | None) -> Problem:
        """Why nothing can be said of what happened: a field that is absent would have to be looked at."""
        absent = {name: why for one in states if isinstance(one, Partial) for name, why in one.absent.items()}
        near = next(
            (name for name in absent if name.replace("[]", "").rpartition(".")[2] == path.rpartition(".")[2]), path
        )
        return Problem(
            code=_UNAVAILABLE,
            cause="semantic",
            message=f"{near} is not known ({absent.get(near, 'not sent')}), and what happened depends on it",
            field=near,
            hint="Read the key's rows again, or let conditions and events do without the field.",
        )

    def problem(self, field: Checked | None, problem: ValueProblem) -> Problem:
        """A value's problem with the field, the columns and the place in the mapping that it belongs to."""
        mapping = self.bound.mapping
        if isinstance(field, BoundInvariant):
            return self._broken(field, problem)
        if field is None:
            columns = (str(problem.detail["column"]),) if "column" in problem.detail else ()
            return Problem(code=problem.code, cause="semantic", message=_said(problem, False), columns=columns)
        classified = field.shape.data_class in ("personal", "sensitive")
        return Problem(
            code=problem.code,
            cause="semantic",
            message=": ".join([part for part in (field.path, _said(problem, classified)) if part]),
            field=field.path or None,
            columns=self._columns([field]),
            where=mapping.where(field.source.scalar.mark),
            hint=_hint(problem, classified, mapping.dated),
        )

    def _broken(self, invariant: BoundInvariant, problem: ValueProblem) -> Problem:
        """Why data may not be published: the values of its fields may be classified, so only their columns are named."""
        own = next((event.fields for event in self.bound.events if event.type == invariant.contract), {})
        found = [one for path in invariant.paths for one in _within({**self.bound.fields, **own}, path)]
        said = "does not hold" if problem.code == "contract.invariant" else f"cannot be computed ({problem.code})"
        return Problem(
            code=problem.code,
            cause="semantic",
            message=f"{invariant.contract} promises `{invariant.text}`, which {said}",
            columns=self._columns(found),
            where=self.bound.mapping.where(invariant.mark),
            hint="Correct the legacy data or the mapping; or the contract, if it promises too much.",
        )

    def _columns(self, fields: Iterable[BoundField]) -> tuple[str, ...]:
        """The columns behind these fields, through the state where they read OLD or NEW."""
        found: set[str] = set()
        for name in {name for field in fields for name in sources(field.bound)}:
            if name.startswith(("OLD.", "NEW.")):
                inner = _within(self.bound.fields, name[4:].removeprefix("*"))
                found |= {column for one in inner for column in sources(one.bound)}
            else:
                found.add(name)
        return tuple(sorted(found))


def compile_mapping(
    mapping: Mapping,
    text: str,
    schema: LegacySchema,
    contracts: Contracts,
    extra_version: str = "",
    functions: Functions = no_functions,
) -> CompiledTranslator:
    """The translator of a mapping; `text` is its file's. `MappingInvalid` with every finding if it cannot be bound.

    `functions` finds the Python functions that it names. The version is a hash of all that decides the output: the
    mapping and the files that it takes something from, its functions, the contracts it names, the tables it reads, and
    `extra_version` (what else the caller knows to matter).
    """
    bound = bind_mapping(mapping, text, schema, contracts, functions)
    digest = blake2b(digest_size=6)
    tables = [schema.tables[name] for name in sorted({mapping.root, *mapping.parts})]
    promised = [substance(contracts[name]) for name in (mapping.contract, *(event.type for event in mapping.events))]
    files = [mapping.included[file] for file in sorted(mapping.included)]
    for part in (text, *files, *_versions(bound), repr(tables), repr(promised), extra_version):
        digest.update(part.encode() + b"\0")
    return CompiledTranslator(bound, digest.hexdigest())


def _within(nodes: MappingType[str, BoundNode], path: str) -> Iterator[BoundField]:
    """The computed fields at and below a path."""
    first, _, inner = path.partition(".")
    for node in nodes.values() if not first else [nodes[first]] if first in nodes else []:
        if isinstance(node, BoundField):
            yield node
        else:
            yield from _within(node.fields, inner)


def _versions(bound: BoundMapping) -> Iterator[str]:
    """The versions of the Python functions that a mapping calls."""
    fields = [*_within(bound.fields, ""), *(field for event in bound.events for field in event.fields.values())]
    for field in fields:
        if isinstance(field.bound, PythonCall) and field.bound.data is not None:
            yield field.bound.data.version


def _said(problem: ValueProblem, classified: bool) -> str:
    """One sentence on what is wrong; without the value where its field is classified."""
    detail: dict[str, Any] = problem.detail
    value = "the value" if classified or "value" not in detail else repr(detail["value"])
    match problem.code:
        case "code.unmapped":
            return f"{value} is not in the code table {detail['set']}"
        case "value.unavailable":
            return f"{detail['column']} was not sent by the source ({detail['reason']})"
        case "value.out_of_range" if "column" in detail:
            return f"{detail['column']} holds {value}, which is no value of the language"
        case _ if "said" in detail:
            return str(detail["public"] if classified and "public" in detail else detail["said"])
        case _:
            return f"{value}: {problem.code.removeprefix('value.').replace('_', ' ')}"


def _hint(problem: ValueProblem, classified: bool, dated: Container[str]) -> str | None:
    if problem.code == "code.unmapped" and problem.detail["set"] in dated:
        return f"Say in the file of `codes.{problem.detail['set']}` what it means on the day that `as_of` gives."
    if problem.code == "code.unmapped":
        near = problem.detail.get("nearest")
        known = f"; the nearest known code is {near!r}" if near is not None and not classified else ""
        return f"Add the code to `codes.{problem.detail['set']}`, or give CODE a default{known}."
    return None
