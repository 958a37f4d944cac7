"""Confirmed is what was seeded among the orders that held still, with its cause, and nothing else: in every run.

`--oracle-runs 500` makes more of them, and a quarter of that for each pair of servers; each is drawn from its number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.model.meaning import text_of
from tests.reconcile.oracle.places import Place
from tests.reconcile.oracle.scene import Scene
from tests.reconcile.oracle.seeds import HARMLESS, SEEDS, Order, Seed, edited_field, row_gone, stranger_of
from tests.servers.databases import Kind

BATCH = 8
DECOYS = 2
BETWEEN_SERVERS = 4
"""Of so many runs in one process one is played between servers, of each pair."""
PAIRS: list[tuple[Kind, Kind]] = [
    ("mariadb", "postgres"),
    ("postgres", "mariadb"),
    ("mariadb", "mariadb"),
    ("postgres", "postgres"),
]
"""Where the legacy is, and where the view."""
COUNTED = ("runs", "gates", "seeded", "found", "false", "in_flight", "hot", "decoys", "deaths", "writes")


def run(folder: Path, seed: int) -> Counter[str]:
    """One run; the counts of what was seeded, found, and what became of the rest."""
    folder.mkdir()
    scene = Scene(folder, seed)
    try:
        return judged(scene, seed)
    finally:
        scene.close()


def judged(scene: Scene, seed: int) -> Counter[str]:
    for _ in range(scene.dice.randrange(10)):
        scene.happen()
    seeded = seed_still(scene)
    decoys = {text_of(order): seed_moving(scene, order) for order in scene.dice.sample(scene.moving, DECOYS)}
    result = scene.check(gate=seed % 3 == 2)
    found = {finding.key: tuple(cause.name for cause in finding.causes) for finding in result.findings}
    said = f"seed {seed}: {result.incomplete}"
    assert result.incomplete is None, said
    assert {key: causes for key, causes in found.items() if key not in decoys} == seeded, said
    hot = result.unconfirmed + result.ambiguous
    assert hot + result.agree + result.in_flight + len(found) == result.compared, said
    assert result.exit_code == (2 if hot else 1), said
    assert not (result.unconfirmed if result.aligned else result.ambiguous), said
    return Counter(
        runs=1,
        gates=result.aligned,
        seeded=len(seeded),
        found=len(seeded.keys() & found.keys()),
        false=len(found.keys() - seeded.keys() - decoys.keys()),
        in_flight=result.in_flight,
        hot=hot,
        decoys=len(decoys.keys() & found.keys()),
        deaths=scene.deaths,
        writes=scene.writes,
    )


def seed_still(scene: Scene) -> dict[str, tuple[str, ...]]:
    """Damage some orders that hold still, in different ways; key and causes of each. To others something harmless happens."""
    seeds = scene.dice.sample(sorted(SEEDS, key=lambda one: one.__name__), BATCH)
    orders = scene.dice.sample(scene.still, BATCH + len(HARMLESS))
    found: dict[str, tuple[str, ...]] = {}
    for seed, order in zip([*HARMLESS, *seeds], orders, strict=True):
        seed(scene, order)
        found |= expected_of(seed, order)
    return found


def expected_of(seed: Seed, order: Order) -> dict[str, tuple[str, ...]]:
    """What has to be found once a seed has damaged an order."""
    return {text_of(stranger_of(order, apart)): causes for apart, causes in SEEDS.get(seed, {}).items()}


def seed_moving(scene: Scene, order: Order) -> Seed | None:
    """Damage an order that moves: the next record of it may heal that, and whatever becomes of it is right."""
    try:
        scene.dice.choice((edited_field, row_gone))(scene, order)
    except AssertionError:
        return None
    return edited_field


Told = Callable[[str, object], None]


def proven(counts: Counter[str], told: Told) -> None:
    """Say what came of all runs; nothing false, nothing missed, and the runs were such that there could have been."""
    said = ", ".join(f"{counts[name]:,} {name}" for name in COUNTED)
    told("oracle", said)
    print(f"oracle: {said}")
    assert counts["false"] == 0 and counts["found"] == counts["seeded"] > 0
    assert counts["in_flight"] and counts["deaths"], "nothing moved, nobody died: the runs would prove nothing"


def test_what_was_seeded_is_found_and_nothing_else(
    tmp_path: Path, request: pytest.FixtureRequest, record_property: Told
) -> None:
    counts: Counter[str] = Counter()
    for seed in range(request.config.getoption("--oracle-runs")):
        counts += run(tmp_path / str(seed), seed)
    proven(counts, record_property)


@pytest.mark.parametrize(("legacy", "views"), PAIRS)
def test_so_it_is_between_servers(
    legacy: Kind, views: Kind, unused_name: str, request: pytest.FixtureRequest, record_property: Told
) -> None:
    """A connector follows the legacy, which may be of another kind than what holds the view."""
    ours, theirs = (Place(kind, request.getfixturevalue(f"{kind}_server")) for kind in (legacy, views))
    counts: Counter[str] = Counter()
    first = 1_000 * (1 + PAIRS.index((legacy, views)))
    for seed in range(first, first + request.config.getoption("--oracle-runs") // BETWEEN_SERVERS):
        with ours.legacy(f"l{seed}_{unused_name}") as opening, theirs.views(f"v{seed}_{unused_name}") as engine:
            scene = Scene(Path(), seed, opening, engine)
            try:
                counts += judged(scene, seed)
            finally:
                scene.close()
    proven(counts, record_property)


@pytest.mark.parametrize("seed", [*SEEDS, *HARMLESS], ids=lambda seed: seed.__name__)
def test_each_corruption_is_one(seed: Seed, tmp_path: Path) -> None:
    """In a world that holds still each is found alone, by its name: so none of them is vacuous."""
    scene = Scene(tmp_path, 1)
    try:
        scene.happen = lambda: None  # type: ignore[method-assign]
        assert scene.check().exit_code == 0
        order = scene.still[0]
        seed(scene, order)
        found = {one.key: tuple(cause.name for cause in one.causes) for one in scene.check().findings}
        assert found == expected_of(seed, order)
    finally:
        scene.close()
