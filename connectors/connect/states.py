"""What a worker says of a connector, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStatus:
    """One task. `state` is Connect's word: UNASSIGNED, RUNNING, PAUSED, FAILED, RESTARTING."""

    id: int
    state: str
    worker: str
    trace: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorStatus:
    """A connector and its tasks. `state` may be STOPPED too. RUNNING is not health: a task may have failed beside it."""

    name: str
    state: str
    worker: str
    trace: str | None
    tasks: tuple[TaskStatus, ...]

    @property
    def is_running(self) -> bool:
        """Whether it and all of its tasks run, and there is one."""
        return self.state == "RUNNING" and bool(self.tasks) and all(task.state == "RUNNING" for task in self.tasks)

    @property
    def failure(self) -> str | None:
        """What the first failed one says, on one line; causes stand behind it. None if none has failed."""
        told = [(self.state, self.trace), *((task.state, task.trace) for task in self.tasks)]
        failed = [trace for state, trace in told if state == "FAILED"]
        return reason_of(failed[0] or "it gives no reason") if failed else None

    @property
    def words(self) -> str:
        """The states on one line."""
        tasks = ", ".join(f"task {task.id} {task.state}" for task in self.tasks) or "no task"
        return f"{self.state}, {tasks}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOffset:
    """How far a connector has committed one partition of its source; both are the connector's own words."""

    partition: Mapping[str, Any]
    offset: Mapping[str, Any] | None


def reason_of(trace: str) -> str:
    """A Java stack trace in a line: its message, and the innermost cause if that says something else."""
    lines = trace.splitlines()
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    first = lines[0].strip() if lines else ""
    return f"{first} <- {causes[-1]}" if causes and causes[-1] != first else first


def status_from(said: Mapping[str, Any]) -> ConnectorStatus:
    """The answer of `GET /connectors/NAME/status`."""
    connector = said["connector"]
    return ConnectorStatus(
        name=said["name"],
        state=connector["state"],
        worker=connector["worker_id"],
        trace=connector.get("trace"),
        tasks=tuple(
            TaskStatus(id=task["id"], state=task["state"], worker=task["worker_id"], trace=task.get("trace"))
            for task in said["tasks"]
        ),
    )
