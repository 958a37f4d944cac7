"""Sides as processes of a pool open them: what they import is what each of them has to wait for."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine

from pipeline.projection.spec import read_projection
from reconcile.position import ChangeTable
from reconcile.sources import Layout, LegacyReader
from reconcile.view import ProjectionView, ViewSide
from tests.reconcile.world import SCHEMA, SHAPE, VIEW, ItemTranslator
from translators.compiled import CompiledTranslator, compile_mapping
from translators.mapping import read_mapping
from translators.schema_text import read_schema


@contextmanager
def world_sides(folder: Path) -> Iterator[tuple[LegacyReader, ViewSide]]:
    """Those of a world."""
    legacy, views = create_engine(f"sqlite:///{folder / 'legacy.db'}"), create_engine(f"sqlite:///{folder / 'view.db'}")
    layout = Layout("item", ("itm_no",), {"itmlin": ("itm_no",)})
    reader = LegacyReader(legacy, SCHEMA, ItemTranslator(), layout, ChangeTable())
    yield reader, ProjectionView(views, read_projection(VIEW, "consumers/item_view.yaml"), SHAPE, "item.state")
    legacy.dispose()
    views.dispose()


@contextmanager
def killed(folder: Path, times: int) -> Iterator[tuple[LegacyReader, ViewSide]]:
    """The same; the first so many processes are killed when they are to read."""
    for number in range(times):
        try:
            (folder / f"killed-{number}").touch(exist_ok=False)
        except FileExistsError:
            continue
        os.kill(os.getpid(), signal.SIGKILL)
    with world_sides(folder) as sides:
        yield sides


def item_translator() -> CompiledTranslator:
    """The mapping of `tests.reconcile.test_plans` that only renames."""
    from tests.reconcile import test_plans as plans

    schema = read_schema(plans.PLAIN_SCHEMA, "schema.yaml")
    mapping = read_mapping(plans.PLAIN_MAPPING, "i.yaml")
    return compile_mapping(mapping, plans.PLAIN_MAPPING, schema, {"Item.v1": plans.Item})


@contextmanager
def item_sides(url: str) -> Iterator[tuple[LegacyReader, ViewSide]]:
    """Those of a place in PostgreSQL."""
    from tests.reconcile.place import At
    from tests.reconcile.test_plans import PLAIN_VIEW

    engine, translator = create_engine(url), item_translator()
    bound = translator.bound
    view = ProjectionView(engine, read_projection(PLAIN_VIEW, "consumers/view.yaml"), bound.shape, "topic")
    yield LegacyReader(engine, bound.schema, translator, Layout.of(bound), At()), view
    engine.dispose()
