"""Whether rows find their way."""

from __future__ import annotations

import pytest

from tests.translators.lint.support import SCHEMA, codes, found, mapping, marked, state
from translators.findings import Finding, MappingInvalid

PARTS = "parts:\n  covdtl:\n    parent: pol_no\n    order: cov_seq"


def of(schema: str) -> list[Finding]:
    return found(mapping(head=PARTS), state(), schema=schema)


def test_a_part_whose_key_holds_the_routing_columns() -> None:
    assert of(SCHEMA) == []


@pytest.mark.parametrize(("identity", "said"), [("default", "the primary key only"), ("index", "an index only")])
def test_a_part_that_is_routed_by_something_else(identity: str, said: str) -> None:
    schema = SCHEMA.replace("key: [pol_no, cov_seq]", f"key: [cov_seq]\n    replica_identity: {identity}")
    (finding,) = of(schema)
    assert (finding.code, finding.severity, marked(finding)) == ("table.replica-identity", "error", "covdtl")
    assert said in finding.message
    assert "pol_no, which says what the row belongs to" in finding.message
    assert finding.hint.startswith("ALTER TABLE covdtl REPLICA IDENTITY FULL")


def test_full_images_need_no_key_columns() -> None:
    assert of(SCHEMA.replace("key: [pol_no, cov_seq]", "key: [cov_seq]\n    replica_identity: full")) == []


def test_whole_old_rows_where_none_are_kept() -> None:
    schema = SCHEMA.replace("key: [pol_no]", "key: [pol_no]\n    replica_identity: full", 1)
    assert found(mapping(head="store: none"), state(), schema=schema) == []
    with pytest.raises(MappingInvalid) as caught:
        found(mapping(head="store: none"), state())
    (finding,) = caught.value.findings
    assert (finding.code, marked(finding)) == ("store.row-images", "none")
    assert finding.hint.startswith("ALTER TABLE polmst REPLICA IDENTITY FULL")


def test_nothing() -> None:
    findings = of(SCHEMA.replace("key: [pol_no]", "key: [pol_no]\n    replica_identity: nothing"))
    assert [(f.code, marked(f)) for f in findings] == [("table.replica-identity", "polmst")]


def test_no_key() -> None:
    (finding,) = of(SCHEMA.replace("    key: [pol_no, cov_seq]\n", "    replica_identity: full\n"))
    assert (finding.code, finding.severity) == ("table.no-key", "error")


def test_a_parent_that_may_be_null() -> None:
    head, _, tail = SCHEMA.rpartition("pol_no: char(10) not null")
    (finding,) = of(f"{head}pol_no: char(10){tail}")
    assert (finding.code, finding.severity) == ("part.nullable-parent", "warning")


def test_tables_of_many_contexts() -> None:
    third = "  fee:\n    context: billing\n    key: [pol_no]\n    columns:\n      pol_no: char(10) not null\n"
    schema = SCHEMA.replace("  covdtl:\n    context: policy", "  covdtl:\n    context: product") + third
    text = mapping(head=f"{PARTS}\n  fee:\n    parent: pol_no")
    findings = found(text, state(), schema=schema)
    assert codes(findings) == ["context.many-owners"]
    assert "billing, policy, product" in findings[0].message
    assert of(SCHEMA.replace("  covdtl:\n    context: policy", "  covdtl:\n    context: product")) == []
