"""A cluster of Kafka Connect in memory, over HTTP as httpx sees it: it keeps what it is told, and fails as it is told to.

The contract suite holds it to what the real worker does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx

from connectors.connect import ConnectClient

CLASS = "io.debezium.connector.postgresql.PostgresConnector"
POSITION = {"lsn": 7, "lsn_proc": 7, "lsn_commit": 7}


@dataclass
class Kept:
    """One connector. It commits a position as soon as it runs."""

    config: dict[str, str]
    state: str = "RUNNING"
    offsets: list[dict[str, Any]] = field(default_factory=list)
    restarts: int = 0


Fault = Callable[[Callable[[], httpx.Response]], httpx.Response]
"""What becomes of one request, given how it would be done."""


def well(do: Callable[[], httpx.Response]) -> httpx.Response:
    """Done, and answered."""
    return do()


def rebalance(_: Callable[[], httpx.Response]) -> httpx.Response:
    """Not done: the workers agree who does what."""
    return refused(409, "Cannot complete request because of a conflicting operation (e.g. worker rebalance)")


def lost(do: Callable[[], httpx.Response]) -> httpx.Response:
    """Done, and the answer is lost."""
    do()
    raise httpx.ReadTimeout("no answer")


def timed_out(do: Callable[[], httpx.Response]) -> httpx.Response:
    """Done, later than the worker waits for its leader."""
    do()
    return refused(500, "Request timed out. The worker is currently polling the group coordinator.")


def unreached(_: Callable[[], httpx.Response]) -> httpx.Response:
    """Not done: nobody there."""
    raise httpx.ConnectError("refused")


def badly_forwarded(_: Callable[[], httpx.Response]) -> httpx.Response:
    """Not done: the worker that was asked could not reach the leader, or was told something else than it knows."""
    return refused(500, "Unexpected status code when handling forwarded request: 502")


def proxy_page(_: Callable[[], httpx.Response]) -> httpx.Response:
    """Not done: something before the worker answers, and not in JSON."""
    return httpx.Response(502, content=b"<html>Bad gateway</html>")


FAULTS: tuple[Fault, ...] = (well, rebalance, lost, timed_out, unreached, badly_forwarded, proxy_page)


def refused(status: int, message: str) -> httpx.Response:
    """As Connect refuses."""
    return httpx.Response(status, json={"error_code": status, "message": message})


class FakeCluster:
    """Time passes only while somebody waits. `faults` meet the requests one after the other; then all goes well."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.kept: dict[str, Kept] = {}
        self.faults = list(faults)
        self.asked: list[str] = []
        self.now = 0.0
        self.version = "3.6.3.Final"
        self.wrong: dict[str, str] = {}

    def client(self, url: str = "http://a:8083") -> ConnectClient:
        """A client of the cluster."""
        transport = httpx.Client(transport=httpx.MockTransport(self._answer))
        return ConnectClient(url, transport, clock=lambda: self.now, pause=self._pause)

    def _pause(self, seconds: float) -> None:
        self.now += seconds

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url}")
        body = json.loads(request.content) if request.content else None
        fault = self.faults.pop(0) if self.faults else well
        return fault(lambda: self._do(request.method, request.url.path.strip("/").split("/"), body, request.url.params))

    def _do(self, method: str, path: list[str], body: Any, params: httpx.QueryParams) -> httpx.Response:
        match (method, *path):
            case ("GET", "connector-plugins"):
                return httpx.Response(200, json=[{"class": CLASS, "type": "source", "version": self.version}])
            case ("PUT", "connector-plugins", _, "config", "validate"):
                values = [{"value": {"name": name, "errors": [why]}} for name, why in self.wrong.items()]
                return httpx.Response(200, json={"error_count": len(self.wrong), "configs": values})
            case ("GET", ""):
                return httpx.Response(200, json={"version": "4.3.0", "commit": "a", "kafka_cluster_id": "c"})
            case ("GET", "connectors"):
                if params.get("expand") == "info":
                    listed = {name: {"info": {"name": name, "config": one.config}} for name, one in self.kept.items()}
                    return httpx.Response(200, json=listed)
                return httpx.Response(200, json=list(self.kept))
            case ("PUT", "connectors", name, "config"):
                return self._put(name, body)
            case (_, "connectors", name, *_) if name not in self.kept:
                return refused(404, f"Connector {name} not found")
            case (_, "connectors", name, *rest):
                return self._of(self.kept[name], name, method, rest, body)
        return refused(404, "HTTP 404 Not Found")

    def _put(self, name: str, config: dict[str, str]) -> httpx.Response:
        if config["connector.class"] != CLASS:
            return refused(400, f"Failed to find any class that implements Connector: {config['connector.class']}")
        created = name not in self.kept
        one = self.kept.setdefault(name, Kept(config))
        one.config = config
        self._commit(one)
        return httpx.Response(201 if created else 200, json={"name": name, "config": config})

    def _commit(self, one: Kept) -> None:
        if one.state == "RUNNING" and not one.offsets:
            server = {"server": one.config.get("topic.prefix", "")}
            one.offsets = [{"partition": server, "offset": POSITION}]

    def _of(self, one: Kept, name: str, method: str, rest: list[str], body: Any) -> httpx.Response:
        match (method, *rest):
            case ("GET", "config"):
                return httpx.Response(200, json=one.config)
            case ("GET", "status"):
                tasks = [] if one.state == "STOPPED" else [{"id": 0, "state": one.state, "worker_id": "a"}]
                connector = {"state": one.state, "worker_id": "a"}
                return httpx.Response(200, json={"name": name, "connector": connector, "tasks": tasks})
            case ("GET", "offsets"):
                return httpx.Response(200, json={"offsets": one.offsets})
            case ("PATCH" | "DELETE", "offsets") if one.state != "STOPPED":
                return refused(400, "Connectors must be in the STOPPED state before their offsets can be modified.")
            case ("PATCH", "offsets"):
                one.offsets = body["offsets"]
                return httpx.Response(200, json={"message": "altered"})
            case ("DELETE", "offsets"):
                one.offsets = []
                return httpx.Response(200, json={"message": "reset"})
            case ("POST", "restart"):
                one.restarts += 1
                return httpx.Response(202, json={})
            case ("DELETE",):
                del self.kept[name]
                return httpx.Response(204)
            case ("PUT", "pause" | "resume" | "stop" as word):
                one.state = {"pause": "PAUSED", "resume": "RUNNING", "stop": "STOPPED"}[word]
                self._commit(one)
                return httpx.Response(202)
        return refused(405, "HTTP 405 Method Not Allowed")
