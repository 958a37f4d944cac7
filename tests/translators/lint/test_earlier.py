"""A project against an earlier revision of itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.translators.lint.support import CODES, STATE, event, mapping, state, subject
from translators.compatibility import published_schema
from translators.contract import Contract
from translators.lint import Project, against
from translators.mapping import read_mapping

OLD = mapping(("PolicyBound.v1", "NEW.status = 'active'"))


def breaks(
    old: list[type[Contract]], new: list[type[Contract]], text: str = OLD, before: str = OLD
) -> list[tuple[str, str, str]]:
    project = Project((subject(text, *new),), {one.promise.type: one for one in new})
    schemas: Any = {one.promise.type: published_schema(one) for one in old}
    found = against(project, schemas, {"mappings/policy.yaml": read_mapping(before, "x").codes})
    return [(one.code, f"{one.place.line}:{one.place.column}", one.message) for one in found]


def test_nothing_has_changed() -> None:
    assert breaks([state(), event()], [state(), event()]) == []


def test_a_field_is_gone() -> None:
    old = event(fields={"number": str, "amount": int})
    ((code, where, message),) = breaks([state(), old], [state(), event()])
    assert (code, where) == ("contract.incompatible", "19:11")
    assert message == "amount of PolicyBound.v1: is gone (field-removed)"


def test_the_hint_names_the_next_version() -> None:
    old, new = event(fields={"number": str, "amount": int}, version=3), event(version=3)
    text = OLD.replace("PolicyBound.v1", "PolicyBound.v3")
    project = Project((subject(text, state(), new),), {"Policy.v1": state(), "PolicyBound.v3": new})
    (found,) = against(project, {"PolicyBound.v3": published_schema(old)}, {})
    assert found.hint == "Keep PolicyBound.v3 as it was, and publish the change as PolicyBound.v4 beside it."


@pytest.mark.parametrize(("status", "codes"), [("active", ["contract.removed"]), ("deprecated", ["contract.removed"])])
def test_a_contract_in_use_is_gone(status: str, codes: list[str]) -> None:
    old = event("PolicyLost", status=status)
    assert [code for code, _, _ in breaks([state(), event(), old], [state(), event()])] == codes


@pytest.mark.parametrize("status", ["draft", "retired"])
def test_a_contract_that_nobody_reads_may_go(status: str) -> None:
    assert breaks([state(), event(), event("PolicyLost", status=status)], [state(), event()]) == []


def test_a_new_contract_breaks_nothing() -> None:
    assert breaks([state()], [state(), event()]) == []


def test_a_code_that_means_something_else() -> None:
    fields = {**STATE, "status": str | None}
    text = mapping(codes={"status": {**CODES["status"], "E": "over", "N": "new"}})
    ((code, where, message),) = breaks([state(fields)], [state(fields)], text)
    assert (code, where) == ("codes.target-renamed", "10:8")
    assert message == "the code 'E' of status meant 'ended' and means 'over'"
