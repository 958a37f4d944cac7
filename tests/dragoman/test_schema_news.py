"""`dragoman status` tells what changed in the legacy's tables, and how to read rows again of which no change told."""

from __future__ import annotations

from pathlib import Path

from dragoman.project import Project
from dragoman.settings import read_settings
from tests.dragoman.support import dragoman, make_shop, replace, succeeds, write


def test_a_column_that_schema_yaml_does_not_know(tmp_path: Path) -> None:
    project = make_shop(tmp_path / "shop")
    replace(project / "schema.yaml", "      ol_i_id: int\n", "")
    replace(project / "schema.yaml", "      o_rmk: text\n", "      o_rmk: text\n      o_old: int\n")
    source = project / "sources" / "shop.yaml"
    write(source, source.read_text("utf-8") + "signals: public.signal\n")
    mapping = (project / "mappings" / "order.yaml").read_text("utf-8")
    write(project / "mappings" / "order.yaml", mapping.replace("item: ol_i_id", "item: ol_number"))
    succeeds("run", cwd=project)
    told = succeeds("status", cwd=project).out
    assert "order_line.ol_i_id has come, which schema.yaml does not know, since 20" in told
    assert "(legacy.order " in told
    assert "no change event tells" in " ".join(told.split())
    assert """INSERT INTO signal VALUES ('again-order_line', 'execute-snapshot', '{"data-collections": """ in told
    assert "orders.o_old does not come any more, and no mapping needs it" in told
    (order,) = [one for one in succeeds("status", "--json", cwd=project).lines if one.get("translator") == "order"]
    assert [(one["kind"], one["column"]) for one in order["news"]] == [("added", "ol_i_id"), ("missing", "o_old")]
    succeeds("run", cwd=project)
    assert [one for one in succeeds("status", "--json", cwd=project).lines if one.get("translator") == "order"] == [
        order
    ]


def test_a_column_that_a_mapping_uses(tmp_path: Path) -> None:
    project = make_shop(tmp_path / "shop")
    replace(project / "schema.yaml", "      o_rmk: text\n", "      o_rmk: text\n      o_old: int\n")
    replace(project / "mappings" / "order.yaml", "NULLIF(TRIM(o_rmk), '')", "CASE WHEN o_old > 1 THEN o_rmk END")
    ended = dragoman("run", cwd=project)
    assert ended.code == 2
    assert "orders.o_old is needed and does not come any more" in " ".join(ended.err.split())
    assert "feed.column-gone" in ended.err
    assert "dragoman lineage orders.o_old" in " ".join(ended.err.split())
    names = Project(read_settings(project, {})).translator("order").columns
    assert names == {
        "orders": {"o_id", "o_c_id", "o_entry_d", "o_carrier_id", "o_sts", "o_rmk", "o_old"},
        "order_line": {"ol_o_id", "ol_number", "ol_amount", "ol_i_id", "ol_quantity", "ol_delivery_d"},
    }
