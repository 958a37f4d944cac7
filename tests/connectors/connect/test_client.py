"""What a worker of Connect may answer, and what is made of it: a worker played by a list of answers."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import pytest

from connectors.connect import ConnectClient
from connectors.connect.errors import (
    ConnectDenied,
    ConnectorFailed,
    ConnectorIdle,
    ConnectorNameUnusable,
    ConnectorUnknown,
    ConnectRefused,
    ConnectUnreachable,
    ConnectUntrusted,
)
from connectors.connect.secrets import shown

Answer = httpx.Response | Exception
LOST = httpx.ReadTimeout("no answer")
CONFIG = {"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "database.password": "hunter2"}
HELD = {**CONFIG, "name": "legacy"}


def says(status: int, body: Any = None) -> httpx.Response:
    """An answer as Connect gives it."""
    return httpx.Response(status) if body is None else httpx.Response(status, json=body)


def refuses(status: int, message: str) -> httpx.Response:
    """A refusal as Connect gives it."""
    return says(status, {"error_code": status, "message": message})


def stands(state: str, *tasks: str, trace: str = "") -> httpx.Response:
    """The answer to a question for the status."""
    listed = [{"id": at, "state": one, "worker_id": "w", "trace": trace} for at, one in enumerate(tasks)]
    return says(200, {"name": "legacy", "connector": {"state": state, "worker_id": "w"}, "tasks": listed})


class Played:
    """A worker that gives its answers one after the other, the last one for ever; time passes only while somebody waits."""

    def __init__(self, answers: Iterable[Answer | Callable[[], Answer]]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []
        self.bodies: list[Any] = []
        self.now = 0.0
        client = httpx.Client(transport=httpx.MockTransport(self._answer))
        self.client = ConnectClient("http://connect:8083/", client, clock=lambda: self.now, pause=self._pause)

    def _pause(self, seconds: float) -> None:
        self.now += seconds

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.raw_path.decode()}")
        self.bodies.append(json.loads(request.content) if request.content else None)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, httpx.Response)
        return httpx.Response(answer.status_code, content=answer.content)


@pytest.mark.parametrize(
    "busy",
    [
        refuses(
            409,
            "Cannot complete request momentarily due to stale configuration (typically caused by a concurrent config change)",
        ),
        refuses(409, "Cannot complete request because of a conflicting operation (e.g. worker rebalance)"),
        refuses(
            409,
            "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway.",
        ),
        refuses(500, "Request timed out. The worker is currently polling the group coordinator."),
        refuses(500, "IO Error trying to forward REST request: java.net.ConnectException"),
        refuses(500, "Request cannot be completed because a rebalance is expected"),
        refuses(500, "Unexpected status code when handling forwarded request: 502"),
        httpx.Response(503, content=b"<html>starting</html>"),
        httpx.Response(200, content=b"<html>Sign in</html>"),
        httpx.ConnectError("refused"),
        LOST,
    ],
)
def test_a_busy_worker_is_asked_again(busy: Answer) -> None:
    worker = Played([busy, busy, says(200, ["legacy"])])
    assert worker.client.names() == ("legacy",)
    assert worker.asked == ["GET /connectors"] * 3
    assert worker.now == pytest.approx(0.25 + 0.5)


def test_one_that_stays_busy_is_given_up_after_the_patience() -> None:
    worker = Played([refuses(409, "conflicting operation (e.g. worker rebalance)")])
    with pytest.raises(ConnectUnreachable, match="conflicting operation"):
        worker.client.names()
    assert 60 < worker.now <= 90
    assert len(worker.asked) < 30


@pytest.mark.parametrize(
    "refusal",
    [
        refuses(409, "Connector legacy already exists"),
        refuses(400, "Connector configuration is invalid and contains the following 1 error(s)"),
        refuses(500, "Unrecognized field"),
        httpx.Response(400, content=b"<html>Ambiguous URI path separator</html>"),
    ],
)
def test_a_refusal_is_told_at_once(refusal: httpx.Response) -> None:
    worker = Played([says(404, {}), refusal])
    with pytest.raises(ConnectRefused):
        worker.client.put("legacy", CONFIG)
    assert worker.now == 0


@pytest.mark.parametrize("status", [401, 403])
def test_who_may_not_ask_is_told_at_once(status: int) -> None:
    worker = Played([httpx.Response(status, content=b"<html>who are you?</html>")])
    with pytest.raises(ConnectDenied, match=f"GET /connectors \\({status}\\)"):
        worker.client.names()
    assert worker.now == 0


def test_a_certificate_that_is_not_trusted_is_told_at_once() -> None:
    broken = httpx.ConnectError("handshake")
    broken.__cause__ = ssl.SSLCertVerificationError(1, "certificate verify failed")
    broken.__cause__.verify_message = "self-signed certificate"
    worker = Played([broken])
    with pytest.raises(ConnectUntrusted, match="self-signed certificate"):
        worker.client.names()
    assert worker.now == 0


def test_a_configuration_that_is_held_already_is_not_put_again() -> None:
    worker = Played([says(200, HELD)])
    assert worker.client.put("legacy", CONFIG) is False
    assert worker.asked == ["GET /connectors/legacy/config"]


def test_a_configuration_whose_answer_was_lost_is_compared_before_it_is_put_again() -> None:
    taken = Played([says(404, {}), LOST, says(200, HELD)])
    assert taken.client.put("legacy", CONFIG) is True
    assert [one.partition(" ")[0] for one in taken.asked] == ["GET", "PUT", "GET"]
    lost = Played([says(404, {}), LOST, says(404, {}), says(201, HELD)])
    assert lost.client.put("legacy", CONFIG) is True
    assert [one.partition(" ")[0] for one in lost.asked] == ["GET", "PUT", "GET", "PUT"]
    assert lost.bodies[-1] == HELD


def test_a_connector_that_is_not_there() -> None:
    worker = Played([refuses(404, "Connector legacy not found")])
    assert worker.client.status("legacy") is None
    assert worker.client.config("legacy") is None
    worker.client.delete("legacy")
    for call in (
        worker.client.pause,
        worker.client.resume,
        worker.client.stop,
        worker.client.restart,
        worker.client.offsets,
    ):
        with pytest.raises(ConnectorUnknown, match="legacy"):
            call("legacy")


def test_closing_gives_up_the_connections() -> None:
    worker = Played([says(200, [])])
    with worker.client as client:
        assert client.names() == ()
    with pytest.raises(RuntimeError, match="closed"):
        client.names()


def test_what_is_asked_for() -> None:
    worker = Played([says(202)])
    client = worker.client
    client.pause("a")
    client.resume("a")
    client.stop("a")
    client.restart("a")
    client.restart("a", only_failed=True)
    client.reset_offsets("a")
    client.delete("a")
    assert worker.asked == [
        "PUT /connectors/a/pause",
        "PUT /connectors/a/resume",
        "PUT /connectors/a/stop",
        "POST /connectors/a/restart?includeTasks=true&onlyFailed=false",
        "POST /connectors/a/restart?includeTasks=true&onlyFailed=true",
        "DELETE /connectors/a/offsets",
        "DELETE /connectors/a",
    ]


@pytest.mark.parametrize("name", ["a/b", "", " a", ".", "a b", "a?b", "../b", "a\n"])
def test_a_name_that_could_not_be_addressed_again_is_refused_here(name: str) -> None:
    worker = Played([says(200, {})])
    with pytest.raises(ConnectorNameUnusable):
        worker.client.put(name, CONFIG)
    assert worker.asked == []


def test_running_is_not_working_before_an_offset_is_committed() -> None:
    offsets = {"offsets": [{"partition": {"server": "legacy"}, "offset": {"lsn": 7}}]}
    unheard = refuses(404, "No status found for connector legacy")
    running = stands("RUNNING", "RUNNING")
    worker = Played([unheard, stands("RUNNING"), running, says(200, {"offsets": []}), running, says(200, offsets)])
    assert worker.client.wait_until_working("legacy").is_running


def test_a_failed_task_beside_a_running_connector_is_a_failure_with_its_causes() -> None:
    trace = "org.apache.kafka.ConnectException: boom\n\tat a.b(C.java:1)\nCaused by: x.Y: password=hunter2 is wrong\n\tat d\n"
    worker = Played([stands("RUNNING", "FAILED", trace=trace)] * 30 + [says(200, HELD)])
    with pytest.raises(ConnectorFailed, match=r"boom <- x\.Y: password=\*\*\* is wrong"):
        worker.client.wait_until_running("legacy")


def test_a_failure_of_the_configuration_before_is_waited_out() -> None:
    failed = stands("RUNNING", "FAILED", trace="old")
    worker = Played([failed, failed, stands("RUNNING", "RUNNING")])
    assert worker.client.wait_until_running("legacy").is_running


def test_one_that_never_runs_is_told_with_its_state() -> None:
    worker = Played([stands("RUNNING", "UNASSIGNED")])
    with pytest.raises(ConnectorIdle, match="RUNNING, task 0 UNASSIGNED"):
        worker.client.wait_until_running("legacy", 5)
    assert worker.now == pytest.approx(5.25, abs=0.26)


def test_paused_means_the_tasks_too() -> None:
    worker = Played([stands("PAUSED", "RUNNING"), stands("PAUSED", "PAUSED")])
    assert [task.state for task in worker.client.wait_until_state("legacy", "PAUSED").tasks] == ["PAUSED"]


def test_no_secret_is_repeated() -> None:
    said = "Error while validating: jdbc:postgresql://me:hunter2@db/x?password=other failed for hunter2"
    worker = Played([says(404, {}), refuses(400, said)])
    with pytest.raises(ConnectRefused) as refused:
        worker.client.put("legacy", CONFIG)
    assert "hunter2" not in refused.value.message
    assert "other" not in refused.value.message
    assert shown({**CONFIG, "a.password": "${env:PW}"}) == {
        **CONFIG,
        "database.password": "***",
        "a.password": "${env:PW}",
    }


def test_validation_names_the_settings_that_are_wrong() -> None:
    values = [
        {"value": {"name": "database.hostname", "errors": ["cannot connect with hunter2"]}},
        {"value": {"name": "slot.name", "errors": []}},
    ]
    worker = Played([says(200, {"configs": values})])
    assert worker.client.validate("legacy", CONFIG) == (("database.hostname", "cannot connect with ***"),)
    assert worker.asked == ["PUT /connector-plugins/PostgresConnector/config/validate"]
