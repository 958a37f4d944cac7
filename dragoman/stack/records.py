"""What stands in a server's folder: what was ordered, how to reach it, why it is not there, what to clean up."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from dragoman.stack.connect import Connect
from dragoman.stack.kafka import Kafka
from dragoman.stack.mariadb import MariaDB
from dragoman.stack.postgres import Postgres

Part = Kafka | Connect | Postgres | MariaDB
Until = Literal["unused", "stopped"]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to start, on which port (None: a free one), and how long to keep it."""

    part: Part
    port: int | None
    until: Until


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach a server that is ready, and its process."""

    host: str
    port: int
    pid: int


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no server, and the last lines that it said; `taken` is its port, if somebody else listens there."""

    reason: str
    lines: tuple[str, ...] = ()
    taken: int | None = None


class Home(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server's data is and which processes are its keeper and itself: what a killed keeper leaves behind."""

    path: str
    keeper: int
    pid: int | None


Record = TypeVar("Record", Order, Ready, Failed, Home)

FILES: dict[type[msgspec.Struct], str] = {
    Order: "order.json",
    Ready: "ready.json",
    Failed: "failed.json",
    Home: "home.json",
}
LOG = "log"


def write(folder: Path, record: Order | Ready | Failed | Home) -> None:
    """Write a record, whole or not at all."""
    path = folder / FILES[type(record)]
    new = path.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(record))
    new.rename(path)


def read(folder: Path, kind: type[Record]) -> Record | None:
    """A record, if it is there."""
    try:
        return msgspec.json.decode((folder / FILES[kind]).read_bytes(), type=kind)
    except FileNotFoundError:
        return None


def ordered(folder: Path) -> Order:
    """What was ordered; it is there for as long as the folder is used."""
    return msgspec.json.decode((folder / FILES[Order]).read_bytes(), type=Order)


def remove(folder: Path, *kinds: type[msgspec.Struct]) -> None:
    """Remove records, if they are there."""
    for kind in kinds:
        (folder / FILES[kind]).unlink(missing_ok=True)
