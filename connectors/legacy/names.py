"""Guesses of readable names: `pol_no` is a policy number to somebody who never saw the table. Pure."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence

from pydantic import BaseModel

from translators.lint.legacy import is_cryptic, plain
from translators.schema import Kind

# fmt: off
_WORDS = {
    "acc": "account", "acct": "account", "addr": "address", "adr": "address", "agt": "agent", "amt": "amount",
    "art": "article", "aut": "authorized", "bal": "balance", "brt": "birth", "cat": "category", "cau": "cause",
    "ccy": "currency", "cd": "code", "clm": "claim", "cls": "closed", "cmt": "comment", "cnt": "count", "cod": "code",
    "com": "commission", "cov": "coverage", "crd": "credit", "cre": "created", "cty": "city", "cur": "currency",
    "curr": "currency", "cus": "customer", "cust": "customer", "cxl": "cancelled", "ded": "deductible",
    "del": "deleted", "dept": "department", "desc": "description", "descr": "description", "dlv": "delivery",
    "dsc": "description", "dt": "date", "dtl": "detail", "eff": "effective", "emp": "employee", "exp": "expiry",
    "flg": "flag", "frq": "frequency", "grp": "group", "hdl": "handler", "hdr": "header", "inv": "invoice",
    "iss": "issued", "itm": "item", "kd": "customer", "lang": "language", "lim": "limit", "lin": "line",
    "loc": "location", "los": "loss", "mst": "master", "mth": "method", "nam": "name", "nbr": "number", "nm": "name",
    "no": "number", "nr": "number", "num": "number", "ord": "order", "pay": "payment", "pct": "percent",
    "pol": "policy", "pos": "position", "prc": "price", "prd": "product", "prem": "premium", "prm": "premium",
    "prod": "product", "pst": "postal", "pty": "party", "pye": "payee", "qty": "quantity", "rct": "recalculated",
    "rej": "rejected", "rpt": "reported", "rsn": "reason", "rsv": "reserve", "seq": "sequence", "shp": "shipped",
    "stat": "status", "stk": "stock", "sts": "status", "sup": "supplier", "tel": "phone", "tot": "total",
    "trn": "transaction", "ts": "timestamp", "tx": "transaction", "typ": "type", "upd": "updated", "usr": "user",
    "val": "value", "wh": "warehouse", "whs": "warehouse", "yr": "year",
}
_TABLE_WORDS = frozenset(("tbl", "tab", "table", "t", "master", "header", "mst", "hdr", "data", "tb"))
# fmt: on
_SPLIT = re.compile(r"[_\W]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_UNIVERSAL = re.compile(r"^(?:Canonical|Common|Enterprise|Generic|Global|Universal|Unified)(?=[A-Z])")
_ROW_WORDS = frozenset(("Row", "Record", "Table"))
_ENDS: dict[Kind, str] = {
    "text": "text", "date": "day", "timestamp": "moment", "timestamptz": "moment", "boolean": "flag",
}  # fmt: skip
_TAKEN = frozenset((
    "str", "int", "float", "bool", "date", "datetime", "list", "promise", "personal", "sensitive", "Annotated", "Literal",
    "Decimal", "Field", "BaseModel", "ConfigDict", "StringConstraints", "Contract", "Promise", "OWNER",
))  # fmt: skip
_LONGEST = 48


def words_of(name: str) -> list[str]:
    """The words of a legacy name, short ones written out: `polStsCd` is policy, status, code."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    found: list[str] = []
    for part in _SPLIT.split(ascii_only):
        if part:
            found += _written_out(part.lower())
    return found or ["column"]


def _written_out(part: str) -> list[str]:
    if part in _WORDS:
        return [_WORDS[part]]
    return _cut(part) or [part]


def _cut(part: str) -> list[str] | None:
    """`polmst` as policy, master: short words that were written in one, if all of it is."""
    for length in (4, 3):
        head, rest = part[:length], part[length:]
        if head in _WORDS and len(rest) > 2:
            tail = [_WORDS[rest]] if rest in _WORDS else _cut(rest)
            if tail is not None:
                return [_WORDS[head], *tail]
    return None


def articled(contract: str) -> str:
    """A contract's name with its article: an Order, a Policy."""
    return f"{'an' if contract[0] in 'AEIOU' else 'a'} {contract}"


def singular(word: str) -> str:
    """One of many: `policies` is a policy, `addresses` an address; `status` stays."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        return word[:-1]
    return word


def thing_words(table: str) -> list[str]:
    """What a table is about: without what only says that it is a table."""
    words = words_of(table)
    kept = [word for word in words if word not in _TABLE_WORDS] or words
    return [*kept[:-1], singular(kept[-1])]


def snake(words: Sequence[str]) -> str:
    """A name for files, translators and views."""
    name = "_".join(words)[:_LONGEST].strip("_")
    return name if name[:1].isalpha() else f"n{name}"


def pascal(words: Sequence[str]) -> str:
    """A name for a contract or a model."""
    name = "".join(word[:1].upper() + word[1:] for word in words)[:_LONGEST]
    name = name if name[:1].isalpha() else f"N{name}"
    universal = _UNIVERSAL.match(name)
    if universal:
        name = name[universal.end() :] + universal[0]
    return f"{name}Entry" if name in _TAKEN or name in _ROW_WORDS or keyword.iskeyword(name) else name


def camel(words: Sequence[str]) -> str:
    """A name for a field of a contract: no word of Python, of pydantic or of the contracts themselves."""
    name = pascal(words)
    name = name[:1].lower() + name[1:]
    taken = name in _TAKEN or keyword.iskeyword(name) or hasattr(BaseModel, name) or name.startswith("model")
    return f"{name}Value" if taken else name


def field_names(columns: Sequence[tuple[str, Kind]], others: Iterable[str] = ()) -> dict[str, str]:
    """A field's name for each column; none is called like a cryptic column of these or of `others`."""
    leaks = {plain(name) for name in (*others, *(name for name, _ in columns)) if is_cryptic(name)}
    cut = _shared_prefix([name for name, _ in columns])
    unused = unique()
    names = {}
    for column, kind in columns:
        words = words_of(column)
        words = words[cut:] or words
        if plain(camel(words)) in leaks:
            words = [*words, _ENDS.get(kind, "number")]
        names[column] = unused(camel(words))
    return names


def _shared_prefix(columns: Sequence[str]) -> int:
    """How many words all columns of a table begin with (`ol_o_id`, `ol_amount`): they say whose column it is."""
    if len(columns) < 3:
        return 0
    heads = {name.split("_")[0].lower() for name in columns if "_" in name}
    if len(heads) != 1 or not all("_" in name for name in columns):
        return 0
    return len(words_of(heads.pop()))


def unique() -> Callable[[str], str]:
    """What gives each name once, whatever its case: a name that was given before gets a number."""
    given: set[str] = set()

    def unused(name: str) -> str:
        chosen, number = name, 1
        while chosen.casefold() in given:
            number += 1
            chosen = f"{name}{number}"
        given.add(chosen.casefold())
        return chosen

    return unused
