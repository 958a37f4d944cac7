"""Schema registries: Confluent's API over HTTP, with its failures, and schemas that lie in files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.debezium.decode import Decoder
from connectors.debezium.registry import KnownSchemas, SchemaRegistry
from connectors.registry import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    TRIES,
    HttpRegistry,
    RegistryRefused,
    RegistrySchemaUnfit,
    RegistryStrange,
    RegistryUnreachable,
    SchemasUnreadable,
    file_registry,
    http_registry,
)
from tests.connectors.debezium.captures import DATA, capture, schema, schema_texts
from translators.errors import DragomanError

URL = "https://registry.example.com/apis/ccompat/v7/"
Answer = Callable[[httpx.Request], httpx.Response]


class Served:
    """A registry whose answers a test writes; what was asked of it, and how long it was left alone."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.asked: list[str] = []
        self.pauses: list[float] = []
        self._answers = list(answers)
        client = httpx.Client(transport=httpx.MockTransport(self._answer))
        self.registry = HttpRegistry(URL, client, self.pauses.append)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def found(**more: Any) -> httpx.Response:
    return httpx.Response(200, json={"schema": '"int"', **more})


UNKNOWN = httpx.Response(404, json={"error_code": 40403, "message": "Schema 7 not found"})


class TestOverHttp:
    def test_each_schema_is_asked_for_once(self) -> None:
        served = Served(found())
        assert [served.registry.schema(7) for _ in range(3)] == ['"int"'] * 3
        assert served.asked == ["https://registry.example.com/apis/ccompat/v7/schemas/ids/7"]
        assert served.registry.schema(8) == '"int"'
        assert len(served.asked) == 2

    def test_an_id_that_it_does_not_know_is_asked_for_again(self) -> None:
        served = Served(UNKNOWN, found())
        assert (served.registry.schema(7), served.registry.schema(7)) == (None, '"int"')

    @pytest.mark.parametrize("answer", [httpx.Response(503), httpx.Response(429), httpx.ReadTimeout("slow")])
    def test_it_is_asked_again_after_longer_and_longer_pauses(self, answer: httpx.Response | Exception) -> None:
        served = Served(answer, answer, answer, found())
        assert served.registry.schema(7) == '"int"'
        assert served.pauses == [FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4]

    def test_it_is_left_alone_as_long_as_it_asks_within_reason(self) -> None:
        busy = [httpx.Response(429, headers={"Retry-After": seconds}) for seconds in ("3", "86400", "tomorrow")]
        served = Served(*busy, found())
        served.registry.schema(7)
        assert served.pauses == [3.0, LONGEST_PAUSE, FIRST_PAUSE * 4]

    @pytest.mark.parametrize("answer", [httpx.Response(500), httpx.ConnectError("refused")])
    def test_an_outage_is_told_as_passing_and_stops_nothing_that_is_known(self, answer: Any) -> None:
        served = Served(found(), answer)
        assert served.registry.schema(7) == '"int"'
        with pytest.raises(RegistryUnreachable) as raised:
            served.registry.schema(8)
        assert raised.value.transient
        assert len(served.asked) == 1 + TRIES
        assert served.registry.schema(7) == '"int"'

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (httpx.Response(401, json={"error_code": 401}), RegistryRefused),
            (httpx.Response(403, text="<html>"), RegistryRefused),
            (httpx.Response(404, text="<html>not here</html>"), RegistryStrange),
            (httpx.Response(404, json={"error_code": 404}), RegistryStrange),
            (httpx.Response(200, text="<html>a portal</html>"), RegistryStrange),
            (httpx.Response(200, content=b"\xff"), RegistryStrange),
            (httpx.Response(200, json=["schema"]), RegistryStrange),
            (httpx.Response(200, json={"schema": {"type": "int"}}), RegistryStrange),
            (httpx.Response(302, headers={"Location": "/login"}), RegistryStrange),
            (found(schemaType="PROTOBUF"), RegistrySchemaUnfit),
            (found(schemaType="JSON"), RegistrySchemaUnfit),
            (found(references=[{"name": "a", "subject": "a", "version": 1}]), RegistrySchemaUnfit),
        ],
    )
    def test_what_no_second_try_would_mend(self, answer: httpx.Response, error: type[DragomanError]) -> None:
        served = Served(answer)
        with pytest.raises(error) as raised:
            served.registry.schema(7)
        assert not raised.value.transient
        assert served.pauses == []

    def test_the_credentials_are_sent_and_never_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sent = []

        def answer(request: httpx.Request) -> httpx.Response:
            sent.append(request.headers["Authorization"])
            return httpx.Response(401)

        client = httpx.Client
        monkeypatch.setattr(httpx, "Client", lambda **given: client(**given, transport=httpx.MockTransport(answer)))
        registry = http_registry("http://localhost:1", "reader", "geheim")
        with pytest.raises(RegistryRefused) as raised:
            registry.schema(7)
        assert sent == ["Basic cmVhZGVyOmdlaGVpbQ=="]
        assert "geheim" not in f"{raised.value!r} {raised.value.message} {raised.value.advice} {registry!r}"

    def test_the_capture_is_read_as_with_schemas_at_hand(self) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, json={"schema": schema_texts()[int(request.url.path.rsplit("/", 1)[-1])]})

        over_http = HttpRegistry(URL, httpx.Client(transport=httpx.MockTransport(answer)), lambda seconds: None)
        assert all_of(over_http) == all_of(KnownSchemas(schema_texts()))


def all_of(registry: SchemaRegistry) -> list[object]:
    decoder = Decoder(schema("pg1"), registry=registry)
    return [decoder.decode(*record) for record in capture("v_avro")]


class TestInFiles:
    def test_a_file_of_all(self) -> None:
        registry = file_registry(DATA / "debezium" / "sr.json")
        assert {identity: registry.schema(identity) for identity in schema_texts()} == schema_texts()
        assert registry.schema(9_999) is None

    def test_a_folder_with_a_file_for_each(self, tmp_path: Path) -> None:
        (tmp_path / "7.avsc").write_text('"int"', encoding="utf-8")
        (tmp_path / "README.md").write_text("not a schema", encoding="utf-8")
        assert (file_registry(tmp_path).schema(7), file_registry(tmp_path).schema(8)) == ('"int"', None)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{}",
            '{"schemas": {"x": "int"}}',
            '{"schemas": {"0": "int"}}',
            '{"schemas": {"1": {"type": "int"}}}',
            json.dumps({"schemas": {str(2**31): "int"}}),
        ],
    )
    def test_a_file_that_is_none(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "schemas.json"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SchemasUnreadable):
            file_registry(path)

    def test_a_file_that_is_not_there_and_a_folder_without_schemas(self, tmp_path: Path) -> None:
        for path in (tmp_path / "none.json", tmp_path):
            with pytest.raises(SchemasUnreadable):
                file_registry(path)
        (tmp_path / "order.avsc").write_text('"int"', encoding="utf-8")
        with pytest.raises(SchemasUnreadable, match="'order' is no id"):
            file_registry(tmp_path)
