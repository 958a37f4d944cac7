"""The terms of a check as its file writes them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import cast

from reconcile.terms import OTHERS, Authority, Right, Terms
from translators.yaml_form import Form
from translators.yaml_text import YamlMap, YamlNode

KEYS = frozenset({"phase", "authority", "exclude", "technical", "sensitive", "tolerance", "slices"})
"""What only a check of rows may say."""

_RIGHTS = ("legacy", "view", "both")


def read_terms(form: Form, items: Mapping[str, YamlNode]) -> Terms:
    """The terms among the members of a check; the form's error, at its place, if they are not said rightly."""
    places: dict[str, str] = {}
    return Terms(
        authority=_authority(form, items, places),
        excluded=_reasons(form, items["exclude"], places) if "exclude" in items else {},
        technical=_names(form, items, "technical", places),
        sensitive=_names(form, items, "sensitive", places),
        tolerance=read_tolerance(form, items["tolerance"], places) if "tolerance" in items else {},
        slices=_names(form, items, "slices", places),
        places=places,
    )


def read_tolerance(form: Form, node: YamlNode, places: dict[str, str] | None = None) -> dict[str, Decimal]:
    """By name how far apart two numbers may be."""
    found = {}
    table = form.a_map(node, "tolerance")
    for name, said in table.items.items():
        text = form.text(said, f"the tolerance of {name}")
        try:
            found[name] = Decimal(text)
        except InvalidOperation:
            found[name] = Decimal("NaN")
        if not found[name].is_finite() or found[name] < 0:
            raise form.wrong(f"the tolerance of {name} is {text!r}", said.mark, "Write a number such as 0.01.")
        if places is not None:
            places[f"tolerance.{name}"] = form.where(table.key_marks[name])
    return found


def _authority(form: Form, items: Mapping[str, YamlNode], places: dict[str, str]) -> Authority:
    phase = form.text(items["phase"], "phase") if "phase" in items else ""
    if "authority" not in items:
        if phase:
            fix = "Say under `authority:` who is right in each phase, or leave `phase:` out."
            raise form.wrong("the check has a phase and no authority", items["phase"].mark, fix)
        return Authority()
    node = items["authority"]
    if not isinstance(node, YamlMap):
        if phase:
            fix = f"Write `{phase}: {form.text(node, 'authority')}` below it, and the other phases beside that."
            raise form.wrong("authority does not tell the phases apart", node.mark, fix)
        return Authority(others=_right(form, node, "authority"))
    phases = {name: _of_phase(form, name, said, places) for name, said in node.items.items()}
    if not phase:
        fix = "Say with `phase:` in which of these phases the migration stands."
        raise form.wrong("the check has phases and does not say which it is in", node.mark, fix)
    if phase not in phases:
        raise form.wrong(f"authority has no phase {phase!r}", items["phase"].mark, f"It has: {', '.join(phases)}.")
    return phases[phase]


def _of_phase(form: Form, phase: str, node: YamlNode, places: dict[str, str]) -> Authority:
    if not isinstance(node, YamlMap):
        return Authority(others=_right(form, node, phase), phase=phase)
    said = {name: _right(form, right, f"{phase}.{name}") for name, right in node.items.items()}
    if OTHERS not in said:
        raise form.wrong(
            f"the phase {phase!r} does not say who is right of all else", node.mark, "Add `others: legacy`."
        )
    for name in said.keys() - {OTHERS}:
        places.setdefault(f"authority.{name}", form.where(node.key_marks[name]))
    others = said.pop(OTHERS)
    return Authority(others=others, fields=said, phase=phase)


def _right(form: Form, node: YamlNode, what: str) -> Right:
    text = form.text(node, what)
    if text not in _RIGHTS:
        fix = "Say legacy, view, or both where the two have to agree and neither is right by itself."
        raise form.wrong(f"{what} is {text!r}", node.mark, fix)
    return cast(Right, text)


def _reasons(form: Form, node: YamlNode, places: dict[str, str]) -> dict[str, str]:
    """Fields that are not compared, each with its reason: whoever reads the report asks that first."""
    table = form.a_map(node, "exclude")
    for name in table.items:
        places[f"exclude.{name}"] = form.where(table.key_marks[name])
    return {name: form.text(why, f"why {name} is not compared") for name, why in table.items.items()}


def _names(form: Form, items: Mapping[str, YamlNode], key: str, places: dict[str, str]) -> tuple[str, ...]:
    if key not in items:
        return ()
    for name in (found := form.texts(items[key], key)):
        places[f"{key}.{name}"] = form.where(items[key].mark)
    return found
