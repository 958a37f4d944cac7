"""Where a source's Avro schemas come from, as its file says it: a registry's URL, or a file or folder of the project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from dragoman.forms import Secret, Section
from translators.errors import DragomanError

if TYPE_CHECKING:
    from connectors.debezium.registry import SchemaRegistry


class RegistryUrl(DragomanError):
    """The registry's url {reason}."""

    code: ClassVar[str] = "registry.url"
    hint: ClassVar[str] = "Write https://host:port, or with a path; user and password have keys of their own beside it."


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRegistry:
    """A file or a folder of schemas."""

    path: Path

    def open(self) -> SchemaRegistry:
        """The schemas; `SchemasUnreadable`."""
        from connectors.registry import file_registry

        return file_registry(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlRegistry:
    """A registry with Confluent's API."""

    url: str
    user: str | None
    password: Secret | None

    def open(self) -> SchemaRegistry:
        """The registry, which is not asked yet; `VariableMissing` or `HttpxMissing`."""
        from connectors.registry import http_registry

        return http_registry(self.url, self.user, None if self.password is None else self.password.reveal())


Registry = FileRegistry | UrlRegistry


def read_registry(source: Section, folder: Path) -> Registry | None:
    """The registry that a source declares, if any; paths are relative to the project's folder."""
    if "registry" not in source:
        return None
    form = source.section("registry")
    if "path" in form:
        form.only(("path",))
        return FileRegistry(path=folder / form.text("path"))
    form.only(("url", "user", "password") if "user" in form or "password" in form else ("url",))
    return UrlRegistry(url=_url(form), user=form.optional("user"), password=form.secret("password"))


def _url(form: Section) -> str:
    """The URL, without what belongs elsewhere: errors show it."""
    from urllib.parse import urlsplit

    url = form.text("url")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise RegistryUrl(reason=f"is no URL ({error})", where=form.where("url")) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RegistryUrl(reason="is no http or https address of a host", where=form.where("url"))
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise RegistryUrl(reason="holds more than an address", where=form.where("url"))
    return url
