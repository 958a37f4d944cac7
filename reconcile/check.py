"""A check as a value: which mapping is compared with which view, and what difference is tolerated."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from translators.errors import DragomanError
from translators.yaml_form import Form
from translators.yaml_text import YamlNode, load

_KEYS = {"check", "mapping", "view", "limit", "owner"}


class CheckSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison. `limit` is the number of confirmed differences that are tolerated; `owner` answers for the view."""

    check: str
    mapping: str
    view: str
    limit: int
    owner: str


class CheckMalformed(DragomanError):
    """{problem}."""

    code: ClassVar[str] = "check.malformed"
    hint: ClassVar[str] = "{fix}"


def read_check(text: str, file: str) -> CheckSpec:
    """The check that a YAML text says; `CheckMalformed` or a `YamlError`, with its place, if it says none."""
    form = Form(file, CheckMalformed)
    top = form.members(load(text, file), "the check", _KEYS).items
    return CheckSpec(
        check=form.text(top["check"], "check"),
        mapping=form.text(top["mapping"], "mapping"),
        view=form.text(top["view"], "view"),
        limit=_limit(form, top["limit"]),
        owner=form.text(top["owner"], "owner"),
    )


def _limit(form: Form, node: YamlNode) -> int:
    text = form.text(node, "limit")
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise form.wrong(f"limit is {text!r}, which is no whole number", node.mark, "Write 0 to tolerate nothing.")
    return int(text)
