"""A check as a value: which mapping is compared with which view, or what is asked of both, and what difference is tolerated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from reconcile import terms_text
from reconcile.declared import KINDS, Statement, read_statement
from reconcile.own_tables import OwnTables, read_tables
from reconcile.terms import CLASSES, Terms
from translators.errors import DragomanError
from translators.yaml_form import Form
from translators.yaml_text import YamlMap, YamlNode, did_you_mean, load

_KEYS = {"check", "mapping", "limit", "owner"}
_OPTIONAL = {"view", "against", "group", "plan", "processes", "shown", "limits", "tables", *KINDS, *terms_text.KEYS}


MOST_PROCESSES = 99
"""Each has connections of its own to both databases."""

STREAM = "state stream"
"""What a check calls what it stands against, where that is no view."""


class CheckSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison. `limit` is the number of confirmed differences that are tolerated; `owner` answers for the view.

    With `stream` it stands against the state stream itself, and `view` is only what that is called. `limits` are the limits
    of classes of their own, which do not count against `limit` then; `terms` are said of fields.

    `group` is the consumer group that builds the view, where the view has no checkpoint that is written with its rows.
    `tables` are those of a view that no projection of ours builds; `view` is only what it is called then.
    Without a `statement` each row of the view is compared with what the mapping says. With one, its queries are asked, of the
    legacy of `mapping` and of the database of `view`, behind their fence; `shown` are the columns whose values a report shows.
    `processes` look at the rows of many keys side by side. With `sums` both sides are summed up first, where that can be done.
    """

    check: str
    mapping: str
    view: str
    limit: int
    owner: str
    group: str | None = None
    statement: Statement | None = None
    shown: tuple[str, ...] = ()
    limits: Mapping[str, int] = {}
    stream: bool = False
    terms: Terms = Terms()
    tables: OwnTables | None = None
    processes: int = 1
    sums: bool = False

    def over(self, differ: Mapping[str, int]) -> tuple[str, ...]:
        """The classes of which there are more than is tolerated; those without a limit of their own come as ``."""
        rest = sum(count for of, count in differ.items() if of not in self.limits and of != "unavailable")
        own = [of for of in differ if of != "unavailable" and differ[of] > self.limits.get(of, differ[of])]
        return (*own, *([""] if rest > self.limit else []))


class CheckMalformed(DragomanError):
    """{problem}."""

    code: ClassVar[str] = "check.malformed"
    hint: ClassVar[str] = "{fix}"


def read_check(text: str, file: str) -> CheckSpec:
    """The check that a YAML text says; `CheckMalformed` or a `YamlError`, with its place, if it says none."""
    form = Form(file, CheckMalformed)
    found = form.members(load(text, file), "the check", _KEYS, _OPTIONAL)
    top = found.items
    asked = [kind for kind in top if kind in KINDS]
    if len(asked) > 1:
        raise form.wrong(f"the check asks {' and '.join(asked)}", found.key_marks[asked[1]], "Write a check for each.")
    for key in sorted({*terms_text.KEYS, "plan", "processes"} & top.keys()) if asked else ():
        fix = "A query says itself what it compares: leave this out, or take the query out."
        raise form.wrong(f"{key} is for checks of rows, and this one asks by queries", found.key_marks[key], fix)
    stream = _is_of_stream(form, found, asked[0] if asked else "")
    tables = _tables(form, found, file, asked[0] if asked else "")
    return CheckSpec(
        check=form.text(top["check"], "check"),
        mapping=form.text(top["mapping"], "mapping"),
        view=STREAM if stream else form.text(top["view"], "view"),
        stream=stream,
        limit=_limit(form, top["limit"], "limit"),
        owner=form.text(top["owner"], "owner"),
        group=form.text(top["group"], "group") if "group" in top else None,
        statement=read_statement(form, asked[0], top[asked[0]]) if asked else None,
        shown=form.texts(top["shown"], "shown") if "shown" in top else (),
        limits=_limits(form, top["limits"]) if "limits" in top else {},
        terms=terms_text.read_terms(form, top),
        tables=tables,
        processes=_processes(form, top["processes"]) if "processes" in top else 1,
        sums=_sums(form, top["plan"]) if "plan" in top else False,
    )


def _is_of_stream(form: Form, check: YamlMap, asked: str) -> bool:
    """Whether the check stands against the state stream; it has that or a view."""
    top = check.items
    if "against" not in top:
        if "view" not in top:
            fix = "Add `view:`, or `against: stream` for a check of what is published."
            raise form.wrong("the check lacks the key 'view'", check.mark, fix)
        return False
    text = form.text(top["against"], "against")
    if text != "stream":
        raise form.wrong(f"against is {text!r}", top["against"].mark, "Say stream, or name a view with `view:`.")
    for key in ("view", "group", "tables"):
        if key in top:
            raise form.wrong(f"{key} is no part of a check against the stream", check.key_marks[key], "Leave it out.")
    if asked and "view" in form.a_map(top[asked], asked).items:
        raise form.wrong(f"{asked} asks a view, and the check has none", top[asked].mark, "Name it with `view:`.")
    return True


def _tables(form: Form, check: YamlMap, file: str, asked: str) -> OwnTables | None:
    """The tables of a view that is somebody else's; something has to say how far that has come."""
    top = check.items
    if "tables" not in top:
        return None
    if asked:
        fix = "Leave it out: a query names the tables that it reads."
        raise form.wrong("tables is for checks of rows, and this one asks by queries", check.key_marks["tables"], fix)
    tables = read_tables(form, top["tables"], file)
    if tables.checkpoint is None and "group" not in top:
        fix = "Add `checkpoint:` below it, if offsets are written with the rows, or `group:` beside it."
        raise form.wrong("nothing says how far the view has come", check.key_marks["tables"], fix)
    if tables.checkpoint is not None and "group" in top:
        fix = "Leave `group:` out: the checkpoint is exact."
        raise form.wrong("the view has a checkpoint, and a group beside it", check.key_marks["group"], fix)
    return tables


def _processes(form: Form, node: YamlNode) -> int:
    text = form.text(node, "processes")
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_PROCESSES):
        fix = f"Write a number from 1 to {MOST_PROCESSES}."
        raise form.wrong(f"processes is {text!r}", node.mark, fix)
    return int(text)


def _sums(form: Form, node: YamlNode) -> bool:
    text = form.text(node, "plan")
    if text != "sums":
        fix = "Write sums, or leave it out: then each row is handed over and compared."
        raise form.wrong(f"plan is {text!r}", node.mark, fix)
    return True


def _limits(form: Form, node: YamlNode) -> dict[str, int]:
    table = form.a_map(node, "limits")
    for of in table.items:
        if of not in CLASSES:
            fix = f"The classes are: {', '.join(CLASSES)}{did_you_mean(of, CLASSES)}"
            raise form.wrong(f"there is no class of differences {of!r}", table.key_marks[of], fix)
    return {of: _limit(form, said, f"the limit of {of}") for of, said in table.items.items()}


def _limit(form: Form, node: YamlNode, what: str) -> int:
    text = form.text(node, what)
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise form.wrong(f"{what} is {text!r}, which is no whole number", node.mark, "Write 0 to tolerate nothing.")
    return int(text)
