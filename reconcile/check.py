"""A check as a value: which mapping is compared with which view, or what is asked of both, and what difference is tolerated."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from reconcile.declared import KINDS, Statement, read_statement
from translators.errors import DragomanError
from translators.yaml_form import Form
from translators.yaml_text import YamlNode, load

_KEYS = {"check", "mapping", "view", "limit", "owner"}
_OPTIONAL = {"group", "shown", *KINDS}


class CheckSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison. `limit` is the number of confirmed differences that are tolerated; `owner` answers for the view.

    `group` is the consumer group that builds the view, where the view has no checkpoint that is written with its rows.
    Without a `statement` each row of the view is compared with what the mapping says. With one, its queries are asked, of the
    legacy of `mapping` and of the database of `view`, behind their fence; `shown` are the columns whose values a report shows.
    """

    check: str
    mapping: str
    view: str
    limit: int
    owner: str
    group: str | None = None
    statement: Statement | None = None
    shown: tuple[str, ...] = ()


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
    return CheckSpec(
        check=form.text(top["check"], "check"),
        mapping=form.text(top["mapping"], "mapping"),
        view=form.text(top["view"], "view"),
        limit=_limit(form, top["limit"]),
        owner=form.text(top["owner"], "owner"),
        group=form.text(top["group"], "group") if "group" in top else None,
        statement=read_statement(form, asked[0], top[asked[0]]) if asked else None,
        shown=form.texts(top["shown"], "shown") if "shown" in top else (),
    )


def _limit(form: Form, node: YamlNode) -> int:
    text = form.text(node, "limit")
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise form.wrong(f"limit is {text!r}, which is no whole number", node.mark, "Write 0 to tolerate nothing.")
    return int(text)
