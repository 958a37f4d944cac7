"""A worker of Kafka Connect over REST: https://kafka.apache.org/documentation/#connect_rest

Everything here may be repeated without harm, and is, for as long as Connect says that it is busy (a rebalance, a worker that
starts, a leader that does not answer) or an answer is lost. A configuration is compared before it is put again: after a
timeout Connect may have taken it all the same.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import msgspec

from connectors.connect.errors import (
    ConnectDenied,
    ConnectHttpxMissing,
    ConnectorFailed,
    ConnectorIdle,
    ConnectorNameUnusable,
    ConnectorUnknown,
    ConnectRefused,
    ConnectUnreachable,
    ConnectUntrusted,
)
from connectors.connect.secrets import redacted
from connectors.connect.states import ConnectorStatus, SourceOffset, status_from

if TYPE_CHECKING:
    import ssl

    import httpx

PATIENCE = 90.0
"""Seconds for which a busy worker is asked again: more than a rebalance takes."""
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0
QUICK, SLOW = 10.0, 120.0
"""Seconds to wait for an answer: validation asks the database itself, and Connect waits 90 s for its leader."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_EXISTS = "already exists"
_PASSING = ("timed out", "trying to forward", "handling forwarded request", "rebalance is expected")
"""What a worker says when it, or the leader that it asked, could not do it just then."""
_LOOK_SECONDS = 0.25
_STALE_SECONDS = 3.0
"""How long a failure may be that of the configuration before."""


class Busy(Exception):
    """The worker could not be asked, did not answer, or answers that it is busy."""


class ConnectClient:
    """One Connect cluster, by the URLs of some of its workers, with commas between: one that is busy or does not answer is
    left for the next. `clock` counts seconds, `pause` waits some. To be closed.
    """

    def __init__(
        self,
        url: str,
        client: httpx.Client | None = None,
        *,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._urls = [one.strip().rstrip("/") for one in url.split(",")]
        self._client = client or http_client()
        self._patience = patience
        self._clock = clock
        self._pause = pause

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up the connections."""
        self._client.close()

    def worker(self) -> Mapping[str, Any]:
        """Its `version`, `commit` and `kafka_cluster_id`."""
        return _mapping(self._ask("GET", "/"))

    def plugins(self) -> dict[str, str]:
        """The connectors that it can run: class -> version."""
        return {one["class"]: one["version"] for one in self._ask("GET", "/connector-plugins")}

    def configs(self) -> dict[str, dict[str, str]]:
        """The configurations of all connectors, by name."""
        said = self._ask("GET", "/connectors?expand=info")
        return {name: dict(one["info"]["config"]) for name, one in said.items()}

    def names(self) -> tuple[str, ...]:
        """The connectors that there are."""
        return tuple(self._ask("GET", "/connectors"))

    def config(self, name: str) -> dict[str, str] | None:
        """A connector's configuration as the worker holds it, its `name` included; None if there is none."""
        try:
            return dict(_mapping(self._ask("GET", _path(name, "/config"))))
        except ConnectorUnknown:
            return None

    def validate(self, name: str, config: Mapping[str, str], wait: float = SLOW) -> tuple[tuple[str, str], ...]:
        """What is wrong with a configuration, as (setting, reason); Debezium tries the database for it, for `wait` seconds."""
        kind = config["connector.class"].rpartition(".")[2]
        said = self._ask("PUT", f"/connector-plugins/{kind}/config/validate", {**config, "name": name}, wait=wait)
        values = [one["value"] for one in said["configs"]]
        return tuple((one["name"], redacted(why, config)) for one in values for why in one["errors"])

    def put(self, name: str, config: Mapping[str, str]) -> bool:
        """Declare a connector: whether anything had to be changed. `ConnectRefused` with the reason."""
        wanted = {**config, "name": name}
        if self.config(name) == wanted:
            return False
        self._tried("PUT", _path(name, "/config"), lambda: self._put(name, wanted))
        return True

    def _put(self, name: str, wanted: Mapping[str, str]) -> None:
        try:
            self._once("PUT", _path(name, "/config"), wanted, SLOW)
        except Busy:
            if self.config(name) != wanted:
                raise

    def status(self, name: str) -> ConnectorStatus | None:
        """How it stands; None if there is none, or none that the worker has heard of yet."""
        try:
            return status_from(_mapping(self._ask("GET", _path(name, "/status"))))
        except ConnectorUnknown:
            return None

    def offsets(self, name: str) -> tuple[SourceOffset, ...]:
        """How far its source is committed; nothing before its first commit. `ConnectorUnknown`."""
        said = self._ask("GET", _path(name, "/offsets"))["offsets"]
        return tuple(SourceOffset(partition=one["partition"], offset=one["offset"]) for one in said)

    def alter_offsets(self, name: str, offsets: Sequence[SourceOffset]) -> None:
        """Say how far a stopped connector came. Connect takes anything: whoever calls has asked the source.

        `ConnectRefused` for one that is not stopped.
        """
        listed = [{"partition": dict(one.partition), "offset": one.offset} for one in offsets]
        self._ask("PATCH", _path(name, "/offsets"), {"offsets": listed})

    def reset_offsets(self, name: str) -> None:
        """Forget how far a stopped connector came. `ConnectRefused` for one that is not stopped. A slot stays where it is."""
        self._ask("DELETE", _path(name, "/offsets"))

    def pause(self, name: str) -> None:
        """Let it rest; its tasks and a slot stay. Done when `status` says so."""
        self._ask("PUT", _path(name, "/pause"))

    def resume(self, name: str) -> None:
        """Let a paused or stopped one go on."""
        self._ask("PUT", _path(name, "/resume"))

    def stop(self, name: str) -> None:
        """End its tasks; the offsets stay, and may be changed then."""
        self._ask("PUT", _path(name, "/stop"))

    def restart(self, name: str, *, only_failed: bool = False) -> None:
        """Start it and its tasks again, or only those that have failed."""
        failed = "true" if only_failed else "false"
        self._ask("POST", _path(name, f"/restart?includeTasks=true&onlyFailed={failed}"))

    def delete(self, name: str) -> None:
        """Remove it, if it is there. Its offsets stay: one of the same name goes on where this one was."""
        try:
            self._ask("DELETE", _path(name))
        except ConnectorUnknown:
            return

    def wait_until_running(self, name: str, seconds: float = 120) -> ConnectorStatus:
        """Wait until it and its tasks run. `ConnectorFailed` once one has failed for good, `ConnectorIdle` in the end."""
        return self._wait(name, seconds, lambda status: status.is_running)

    def wait_until_working(self, name: str, seconds: float = 120) -> ConnectorStatus:
        """Wait until it runs and has committed how far its source is read: RUNNING alone is said before anything is tried."""
        return self._wait(name, seconds, lambda status: status.is_running and bool(self.offsets(name)))

    def wait_until_moving(
        self, name: str, mark: Callable[[], object], seconds: float = 120, *, changed: bool = True
    ) -> ConnectorStatus:
        """Wait until it runs and something has moved that only a working connector moves: `mark` tells how far things are.

        What moves right after it was `changed` may be the last word of the task before, and does not count.
        """
        end = self._clock() + seconds
        self.wait_until_running(name, seconds)
        if changed:
            self._pause(_STALE_SECONDS)
        status, before = self.wait_until_running(name, max(0.0, end - self._clock())), mark()
        while mark() == before:
            if self._clock() > end:
                reason = f"{status.words}, but no record, heartbeat or offset of it moves"
                raise ConnectorIdle(name=name, seconds=seconds, reason=reason)
            self._pause(2 * _LOOK_SECONDS)
            status = self.wait_until_running(name, max(0.0, end - self._clock()))
        return status

    def wait_until_state(self, name: str, state: str, seconds: float = 60) -> ConnectorStatus:
        """Wait until the connector and its tasks are in a state, such as PAUSED or STOPPED."""
        return self._wait(name, seconds, lambda status: {status.state, *(t.state for t in status.tasks)} == {state})

    def _wait(self, name: str, seconds: float, done: Callable[[ConnectorStatus], bool]) -> ConnectorStatus:
        begin = last_well = self._clock()
        while True:
            status = self.status(name)
            failure = status.failure if status else None
            if failure is None:
                last_well = self._clock()
                if status is not None and done(status):
                    return status
            elif self._clock() > last_well + _STALE_SECONDS:
                raise ConnectorFailed(name=name, reason=redacted(failure, self.config(name) or {}))
            if self._clock() > begin + seconds:
                raise ConnectorIdle(
                    name=name, seconds=seconds, reason=status.words if status else "it is not known yet"
                )
            self._pause(_LOOK_SECONDS)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, wait: float = QUICK) -> Any:
        return self._tried(method, path, lambda: self._once(method, path, body, wait))

    def _tried(self, method: str, path: str, call: Callable[[], Any]) -> Any:
        """What the call answers, once the worker is not busy any more."""
        begin, pause = self._clock(), FIRST_PAUSE
        while True:
            try:
                return call()
            except Busy as busy:
                if self._clock() + pause > begin + self._patience:
                    raise ConnectUnreachable(
                        url=redacted(self._urls[0], {}),
                        request=f"{method} {path}",
                        seconds=self._clock() - begin,
                        reason=str(busy),
                    ) from busy
                self._urls.append(self._urls.pop(0))
            self._pause(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _once(self, method: str, path: str, body: Mapping[str, Any] | None, wait: float) -> Any:
        import httpx

        content = None if body is None else msgspec.json.encode(body)
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        try:
            answer = self._client.request(
                method, f"{self._urls[0]}{path}", content=content, headers=headers, timeout=wait
            )
        except httpx.TransportError as error:
            if (reason := _untrusted(error)) is not None:
                raise ConnectUntrusted(url=redacted(self._urls[0], {}), reason=reason) from error
            raise Busy(f"{type(error).__name__}: {error}") from error
        if answer.is_success:
            said = _body(answer)
            if method == "GET" and said is None:
                raise Busy("what answers is not Kafka Connect")
            return said
        raise self._refusal(method, path, answer, body or {})

    def _refusal(self, method: str, path: str, answer: httpx.Response, body: Mapping[str, Any]) -> Exception:
        said = _body(answer)
        text = said.get("message") if isinstance(said, dict) else None
        reason = redacted(" ".join(str(text or f"status {answer.status_code}").split()), body)
        if _is_passing(answer.status_code, reason):
            return Busy(reason)
        if answer.status_code == 404 and path.startswith("/connectors/"):
            return ConnectorUnknown(name=path.split("/")[2])
        if answer.status_code in (401, 403):
            return ConnectDenied(url=redacted(self._urls[0], {}), request=f"{method} {path}", status=answer.status_code)
        return ConnectRefused(request=f"{method} {path}", status=answer.status_code, reason=reason)


def _is_passing(status: int, reason: str) -> bool:
    """Whether Connect may answer otherwise a little later: a rebalance, a start, a timeout, a leader out of reach."""
    if status == 409:
        return _EXISTS not in reason
    if status == 500:
        return any(passing in reason for passing in _PASSING)
    return status in (408, 429, 502, 503, 504)


def _untrusted(error: BaseException) -> str | None:
    """Why the certificate of the other side is not trusted, where that is what is wrong."""
    import ssl

    found: BaseException | None = error
    while found is not None and not isinstance(found, ssl.SSLCertVerificationError):
        found = found.__cause__ or found.__context__
    return None if found is None else found.verify_message


def _body(answer: httpx.Response) -> Any:
    """The JSON of an answer; None for the pages and the nothing that the web server below Connect answers itself."""
    try:
        return msgspec.json.decode(answer.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _mapping(said: Any) -> Mapping[str, Any]:
    return said if isinstance(said, dict) else {}


def _path(name: str, below: str = "") -> str:
    if not _NAME.fullmatch(name):
        raise ConnectorNameUnusable(name=name)
    return f"/connectors/{name}{below}"


def http_client(tls: ssl.SSLContext | None = None, user: tuple[str, str] | None = None) -> httpx.Client:
    """What carries the requests: whom it trusts (else what httpx does), and a user with a password."""
    try:
        import httpx
    except ImportError as error:
        raise ConnectHttpxMissing from error
    return httpx.Client(verify=True if tls is None else tls, auth=user)
