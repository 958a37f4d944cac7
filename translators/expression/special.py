"""Catalogue: our own names. Code tables, and what happened between OLD and NEW."""

from __future__ import annotations

from typing import TYPE_CHECKING

from translators.expression import nodes as n
from translators.expression import runtime, types
from translators.expression.arguments import EXAMPLE_CODES, Arguments, Entry, Example, Python, Unbound, d
from translators.expression.bound import Bound, Call, Changed, Constant
from translators.expression.errors import Refused, UnknownCodeTable, UnknownColumn, did_you_mean
from translators.expression.text import sized

if TYPE_CHECKING:
    from translators.expression.python import Emitter

_NO_EVENTS = (
    "OLD, NEW, META, CHANGED, CREATED and DELETED exist in events and in `ignore` only: a state follows from its rows alone, "
    "so that a check can compute it again."
)


def _code(args: Arguments) -> Bound:
    """CODE: `data` is (set, entries, has a default, default)."""
    name = args.constant_text(0, "the code table's name")
    table = args.scope.codes.get(name)
    if table is None:
        known = args.scope.codes
        otherwise = f"Define it under `codes:`; there are {', '.join(sorted(known)) or 'none yet'}."
        raise UnknownCodeTable(args.args[0].span, name=name, fix=did_you_mean(name, known, otherwise))
    part = args.need(1, "text")
    default = args.args[2] if len(args.args) > 2 else None
    if default is not None and not (isinstance(default, Constant) and isinstance(default.value, str | None)):
        raise args.wrong(
            "the default must be a constant text or NULL", "Use COALESCE(CODE('set', x, NULL), ...).", default
        )
    values = [*table.entries.values(), *([default.value] if isinstance(default, Constant) and default.value else [])]
    makes_null = isinstance(default, Constant) and default.value is None
    data = (name, table.entries, default is not None, default.value if isinstance(default, Constant) else None)
    kind = sized(max((len(str(value)) for value in values), default=1) or 1)
    return args.call(kind, (part,), data=data, fails=default is None, makes_null=makes_null, grows=1)


def _decoded(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    name, entries, has_default, default = call.data
    codes = emitter.use(runtime.Codes(name, entries))
    return f"{codes}.get({texts[0]}, {default!r})" if has_default else f"{codes}[{texts[0]}]"


def state_path(args: Arguments, node: n.Node) -> str:
    """The dotted path of a state field, or of a group of fields. `UnknownColumn`."""
    state = args.scope.state or {}
    if not isinstance(node, n.Name):
        raise args.wrong("it takes state fields", "Write CHANGED(field, group.field) or CHANGED(*).")
    parts = node.parts[1:] if node.parts[0].upper() in ("OLD", "NEW") and node.text not in state else node.parts
    path = ".".join(parts)
    if path in state or any(known.startswith(f"{path}.") for known in state):
        return path
    raise UnknownColumn(
        node.span, noun="state field", name=path, fix=did_you_mean(path, state, f"There are {', '.join(state)}.")
    )


def _changed(args: Arguments) -> Bound:
    if args.scope.state is None:
        raise Refused(args.span, what="CHANGED", fix=_NO_EVENTS)
    asked: Unbound = args.data
    given = asked.arguments
    if isinstance(given[0], n.Star):
        if len(given) > 1:
            raise args.wrong("the * stands alone", "Write CHANGED(*).")
        return Changed(types.BOOLEAN, args.span, None)
    return Changed(types.BOOLEAN, args.span, tuple(state_path(args, node) for node in given))


def outside_events(name: str, span: tuple[int, int]) -> Refused:
    """The error that OLD, NEW and their like are not known here."""
    return Refused(span, what=name, fix=_NO_EVENTS)


def _bound_elsewhere(args: Arguments) -> Bound:
    """OLD, NEW, META, CREATED and DELETED are names: the binder resolves them, nobody can call them."""
    raise args.wrong("it is not called", f"Write {args.name} without brackets.")


_STEP: dict[str, object] = {
    "OLD": {"status": "quoted", "premium": {"amount": d("1.00")}},
    "NEW": {"status": "active", "premium": None},
}
_FIRST: dict[str, object] = {"OLD": None, "NEW": {"status": "active", "premium": None}}
_LAST: dict[str, object] = {"OLD": {"status": "active", "premium": None}, "NEW": None}


def _named(name: str, meaning: str, examples: tuple[Example, ...]) -> Entry:
    signature = f"{name}.field" if name in ("OLD", "NEW") else name
    return Entry(
        name=name,
        signature=signature,
        meaning=meaning,
        examples=examples,
        bind=_bound_elsewhere,
        python=Python(),
        arity=(0, 0),
        nulls="never NULL" if signature == name else f"NULL where there is no {name}",
        takes_names=True,
        written="operator",
    )


ENTRIES = (
    Entry(
        name="CODE",
        signature="CODE('table', x [, default])",
        meaning="What the code table says of x. A code that it does not know is rejected, or the constant default.",
        examples=(
            Example("CODE('status', s)", EXAMPLE_CODES["A"], {"s": "A"}),
            Example("CODE('status', s, 'other')", "other", {"s": "?"}),
            Example("CODE('status', s, NULL)", None, {"s": "?"}),
            Example("CODE('status', s)", None),
        ),
        bind=_code,
        python=Python(strict=_decoded),
        arity=(2, 3),
        nulls="strict, or the default NULL",
        errors=("code.unmapped",),
    ),
    Entry(
        name="CHANGED",
        signature="CHANGED(field, ...), CHANGED(*)",
        meaning="Whether one of the state fields (or any) IS DISTINCT between OLD and NEW.",
        examples=(
            Example("CHANGED(status)", True, _STEP),
            Example("CHANGED(premium.amount)", True, _STEP),
            Example("CHANGED(*)", False, {"OLD": _FIRST["NEW"], "NEW": _FIRST["NEW"]}),
        ),
        bind=_changed,
        python=Python(),
        arity=(1, 400),
        nulls="never NULL",
        takes_names=True,
    ),
    _named(
        "OLD",
        "A field of the state before the step.",
        (Example("OLD.status", "quoted", _STEP), Example("OLD.status", None, _FIRST)),
    ),
    _named(
        "NEW",
        "A field of the state after the step.",
        (Example("NEW.premium.amount", None, _STEP), Example("NEW.status", None, _LAST)),
    ),
    _named(
        "CREATED",
        "Whether there was no state before the step.",
        (Example("CREATED", True, _FIRST), Example("CREATED", False, _STEP)),
    ),
    _named(
        "DELETED",
        "Whether there is no state after the step.",
        (Example("DELETED", True, _LAST), Example("DELETED", False, _STEP)),
    ),
    Entry(
        name="META",
        signature="META.transaction, META.time, META.origin",
        meaning=(
            "A fact of the step's transaction, the same in every repeat: its id in the source, its commit time (an instant), "
            "and who wrote it first (PostgreSQL's replication origin, MariaDB's server id, as text)."
        ),
        examples=(
            Example("META.origin IS DISTINCT FROM 'new_system'", True, {"META": {"origin": "7"}}),
            Example("META.transaction", "991", {"META": {"transaction": "991"}}),
            Example("META.time", None, {"META": {}}),
        ),
        bind=_bound_elsewhere,
        python=Python(),
        arity=(0, 0),
        nulls="NULL where the source does not say it",
        takes_names=True,
        written="operator",
    ),
)
