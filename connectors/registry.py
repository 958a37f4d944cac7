"""Schema registries: over HTTP (Confluent's API, which Apicurio and Karapace speak too), and as a file or folder.

https://docs.confluent.io/platform/current/schema-registry/develop/api.html#schemas
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from connectors.debezium.registry import KnownSchemas
from translators.errors import DragomanError

if TYPE_CHECKING:
    import httpx

TRIES = 5
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
"""Seconds between two tries: each pause is twice the one before, or what the registry asks for (`Retry-After`)."""

TIMEOUT = 10.0
MAX_ID = 2**31 - 1
_UNKNOWN = 40403
_LATER = frozenset({408, 429})


class RegistryUnreachable(DragomanError):
    """The schema registry {url} did not answer for schema {id} in {tries} tries: {reason}."""

    code: ClassVar[str] = "registry.unreachable"
    hint: ClassVar[str] = (
        "Nothing is lost: the record is read again. Schemas that were asked for before need no registry; see whether it runs, "
        "and whether this machine reaches it."
    )
    transient: ClassVar[bool] = True


class RegistryRefused(DragomanError):
    """The schema registry {url} refuses to answer ({status})."""

    code: ClassVar[str] = "registry.refused"
    hint: ClassVar[str] = "Check `registry:` in the source's file: the user, and the variables with its password."


class RegistryStrange(DragomanError):
    """What answers at {url} is no schema registry with Confluent's API: {reason}."""

    code: ClassVar[str] = "registry.strange"
    hint: ClassVar[str] = "Check `url`. Of Apicurio it ends in /apis/ccompat/v7."


class RegistrySchemaUnfit(DragomanError):
    """Schema {id} of {url} cannot be used: {reason}."""

    code: ClassVar[str] = "registry.schema-unfit"
    hint: ClassVar[str] = "Only Avro schemas that stand alone are read: let the connector write with its AvroConverter."


class HttpxMissing(DragomanError):
    """A schema registry is asked over HTTP, and the package httpx is not installed."""

    code: ClassVar[str] = "registry.httpx-missing"
    hint: ClassVar[str] = "Install the extra: pip install 'dragoman[connect]'."


class SchemasUnreadable(DragomanError):
    """The schemas {path} cannot be read: {reason}."""

    code: ClassVar[str] = "registry.schemas-unreadable"
    hint: ClassVar[str] = (
        "Write a JSON file that has each schema as a text by its id under 'schemas', or a folder of files <id>.avsc."
    )


class HttpRegistry:
    """Schemas by id from a registry; each is asked for once and kept, so that an outage stops nothing that is known.

    `client` carries the credentials; `pause` waits some seconds. See `SchemaRegistry` for what is raised.
    """

    def __init__(self, url: str, client: httpx.Client, pause: Callable[[float], None] = time.sleep) -> None:
        self._url = url.rstrip("/")
        self._client = client
        self._pause = pause
        self._known: dict[int, str] = {}

    def schema(self, identity: int) -> str | None:
        """The text of the schema, or `None` if the registry does not know the id."""
        if identity not in self._known:
            text = self._asked(identity)
            if text is None:
                return None
            self._known[identity] = text
        return self._known[identity]

    def _asked(self, identity: int) -> str | None:
        import httpx

        wait = FIRST_PAUSE
        for left in reversed(range(TRIES)):
            answer = self._get(identity)
            if isinstance(answer, httpx.Response) and not _is_passing(answer):
                return self._read(identity, answer)
            if not left:
                raise self._unreachable(identity, answer)
            self._pause(min(max(wait, _asked_for(answer)), LONGEST_PAUSE))
            wait *= 2
        raise AssertionError("the last try returns or raises")

    def _get(self, identity: int) -> httpx.Response | httpx.RequestError:
        import httpx

        try:
            return self._client.get(f"{self._url}/schemas/ids/{identity}")
        except httpx.RequestError as error:
            return error
        except httpx.InvalidURL as error:
            raise self._strange(f"it is no URL ({error})") from error

    def _unreachable(self, identity: int, answer: httpx.Response | httpx.RequestError) -> RegistryUnreachable:
        cause = answer if isinstance(answer, Exception) else None
        reason = (
            f"status {answer.status_code}"
            if not isinstance(answer, Exception)
            else f"{type(answer).__name__}: {answer}"
        )
        error = RegistryUnreachable(url=self._url, id=identity, tries=TRIES, reason=reason)
        error.__cause__ = cause
        return error

    def _read(self, identity: int, answer: httpx.Response) -> str | None:
        if answer.status_code in (401, 403):
            raise RegistryRefused(url=self._url, status=answer.status_code)
        try:
            said = msgspec.json.decode(answer.content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._strange(f"status {answer.status_code} with a body that is no JSON") from error
        if not isinstance(said, dict):
            raise self._strange(f"status {answer.status_code} with JSON that is no object")
        if answer.status_code == 404 and said.get("error_code") == _UNKNOWN:
            return None
        if answer.status_code != 200 or not isinstance(said.get("schema"), str):
            raise self._strange(f"status {answer.status_code} without a schema")
        return self._alone(identity, said)

    def _alone(self, identity: int, said: Mapping[str, Any]) -> str:
        kind = said.get("schemaType", "AVRO")
        if kind != "AVRO":
            raise RegistrySchemaUnfit(url=self._url, id=identity, reason=f"it is of the type {kind}")
        if said.get("references"):
            raise RegistrySchemaUnfit(url=self._url, id=identity, reason="it refers to other schemas")
        return str(said["schema"])

    def _strange(self, reason: str) -> RegistryStrange:
        return RegistryStrange(url=self._url, reason=reason)


def _is_passing(answer: httpx.Response) -> bool:
    """Whether the registry may answer otherwise a little later."""
    return answer.status_code >= 500 or answer.status_code in _LATER


def _asked_for(answer: httpx.Response | httpx.RequestError) -> float:
    """The seconds that the registry asks to be left alone; 0 where it does not say."""
    if isinstance(answer, Exception):
        return 0.0
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else 0.0


def http_registry(url: str, user: str | None, password: str | None) -> HttpRegistry:
    """A registry at a URL, by the environment's proxies and certificates; `HttpxMissing` without the extra."""
    try:
        import httpx
    except ImportError as error:
        raise HttpxMissing from error
    auth = None if user is None else httpx.BasicAuth(user, password or "")
    accept = {"Accept": "application/vnd.schemaregistry.v1+json, application/json"}
    return HttpRegistry(url, httpx.Client(auth=auth, timeout=TIMEOUT, headers=accept))


def file_registry(path: Path) -> KnownSchemas:
    """The schemas of a file or a folder; `SchemasUnreadable` if there is anything else in it."""
    try:
        return KnownSchemas(_of_folder(path) if path.is_dir() else _of_file(path))
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as error:
        raise SchemasUnreadable(path=path, reason=getattr(error, "strerror", None) or error) from error


class _File(msgspec.Struct):
    schemas: dict[str, str]


def _of_file(path: Path) -> dict[int, str]:
    found = msgspec.json.decode(path.read_bytes(), type=_File)
    return {_id(name, path): text for name, text in found.schemas.items()}


def _of_folder(path: Path) -> dict[int, str]:
    files = sorted(path.glob("*.avsc"))
    if not files:
        raise SchemasUnreadable(path=path, reason="the folder has no file <id>.avsc")
    return {_id(file.stem, path): file.read_text("utf-8") for file in files}


def _id(text: str, path: Path) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= MAX_ID):
        raise SchemasUnreadable(path=path, reason=f"{text!r} is no id of a schema")
    return int(text)
