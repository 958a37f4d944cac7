"""One server of the stack: start it, share it, reach it, kill it and start it again, stop it.

    with shared(kafka(jars), folder) as broker:      # the first user starts it, the last one's end is its end
        ... broker.at                                # "127.0.0.1:41235"
        broker.kill(); broker.restart()              # as a crash, and up again on the same port and data

Any number of processes may share a server by its folder, however they end. `started` and `stop` keep one beyond the process
that started it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dragoman.stack.errors import PortTaken, RunsOtherwise, StartFailed
from dragoman.stack.keeper import clean_up
from dragoman.stack.processes import is_free, last_lines
from dragoman.stack.records import LOG, Failed, Home, Order, Part, Ready, ordered, read, remove, write

_LOOK_SECONDS = 0.03
_MARGIN_SECONDS = 60
"""What a keeper may take beside the start itself: making the data ready, stopping a server that does not hear."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is running. Where and which process it is, is asked anew each time: it may have been started again."""

    folder: Path

    @property
    def ready(self) -> Ready:
        """Its record; `StartFailed` where it has ended meanwhile."""
        ready = read(self.folder, Ready)
        if ready is None:
            raise _failure(self.folder)
        return ready

    @property
    def host(self) -> str:
        """Where it listens: always the loopback interface."""
        return self.ready.host

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self.ready.port

    @property
    def at(self) -> str:
        """`127.0.0.1:PORT`, as Kafka's clients want it."""
        ready = self.ready
        return f"{ready.host}:{ready.port}"

    @property
    def log(self) -> Path:
        """What it has said."""
        return self.folder / LOG

    def kill(self) -> None:
        """End it as a crash would (SIGKILL); it is not started again before `restart`."""
        pid = self.ready.pid
        os.killpg(pid, signal.SIGKILL)
        while (ready := read(self.folder, Ready)) is not None and ready.pid == pid:
            time.sleep(_LOOK_SECONDS)

    def restart(self) -> None:
        """Start it again on the same port and data, and wait until it is ready; one that runs is stopped before."""
        _start_again(self.folder)


@contextmanager
def shared(part: Part, folder: Path) -> Iterator[Server]:
    """The server that all users of `folder` share; started by the first of them, gone with the last of them."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "users").open("a") as users:
        with locked(folder / "door"):
            fcntl.flock(users, fcntl.LOCK_SH)  # waits where a keeper is still stopping its server
            _ensure(Order(part=part, port=None, until="unused"), folder)
        yield Server(folder)


def started(part: Part, folder: Path, port: int | None = None) -> Server:
    """The server of this folder, running until it is stopped. `StartFailed`, `PortTaken`, `RunsOtherwise`."""
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "door"):
        _ensure(Order(part=part, port=port, until="stopped"), folder)
    return Server(folder)


def stop(folder: Path) -> None:
    """End the server of this folder, in whatever condition it is, and remove its data; its log stays."""
    if not folder.is_dir():
        return
    with locked(folder / "door"):
        while is_kept(folder):
            if (home := read(folder, Home)) is not None:
                with suppress(ProcessLookupError):
                    os.kill(home.keeper, signal.SIGTERM)
            time.sleep(_LOOK_SECONDS)
        clean_up(folder)


def is_kept(folder: Path) -> bool:
    """Whether the keeper of this folder lives."""
    if not (folder / "alive").exists():
        return False
    with (folder / "alive").open("a") as alive:
        try:
            fcntl.flock(alive, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that a file is; where its holder removed the file, the one that took its place."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not path.exists() or os.fstat(file.fileno()).st_ino != path.stat().st_ino:
                continue
            yield
            return


def _ensure(order: Order, folder: Path) -> None:
    """Running as ordered. The door is ours, so that nobody else starts or stops it."""
    deadline = time.monotonic() + _patience(order.part)
    while is_kept(folder):
        if read(folder, Ready) is not None:
            _compare(order, ordered(folder), folder)
            return
        if read(folder, Failed) is not None:
            _start_again(folder)
        elif time.monotonic() > deadline:
            raise _failure(folder)
        time.sleep(_LOOK_SECONDS)
    clean_up(folder)
    if order.port is not None and not is_free(order.port):
        raise PortTaken(part=order.part.name, port=order.port)
    write(folder, order)
    _spawn(folder, deadline)


def _start_again(folder: Path) -> None:
    """Ask the keeper for the server once more, on its port and data, and wait until it is ready."""
    deadline = time.monotonic() + _patience(ordered(folder).part)
    before = read(folder, Ready)
    remove(folder, Failed)
    if (home := read(folder, Home)) is not None:
        with suppress(ProcessLookupError):
            os.kill(home.keeper, signal.SIGHUP)
    while read(folder, Ready) in (None, before):
        if read(folder, Failed) is not None or not is_kept(folder) or time.monotonic() > deadline:
            raise _failure(folder)
        time.sleep(_LOOK_SECONDS)


def _spawn(folder: Path, deadline: float) -> None:
    command = [sys.executable, "-P", "-m", "dragoman.stack.keeper", str(folder.resolve())]
    quiet = subprocess.DEVNULL
    # A session of its own: Ctrl-C reaches us, and the keeper then sees our lock go.
    keeper = subprocess.Popen(  # noqa: S603
        command, cwd="/", start_new_session=True, stdin=quiet, stdout=quiet, stderr=quiet
    )
    try:
        while read(folder, Ready) is None and keeper.poll() is None and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
    finally:
        if read(folder, Ready) is None:  # who is interrupted while it starts leaves nothing
            keeper.terminate()
            keeper.wait()
    if read(folder, Ready) is None:
        raise _failure(folder)
    keeper.returncode = 0  # it outlives this process: no wait, and no warning that there was none


def _compare(wanted: Order, running: Order, folder: Path) -> None:
    part = wanted.part
    changed = [name for name in part.__struct_fields__ if getattr(part, name) != getattr(running.part, name, None)]
    if changed:
        raise RunsOtherwise(part=part.title, difference=f"{', '.join(changed)} would change")
    ready = read(folder, Ready)
    if ready is not None and wanted.port not in (None, ready.port):
        raise RunsOtherwise(part=part.title, difference=f"it listens on port {ready.port}")


def _patience(part: Part) -> float:
    return part.start_seconds + _MARGIN_SECONDS


def _failure(folder: Path) -> StartFailed | PortTaken:
    part = ordered(folder).part
    failed = read(folder, Failed) or Failed(reason="its keeper ended without a word", lines=last_lines(folder / LOG))
    if failed.taken is not None:
        return PortTaken(part=part.name, port=failed.taken)
    said = failed.lines[-1].strip() if failed.lines else "nothing"
    return StartFailed(part=part.title, reason=failed.reason, said=said, log=folder / LOG, lines=failed.lines)
