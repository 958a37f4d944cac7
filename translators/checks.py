"""What a contract demands of a value, as generated Python: only what the static types have not proven already."""

from __future__ import annotations

import re

from translators.contract import Shape
from translators.expression.bound import Bound, Call
from translators.expression.python import Writer
from translators.expression.runtime import ValueProblem
from translators.values import OutOfRange, Unavailable, Value


def write_checks(writer: Writer, value: str, bound: Bound, shape: Shape) -> None:
    """Write the checks of one field; each raises `ValueProblem` with a `contract.` code. `value` is a local variable."""
    writer.namespace["broken"] = broken
    found = bound.type
    if found.nullable and not shape.nullable:
        _check(writer, f"{value} is None", "contract.null", "is null, the contract says it never is")
    for condition, code, said in _conditions(writer, value, bound, shape):
        guard = f"{value} is not None and " if found.nullable and shape.nullable else ""
        _check(writer, f"{guard}{condition}", code, said)


def _check(writer: Writer, condition: str, code: str, said: str) -> None:
    with writer.block(f"if {condition}:"):
        writer.line(f"raise broken({code!r}, {said!r})")


def _conditions(writer: Writer, value: str, bound: Bound, shape: Shape) -> list[tuple[str, str, str]]:
    found, conditions = bound.type, []
    if shape.choices and not meanings(bound) <= set(shape.choices):
        allowed = writer.constant(frozenset(shape.choices))
        said = f"is none of {', '.join(shape.choices)}"
        conditions.append((f"{value} not in {allowed}", "contract.choice", said))
    if shape.max_length is not None and not 0 < found.length <= shape.max_length:
        said = f"is longer than {shape.max_length} characters"
        conditions.append((f"len({value}) > {shape.max_length}", "contract.too-long", said))
    if shape.min_length:
        said = f"is shorter than {shape.min_length} characters"
        conditions.append((f"len({value}) < {shape.min_length}", "contract.too-short", said))
    if shape.pattern is not None:
        search = writer.constant(re.compile(shape.pattern).search)
        conditions.append((f"{search}({value}) is None", "contract.pattern", f"does not fit {shape.pattern}"))
    if shape.kind == "decimal" and shape.digits is not None:
        whole = shape.digits - (shape.places or 0)
        if found.precision - found.scale > whole:
            limit = writer.constant(10**whole)
            said = f"has more than {whole} digits before the point"
            conditions.append((f"not -{limit} < {value} < {limit}", "contract.too-large", said))
    return conditions


def meanings(bound: Bound) -> set[str | None]:
    """All texts that an expression can give, where they are known: those of a code table; else one that fits nothing."""
    if isinstance(bound, Call) and bound.name == "CODE":
        _, entries, _, default = bound.data
        return {*entries.values(), *([] if default is None else [default])}
    if isinstance(bound, Call) and bound.name == "CASE" and not bound.data:
        return {meaning for arm in (*bound.args[1::2], bound.args[-1]) for meaning in meanings(arm)}
    return {None}


def unusable(column: str, value: Value) -> ValueProblem:
    """The problem of a column that has no value an expression could use."""
    if isinstance(value, Unavailable):
        return ValueProblem("value.unavailable", {"column": column, "reason": value.reason})
    text = value.text if isinstance(value, OutOfRange) else ""
    return ValueProblem("value.out_of_range", {"column": column, "value": text})


def broken(code: str, said: str) -> ValueProblem:
    """The problem of a value that its contract does not allow."""
    return ValueProblem(code, {"said": said})
