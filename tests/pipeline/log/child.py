"""What the tests run as a process of its own: `python -m tests.pipeline.log.child <what> <log file>`."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Generator
from contextlib import closing, suppress
from pathlib import Path

from pipeline.log.embedded import EmbeddedLog
from pipeline.log.port import Outgoing, TopicSpec
from translators.errors import DragomanError

FEED = TopicSpec(name="feed", kind="feed", partitions=2)
FILE_SIZE_LIMIT = 400_000
NOBODY = 65534


def batch(number: int) -> list[Outgoing]:
    """Batch `number`: 1 to 40 records on both partitions, each of which names the batch, its place and its length."""
    size = number * 7 % 40 + 1
    return [
        Outgoing(
            topic="feed", timestamp=number, key=b"%d" % place, value=b"%d %d %d" % (number, place, size) + b"." * 300
        )
        for place in range(size)
    ]


def append_for_ever(path: Path, first: int = 0) -> Generator[int, None, None]:
    """Append batch after batch; each number comes out once its append was acknowledged."""
    with closing(EmbeddedLog(path, worker=True)) as log:
        log.create(FEED)
        number = first
        while True:
            log.append(batch(number))
            yield number
            number += 1


def tell(path: Path, first: int) -> None:
    """Print the number of each acknowledged batch, and at last the code of the error that ended it."""
    try:
        for number in append_for_ever(path, first):
            print(number, flush=True)
    except DragomanError as error:
        print(error.code, flush=True)


def tell_when_asked(path: Path) -> None:
    """One batch for each line that comes in."""
    for _, number in zip(sys.stdin, append_for_ever(path), strict=False):
        print(number, flush=True)


def hold(path: Path) -> None:
    """Be the worker until killed."""
    with closing(EmbeddedLog(path, worker=True)):
        print("holding", flush=True)
        sys.stdin.read()


def open_as_nobody(path: Path) -> None:
    """Open and append, as worker and then not: as a user without rights, where this process may change its user."""
    with suppress(PermissionError):
        os.setgroups([])
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    for worker in (True, False):
        try:
            with closing(EmbeddedLog(path, worker=worker)) as log:
                print("opened", flush=True)
                log.append(batch(0))
        except DragomanError as error:
            print(error.code, flush=True)


def main() -> None:
    what, path = sys.argv[1], Path(sys.argv[2])
    match what:
        case "append":
            tell(path, int(sys.argv[3]))
        case "append-with-limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE_LIMIT, FILE_SIZE_LIMIT))
            tell(path, 0)
        case "append-when-asked":
            tell_when_asked(path)
        case "hold":
            hold(path)
        case "open-as-nobody":
            open_as_nobody(path)
        case _:
            raise SystemExit(f"unknown: {what}")


if __name__ == "__main__":
    main()
