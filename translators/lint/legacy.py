"""What the legacy system leaks: its names, its codes, its types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from translators.expression.bound import Column
from translators.lint.rule import Found, Project, Rule, Subject
from translators.lint.tree import last, leaves, passed_through, shape_leaves

if TYPE_CHECKING:
    from translators.binding import BoundField
    from translators.contract import Shape

RULES = (
    Rule("contract.legacy-name", "warning", "A field that is called like a column of the legacy table"),
    Rule("contract.raw-code", "warning", "A code of the legacy system that nobody else can read"),
    Rule("contract.float", "warning", "A number that is not exact"),
)

# fmt: off
_SHORT_WORDS = frozenset((
    "act", "age", "aid", "amp", "api", "bar", "bic", "box", "car", "cap", "cut", "day", "due", "end", "fax", "fee", "gap",
    "gas", "iban", "id", "ids", "in", "is", "job", "key", "kin", "km", "lei", "lot", "map", "max", "min", "net", "new",
    "no", "of", "off", "old", "on", "out", "own", "pay", "pdf", "per", "pet", "pin", "pos", "row", "rue", "set", "sex",
    "sku", "sum", "tag", "tax", "tel", "to", "top", "up", "url", "uri", "use", "vat", "vin", "way", "web", "zip",
))
_ABBREVIATIONS = frozenset((
    "acct", "addr", "agmt", "amnt", "anum", "canc", "clos", "cust", "dept", "desc", "indic", "inst", "kond", "meth",
    "mods", "oper", "orig", "pers", "poli", "prem", "prev", "prod", "reas", "recs", "resv", "stat", "tran", "trans",
    "vers",
))
# fmt: on
_CODE_COLUMN = re.compile(r"(?i)(?:^|_)(?:cd|cod|code|sts|stat|status|typ|type|flg|flag|ind|rsn|mth|knd)$")
_SPLIT = re.compile(r"[_\W]+|(?<=[a-z0-9])(?=[A-Z])")
_CODE_LENGTH, _NAMED_CODE_LENGTH = 2, 4


def plain(name: str) -> str:
    """A name without underscores, hyphens and case, so that `pol_no` and `polNo` are one."""
    return re.sub(r"[_\W]", "", name).lower()


def is_cryptic(name: str) -> bool:
    """Whether a name is made of what nobody outside the legacy system reads: `prem_amt`, `ccy`; not `order_id`."""
    return any(_is_cryptic_part(part.lower()) for part in _SPLIT.split(name) if part)


def _is_cryptic_part(part: str) -> bool:
    letters = re.sub(r"\d", "", part)
    if not letters or letters in _SHORT_WORDS:
        return False
    return letters in _ABBREVIATIONS or len(letters) <= 3 or not re.search("[aeiouy]", letters)


def check(project: Project) -> Iterator[Found]:
    """The rules of this module."""
    for subject in project.subjects:
        for field, contract in _fields(subject):
            yield from _raw_code(subject, field, contract)
        yield from _identity_tables(subject)
    for name, shape in project.shapes.items():
        columns = _columns(project.published[name])
        for path, leaf in shape_leaves(shape):
            yield from _named(project, name, path, columns)
            yield from _inexact(project, name, path, leaf)


def _fields(subject: Subject) -> Iterator[tuple[BoundField, str]]:
    bound = subject.bound
    yield from ((field, bound.mapping.contract) for field in leaves(bound.fields.values()))
    for event in bound.events:
        yield from ((field, event.type) for field in event.fields.values())


def _columns(subjects: tuple[Subject, ...]) -> dict[str, str]:
    """The columns of the tables that these mappings read, as `table.column` by their plain names."""
    found: dict[str, str] = {}
    for subject in subjects:
        mapping, tables = subject.bound.mapping, subject.bound.schema.tables
        for table in (mapping.root, *mapping.parts):
            found.update({plain(column): f"{table}.{column}" for column in tables[table].columns})
    return found


def _named(project: Project, name: str, path: str, columns: dict[str, str]) -> Iterator[Found]:
    field = last(path)
    column = columns.get(plain(field))
    if column is not None and is_cryptic(column.split(".", 1)[1]):
        message = f"{path} of {name} is called like {column}"
        hint = "A contract speaks the words of its context: who reads it has never seen the legacy table."
        yield Found("contract.legacy-name", project.in_contract(name, path), len(field), message, hint)


def _inexact(project: Project, name: str, path: str, leaf: Shape) -> Iterator[Found]:
    if leaf.kind == "float":
        message = f"{path} of {name} is a float: 0.1 + 0.2 is not 0.3 there, and sums do not reconcile"
        hint = "Promise a Decimal with its digits and places; a float column becomes one by CAST(x AS DECIMAL(p, s))."
        yield Found("contract.float", project.in_contract(name, path), len(last(path)), message, hint)


def _raw_code(subject: Subject, field: BoundField, contract: str) -> Iterator[Found]:
    column = passed_through(field.bound)
    if field.shape.kind != "text" or column is None or not _is_code(column, field):
        return
    message = f"{field.path} of {contract} hands out the codes of {column.table}.{column.column} as they are"
    hint = "Say what they mean: CODE('table', ...). If it is a standard (a country), promise its form by a pattern."
    yield Found("contract.raw-code", subject.within(field.source, 0), len(field.source.text), message, hint)


def _is_code(column: Column, field: BoundField) -> bool:
    if field.shape.pattern is not None:
        return False  # a text whose form is promised (a currency, a country) is no private code
    length = column.type.length
    if 0 < length <= _CODE_LENGTH:
        return True
    named = _CODE_COLUMN.search(column.column) is not None
    return (named and 0 < length <= _NAMED_CODE_LENGTH) or _are_codes(field.shape.choices)


def _are_codes(texts: tuple[str, ...]) -> bool:
    return bool(texts) and all(len(text) <= _CODE_LENGTH or text.isdigit() for text in texts)


def _identity_tables(subject: Subject) -> Iterator[Found]:
    for name, entries in subject.bound.mapping.codes.items():
        if _are_codes(tuple(entries.values())) and all(code == target for code, target in entries.items()):
            message = f"the code table {name} gives each code back as it is"
            hint = "Say what each code means, in the words of the contract."
            yield Found("contract.raw-code", subject.code_table(name), len(name), message, hint)
