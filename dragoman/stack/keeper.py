"""Starts one server and keeps it until it is told to stop, or until nobody holds a lock on its `users` file any more.

    python -m dragoman.stack.keeper FOLDER

A process of its own, so that the server outlives none of its users: however they end, the kernel gives up their locks; and
should this process be killed, the server goes with it. The folder's records say what to start, how to reach it, or why it is
not there. SIGTERM ends it; SIGHUP starts the server again, on the same port and data.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Literal, TextIO

from dragoman.stack.binaries import runner
from dragoman.stack.processes import HOST, free_port, kill_leftover, last_lines, start, stop
from dragoman.stack.records import LOG, Failed, Home, Order, Part, Ready, ordered, read, remove, write

_ATTEMPTS = 3
_LOOK_SECONDS = 0.05
_IN_USE = "already in use"


class NotStarted(Exception):
    """A server ended, or did not answer in time, before it was ready."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.reason)
        self.failed = failed


class Keeper:
    """One server, its folder and its data."""

    def __init__(self, folder: Path, home: Path, order: Order) -> None:
        self._folder = folder
        self._home = home
        self._part = order.part
        self._order = order
        self._user = runner(order.part.user)
        self._server: subprocess.Popen[bytes] | None = None
        self._asked: Literal["nothing", "start", "stop"] = "nothing"

    def keep(self) -> None:
        """Start, wait for the end, stop."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._hear)
        try:
            port = self._first_start()
            with (self._folder / "users").open("a") as users:
                while not self._ended(users):
                    self._look(port)
                    time.sleep(_LOOK_SECONDS)
                self._end()  # before the lock goes: a new user waits until nothing is left
        finally:
            self._end()

    def _hear(self, number: int, _: object) -> None:
        if self._asked != "stop":
            self._asked = "start" if number == signal.SIGHUP else "stop"

    def _ended(self, users: TextIO) -> bool:
        if self._asked == "stop" or self._order.until == "stopped":
            return self._asked == "stop"
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _look(self, port: int) -> None:
        """Start again if that is asked; take the promise back where the server has ended by itself."""
        if self._asked == "start":
            self._asked = "nothing"
            self._end()
            try:
                self._start(port)
            except NotStarted as error:
                write(self._folder, error.failed)
        elif self._server is not None and self._server.poll() is not None and read(self._folder, Ready) is not None:
            reason = f"it ended by itself ({_exit(self._server)})"
            # Before the promise goes: who saw it go and asks for a new start must not find this afterwards.
            write(self._folder, Failed(reason=reason, lines=last_lines(self._folder / LOG)))
            remove(self._folder, Ready)

    def _first_start(self) -> int:
        """The port that it listens on: another free one where somebody was quicker."""
        for attempt in range(_ATTEMPTS):
            port = self._order.port or free_port()
            try:
                self._initialise(port)
                self._start(port)
            except NotStarted as error:
                if error.failed.taken is None or self._order.port is not None or attempt == _ATTEMPTS - 1:
                    raise
                shutil.rmtree(self._home / "data", ignore_errors=True)
            else:
                return port
        raise AssertionError("the last attempt returns or raises")

    def _initialise(self, port: int) -> None:
        for command in self._part.initialise(self._home, port):
            done = subprocess.run(  # noqa: S603 - the parts' own commands
                command, user=self._user, cwd=self._home, capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                log = self._folder / LOG
                with log.open("a") as file:
                    file.write(done.stdout + done.stderr)
                reason = f"`{Path(command[0]).name}`, which makes its data ready, failed"
                raise NotStarted(Failed(reason=reason, lines=last_lines(log)))

    def _start(self, port: int) -> None:
        log = self._folder / LOG
        begin = log.stat().st_size if log.exists() else 0
        self._server = start(self._part.command(self._home, port), home=self._home, log=log, user=self._user)
        write(self._folder, Home(path=str(self._home), keeper=os.getpid(), pid=self._server.pid))
        deadline = time.monotonic() + self._part.start_seconds
        while self._server.poll() is not None or not self._part.is_ready(port):
            ended = self._server.poll() is not None
            if ended or self._asked == "stop" or time.monotonic() > deadline:
                raise NotStarted(self._why(self._server, ended, begin, port))
            time.sleep(_LOOK_SECONDS)
        remove(self._folder, Failed)
        write(self._folder, Ready(host=HOST, port=port, pid=self._server.pid))

    def _why(self, server: subprocess.Popen[bytes], ended: bool, begin: int, port: int) -> Failed:
        log = self._folder / LOG
        stop(server)
        reason = f"it ended ({_exit(server)})" if ended else f"it did not answer within {self._part.start_seconds} s"
        said = log.read_bytes()[begin:].decode("utf-8", "replace").lower()
        return Failed(reason=reason, lines=last_lines(log), taken=port if ended and _IN_USE in said else None)

    def _end(self) -> None:
        remove(self._folder, Ready)
        if self._server is not None:
            stop(self._server)


def _exit(server: subprocess.Popen[bytes]) -> str:
    code = server.returncode
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def clean_up(folder: Path) -> None:
    """Remove what a keeper that was killed has left: its server, where that lives on, and its data."""
    home = read(folder, Home)
    if home is not None:
        if home.pid is not None:
            kill_leftover(home.pid, Path(home.path))
        shutil.rmtree(home.path, ignore_errors=True)
    remove(folder, Home, Ready, Failed)


def _make_home(folder: Path, part: Part) -> Path:
    """A folder for the server's data."""
    if part.user is None:
        home = folder / "data"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        return home
    # Short, as a socket's path has to be, and open to the server's own user, as ours may not be.
    home = Path(tempfile.mkdtemp(prefix=f"dragoman-{part.name}-"))
    if (user := runner(part.user)) is not None:
        shutil.chown(home, user)
    return home


def main(folder: Path) -> None:
    """Keep what the folder orders, and leave nothing of its data."""
    with (folder / "alive").open("a") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)  # held for as long as we live: whoever gets it knows that we do not
        order = ordered(folder)
        home = _make_home(folder, order.part)
        write(folder, Home(path=str(home), keeper=os.getpid(), pid=None))
        try:
            Keeper(folder, home, order).keep()
        except NotStarted as error:
            write(folder, error.failed)
        except BaseException:
            write(folder, Failed(reason="its keeper failed", lines=tuple(traceback.format_exc().splitlines())))
            raise
        finally:
            shutil.rmtree(home, ignore_errors=True)
            remove(folder, Home)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
