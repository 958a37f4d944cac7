"""The expressions of one mapping, typed: its code tables, its Python functions, and what contracts say of the results."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as MappingType

from msgspec.structs import replace

from translators.bound_mapping import BoundField
from translators.checks import meanings
from translators.codes import on_their_day, periods
from translators.contract import Shape
from translators.errors import DragomanError
from translators.expression import nodes as n
from translators.expression.bind import bind
from translators.expression.bound import Bound, Call, CodeTable, Column, Field, Meta, Scope, walk
from translators.expression.errors import ExpressionError, UnknownColumn
from translators.expression.parse import parse
from translators.functions import KINDS, FunctionMissing, Functions, PythonCall
from translators.mapping import Expression, Mapping, PythonField
from translators.promises import mismatch
from translators.report import Report
from translators.yaml_text import did_you_mean

_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class Expressions:
    """Binds expressions; what is wrong with them goes into the report, and gives `None`."""

    def __init__(self, mapping: Mapping, report: Report, functions: Functions) -> None:
        self._mapping = mapping
        self._report = report
        self._functions = functions
        self._periods = {name: periods(mapping.codes[name], dated.codes) for name, dated in mapping.dated.items()}
        self.codes: MappingType[str, CodeTable] = {
            name: CodeTable(name, {code: meaning for _, table in self._tables(name) for code, meaning in table.items()})
            for name in mapping.codes
        }
        """The code tables by name, dated ones with all codes that ever held."""

    def _tables(self, name: str) -> list[tuple[object, MappingType[str, str]]]:
        return [*self._periods.get(name, ()), (None, self._mapping.codes[name])]

    def bind(self, node: Expression, scope: Scope) -> Bound | None:
        """The typed tree of an expression."""
        try:
            parsed = parse(node.text)
            bound: Bound | None = bind(parsed, scope)
        except ExpressionError as error:
            self._report.at(node, error.span, error.code, error.message, error.advice)
            return None
        asked = list(_asked(parsed)) if self._periods else []
        for name in self._periods.keys() & asked:
            bound = None if bound is None else self._dated(node, scope, bound, name, asked.count(name))
        return bound

    def _dated(self, node: Expression, scope: Scope, bound: Bound, name: str, asked: int) -> Bound | None:
        """The codes of one table as they were on their day."""
        if sum(isinstance(part, Call) and part.name == "CODE" and part.data[0] == name for part in walk(bound)) < asked:
            said = f"the code table {name} depends on the day, and this asks it for a constant"
            self._report.whole(node, "code.constant", said, "Ask it for a column.")
            return None
        days: dict[str | None, Bound | None] = {}

        def day_of(part: str | None) -> Bound:
            if part not in days:
                days[part] = self._day(node, scope, name, part)
            return days[part] or bound

        made = on_their_day(bound, {name: self._periods[name]}, day_of)
        return None if None in days.values() else made

    def _day(self, node: Expression, scope: Scope, name: str, part: str | None) -> Bound | None:
        """The day that counts for a row, or for a row of a part: the rows of an aggregate know no columns but their own."""
        as_of, what = self._mapping.dated[name].as_of, f"the day of the code table {name}"
        if part is None:
            return self.of_kind(as_of, scope, what, ("date",))
        within = Scope(table=part, columns=scope.parts[part], codes=scope.codes)
        try:
            bind(parse(as_of.text), within)
        except UnknownColumn as error:
            said = f"{what} reads {as_of.text[slice(*error.span)]}, which the rows of {part} do not have"
            fix = f"Give {part} a code table of its own, whose `as_of` names its columns, or list the rows by `each`."
            self._report.whole(node, error.code, said, fix)
            return None
        except ExpressionError:
            # What else is wrong is said at `as_of` itself.
            pass
        return self.of_kind(as_of, within, what, ("date",))

    def condition(self, node: Expression, scope: Scope) -> Bound | None:
        """A boolean expression."""
        bound = self.bind(node, scope)
        if bound is not None and bound.type.kind != "boolean":
            self._report.whole(node, "type.mismatch", f"a condition is boolean, this is {bound.type}")
            return None
        return bound

    def of_kind(self, node: Expression | None, scope: Scope, what: str, kinds: tuple[str, ...]) -> Bound | None:
        """An optional expression that has to be of one of these types."""
        bound = None if node is None else self.bind(node, scope)
        if node is not None and bound is not None and bound.type.kind not in kinds:
            self._report.whole(node, "type.mismatch", f"{what} is {' or '.join(kinds)}, this is {bound.type}")
            return None
        return bound

    def promised(self, node: Expression | PythonField, shape: Shape, scope: Scope, path: str) -> BoundField | None:
        """A field bound and compared with what its contract says."""
        source = node.function if isinstance(node, PythonField) else node
        bound = self._python(node, scope) if isinstance(node, PythonField) else self.bind(node, scope)
        if bound is None:
            return None
        said = mismatch(bound.type, shape)
        if said:
            self._report.whole(source, "contract.type", f"{path} is {bound.type}, but {said[0]}", said[1])
        for meaning in sorted(m for m in meanings(bound) - set(shape.choices) if m is not None and shape.choices):
            unknown = (
                f"{path} can be {meaning!r}, which its contract does not allow{did_you_mean(meaning, shape.choices)}"
            )
            hint = "Extend the contract, or correct the code table."
            self._report.whole(source, "contract.choice", unknown, hint)
        return BoundField(path, bound, source, shape)

    def _python(self, node: PythonField, scope: Scope) -> Bound | None:
        """The call of a function with the columns that it declares."""
        name, span = node.function.text, (0, len(node.function.text))
        args = [self._input(one, scope, span) for one in node.inputs]
        if node.type.kind not in KINDS:
            said = f"a function cannot give {node.type}"
            self._report.whole(node.function, "py.type", said, f"Say `type:` {', '.join(sorted(KINDS))}.")
            return None
        try:
            if not _FUNCTION.fullmatch(name):
                raise FunctionMissing(function=name, reason="it is not written as module:function")
            function = self._functions(name)
        except DragomanError as error:
            place = f" ({error.where})" if error.where else ""
            self._report.whole(node.function, error.code, f"{error.message.rstrip('.')}{place}", error.advice)
            return None
        given = tuple([part for part in args if part is not None])
        if len(given) < len(args):
            return None
        return PythonCall(node.type, span, f"py {name}", given, function, fails=True)

    def _input(self, node: Expression, scope: Scope, span: tuple[int, int]) -> Bound | None:
        bound = self.bind(node, scope)
        if bound is not None and not isinstance(bound, Column | Field | Meta):
            hint = "Name columns, and compute in the function; in events OLD.field, NEW.field and META.fact are inputs too."
            self._report.whole(node, "py.input", f"{node.text} is no column", hint)
            return None
        return None if bound is None else replace(bound, span=span)


def _asked(node: n.Node) -> Iterator[str]:
    """The code tables that an expression asks, one for each time."""
    if isinstance(node, n.Function) and node.name == "CODE" and isinstance(node.arguments[0], n.String):
        yield node.arguments[0].value
    for part in n.children(node):
        yield from _asked(part)
