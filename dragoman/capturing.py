"""The connector that a source declares (`capture:`): what its file says of the database, and what follows from its feeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

from connectors.connect.config import (
    DAY_MS,
    ConnectorSpec,
    MariaDBSource,
    PostgresSource,
    SignalChannel,
    connector_config,
)
from connectors.connect.errors import SecretInClear, SettingGuarded
from connectors.connect.reasons import reason_of
from connectors.connect.secrets import is_reference, is_secret
from connectors.connect.topics import milliseconds
from connectors.connect.trial import try_routing
from connectors.feeds import Feed
from dragoman.forms import Section
from translators.errors import DragomanError
from translators.schema import LegacySchema

_LOGIN = ("host", "user", "password")
_OPTIONAL = ("port", "heartbeat", "heartbeat_ms", "replication", "retention", "overrides")
_POSTGRES = ("database", "slot", "publication")
_REFERENCE = "${env:LEGACY_PASSWORD}"
_LARGEST_PORT, _LARGEST_ID, _DAY_MS = 65_535, 4_294_967_295, 86_400_000


class CaptureUnsupported(DragomanError):
    """No connector can be declared for a database of the kind {connector}, which schema.yaml names."""

    code: ClassVar[str] = "capture.unsupported"
    hint: ClassVar[str] = (
        "Databases of the kinds postgresql and mariadb can be captured; take `capture:` out otherwise."
    )


class NamedOtherwise(DragomanError):
    """{what} is {said}, but the connector that is declared here will write to {wanted}."""

    code: ClassVar[str] = "capture.named-otherwise"
    hint: ClassVar[str] = (
        "Write {wanted}: a topic begins with `source` of schema.yaml, and goes on with the feed's name."
    )


class PartitionsUnsaid(DragomanError):
    """The feed {feed} does not say how many partitions its topic has, and the connector has to make it."""

    code: ClassVar[str] = "capture.partitions-unsaid"
    hint: ClassVar[str] = (
        "Say `partitions:`. The number stays for ever: with another one a key would change its partition."
    )


class RetentionUnreadable(DragomanError):
    """{text!r} does not say how long the topics of a connector keep a record."""

    code: ClassVar[str] = "capture.retention"
    hint: ClassVar[str] = "Write it as `14 days`: a number, and hours, days, weeks or years."


class DeclaredFeed(Protocol):
    """A feed as its source declares it."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def topic(self) -> str:
        """Its topic."""

    @property
    def tables(self) -> Mapping[str, tuple[str, ...]]:
        """Its tables, each with the columns that route it."""

    @property
    def partitions(self) -> int | None:
        """The partitions of its topic, if it says so."""


def read_capture(form: Section, schema: LegacySchema, feeds: Sequence[DeclaredFeed]) -> ConnectorSpec | None:
    """The connector that a source on Kafka declares; a coded error if it cannot serve the feeds, or would lose something."""
    if "capture" not in form:
        return None
    part = form.section("capture")
    spec = ConnectorSpec(
        prefix=schema.source,
        source=_database(part, form.text("bootstrap"), schema),
        feeds=tuple(_feed(feed, form, schema) for feed in feeds),
        encoding=schema.encoding,
        signals=_qualified(form.text("signals"), schema) if "signals" in form else None,
        channel=_channel(form),
        beat=part.optional("heartbeat"),
        heartbeat_ms=part.number("heartbeat_ms", _DAY_MS) if "heartbeat_ms" in part else 1000,
        exactly_once=form.flag("exactly_once", False),
        replication=part.number("replication") if "replication" in part else 1,
        retention_ms=_retention(part),
        overrides=_overrides(part),
    )
    _check_names(form, spec)
    try_routing(spec, connector_config(spec))
    return spec


def _database(part: Section, bootstrap: str, schema: LegacySchema) -> PostgresSource | MariaDBSource:
    match schema.connector:
        case "postgresql":
            part.only((*_LOGIN, *_POSTGRES), (*_OPTIONAL, "makes_publication"))
        case "mariadb":
            part.only((*_LOGIN, "server_id"), _OPTIONAL)
        case _:
            raise CaptureUnsupported(connector=schema.connector)
    password = part.text("password")
    if not is_reference(password):
        raise SecretInClear(setting="password", reference=_REFERENCE, where=part.where("password"))
    port = part.number("port", _LARGEST_PORT) if "port" in part else None
    host, user = part.text("host"), part.text("user")
    if schema.connector == "mariadb":
        number = part.number("server_id", _LARGEST_ID)
        return MariaDBSource(
            host=host, port=port or 3306, user=user, password=password, server_id=number, bootstrap=bootstrap
        )
    return PostgresSource(
        host=host,
        port=port or 5432,
        user=user,
        password=password,
        database=part.text("database"),
        slot=part.text("slot"),
        publication=part.text("publication"),
        makes_publication=part.flag("makes_publication", False),
    )


def _feed(feed: DeclaredFeed, form: Section, schema: LegacySchema) -> Feed:
    if feed.partitions is None:
        raise PartitionsUnsaid(feed=feed.name, where=form.where("feeds"))
    tables = {_qualified(table, schema): columns for table, columns in feed.tables.items()}
    wanted = f"{schema.source}.{feed.name}"
    if feed.topic != wanted:
        raise NamedOtherwise(
            what=f"The topic of the feed {feed.name}", said=feed.topic, wanted=wanted, where=form.where("feeds")
        )
    return Feed(name=feed.name, tables=tables, partitions=feed.partitions)


def _qualified(table: str, schema: LegacySchema) -> str:
    return table if "." in table else f"{schema.namespace}.{table}"


def _check_names(form: Section, spec: ConnectorSpec) -> None:
    for key, wanted in (("transactions", spec.transactions), ("notifications", spec.notifications)):
        if key in form and form.text(key) != wanted:
            raise NamedOtherwise(what=f"`{key}`", said=form.text(key), wanted=wanted, where=form.where(key))


def _channel(form: Section) -> SignalChannel | None:
    """The topic by which single keys are asked for again, where the source names one."""
    if "signal_topic" not in form:
        return None
    return SignalChannel(topic=form.text("signal_topic"), bootstrap=form.text("bootstrap"))


def _retention(part: Section) -> int:
    """How long the connector's topics keep a record, in milliseconds; `capture.retention`."""
    if "retention" not in part:
        return 14 * DAY_MS
    said = milliseconds(part.text("retention"))
    if said is None:
        raise RetentionUnreadable(text=part.text("retention"), where=part.where("retention"))
    return said


def _overrides(part: Section) -> dict[str, str]:
    """Settings of the project's own; `SettingGuarded` for one that keeps data safe, `SecretInClear` for a secret."""
    if "overrides" not in part:
        return {}
    own = part.section("overrides")
    settings = {setting: own.text(setting) for setting in own.keys}
    for setting, value in settings.items():
        reason = reason_of(setting)
        if is_secret(setting) and not is_reference(value):
            raise SecretInClear(setting=setting, reference=_REFERENCE, where=own.where(setting))
        if reason is not None and reason.guarded:
            raise SettingGuarded(setting=setting, value=value, why=reason.why, where=own.where(setting))
    return settings
