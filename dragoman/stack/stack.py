"""Several servers in one folder: started together, looked at, ended together."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dragoman.stack import parts, server
from dragoman.stack.artifacts import fetch
from dragoman.stack.errors import PartUnknown
from dragoman.stack.records import LOG, Failed, Home, Order, Part, Ready, ordered, read
from dragoman.stack.server import Server
from translators.yaml_text import did_you_mean

PARTS = ("kafka", "postgres", "mariadb", "connect")
"""In the order of their start: Connect needs Kafka."""

State = Literal["running", "starting", "ended", "crashed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which parts, on which ports (a free one where none is said), and whether Connect's sources are exactly-once."""

    parts: tuple[str, ...] = PARTS
    ports: Mapping[str, int] = field(default_factory=dict)
    exactly_once: bool = True

    def __post_init__(self) -> None:
        for name in (*self.parts, *self.ports):
            if name not in PARTS:
                raise PartUnknown(part=name, suggestion=did_you_mean(name, PARTS), known=", ".join(PARTS))

    @property
    def wanted(self) -> tuple[str, ...]:
        """The parts, with those that they need, in the order of their start."""
        needed = {*self.parts, *(("kafka",) if "connect" in self.parts else ())}
        return tuple(name for name in PARTS if name in needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one part stands; `url` is how a client reaches it."""

    part: str
    title: str
    state: State
    url: str | None
    pid: int | None
    log: Path
    reason: str | None


def up(folder: Path, cache: Path, wish: Wish, told: Callable[[Standing, float], None]) -> None:
    """Start what does not run yet; `told` of each part and the seconds that it took. Any coded error of the stack.

    What this machine lacks is told before anything is started. Those that need nobody start at once.
    """
    first = {name: _part(name, cache) for name in wish.wanted if name != "connect"}
    begin = time.monotonic()
    with server.locked(folder / "door"), ThreadPoolExecutor() as pool:
        starts = {
            pool.submit(server.started, part, folder / name, wish.ports.get(name)): name for name, part in first.items()
        }
        for done in as_completed(starts):
            done.result()
            told(standing_of(folder, starts[done]), time.monotonic() - begin)
        if "connect" in wish.wanted:
            worker = parts.connect(fetch(cache), Server(folder / "kafka").at, exactly_once=wish.exactly_once)
            server.started(worker, folder / "connect", wish.ports.get("connect"))
            told(standing_of(folder, "connect"), time.monotonic() - begin)


def down(folder: Path) -> tuple[str, ...]:
    """End all parts and remove the folder; the names of those that were there."""
    found = tuple(name for name in reversed(PARTS) if (folder / name / "door").exists())
    if not found:
        return ()
    with server.locked(folder / "door"):
        with ThreadPoolExecutor() as pool:
            if "connect" in found:
                server.stop(folder / "connect")
            list(pool.map(server.stop, [folder / name for name in found if name != "connect"]))
        for name in found:
            shutil.rmtree(folder / name)
        (folder / "door").unlink()
    if not any(folder.iterdir()):
        folder.rmdir()
    return found


def standings(folder: Path) -> Sequence[Standing]:
    """How the parts stand that were started in a folder."""
    return [standing_of(folder, name) for name in PARTS if read(folder / name, Order) is not None]


def standing_of(folder: Path, name: str) -> Standing:
    """How one of them stands."""
    at = folder / name
    order, ready, failed = ordered(at), read(at, Ready), read(at, Failed)
    kept = server.is_kept(at)
    state: State = "ended"
    if kept and failed is None:
        state = "running" if ready is not None else "starting"
    elif not kept and read(at, Home) is not None:
        state = "crashed"
    running = ready if state == "running" else None
    return Standing(
        part=name,
        title=order.part.title,
        state=state,
        url=None if running is None else order.part.url(f"{running.host}:{running.port}"),
        pid=None if running is None else running.pid,
        log=at / LOG,
        reason=None if failed is None else failed.reason,
    )


def _part(name: str, cache: Path) -> Part:
    if name == "kafka":
        return parts.kafka(fetch(cache))
    return parts.postgres() if name == "postgres" else parts.mariadb()
