"""A source whose feeds are on Kafka, as its file says it: brokers, feeds, and what proves that a transaction is over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from dragoman.access import WEB_KEYS, KafkaAccess, WebAccess, read_kafka_access, read_web_access
from dragoman.forms import Secret, Section
from translators.errors import DragomanError
from translators.yaml_text import YamlMap

if TYPE_CHECKING:
    from pipeline.log.kafka.security import Security

Engine = Literal["aiokafka", "faust"]

KEYS = (
    ("kind", "bootstrap", "begins", "feeds"),
    (
        "transactions",
        "notifications",
        "exactly_once",
        "connect",
        "capture",
        "database",
        "epoch",
        "signals",
        "signal_topic",
        "registry",
        "unreadable",
        "engine",
        "security",
    ),
)
"""What the file has to say, and what it may."""

FIX = (
    "If Connect enforces exactly-once, name its transaction topic with `transactions: <topic>` and say `exactly_once: true`; "
    "else say `connect: {url: <Connect's REST>, connector: <name>}`, so that the connector's own offset can be asked."
)


class BootstrapUnusable(DragomanError):
    """The brokers {bootstrap!r} {reason}."""

    code: ClassVar[str] = "source.bootstrap"
    hint: ClassVar[str] = "Write host:port, or several with commas between."


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """The connector that fills the feeds, and a worker of Connect that knows it."""

    url: str
    name: str
    access: WebAccess | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kafka:
    """Feeds on a Kafka cluster. `database` is the legacy database's URL, asked only who it is.

    `signal_topic` is the one in which the connector takes signals: by it the rows of single keys are asked for again.
    `engine` is what keeps the workers in their groups: Faust, a process for each translator, or all of them in one process.
    """

    bootstrap: str
    connector: Connector | None
    database: Secret | None
    signal_topic: str | None = None
    engine: Engine = "aiokafka"
    access: KafkaAccess | None = None

    def security(self) -> Security:
        """What the brokers are told, secrets in it; see `KafkaAccess.open`."""
        from pipeline.log.kafka.security import OPEN

        return OPEN if self.access is None else self.access.open()


def read_kafka(form: Section, folder: Path) -> Kafka:
    """Where the feeds are, files relative to `folder`; `BootstrapUnusable`, and what is wrong with the access."""
    return Kafka(
        bootstrap=_bootstrap(form),
        connector=_connector(form, folder),
        database=form.secret("database"),
        signal_topic=form.optional("signal_topic"),
        engine=_engine(form),
        access=read_kafka_access(form, folder),
    )


def _engine(form: Section) -> Engine:
    said = form.one_of("engine", ("aiokafka", "faust")) if "engine" in form else "aiokafka"
    return "faust" if said == "faust" else "aiokafka"


def tables_of(feed: Section) -> dict[str, tuple[str, ...]]:
    """The tables of a feed, each with the columns that route it: none where only names are listed."""
    if not isinstance(feed.node("tables"), YamlMap):
        return dict.fromkeys(feed.names("tables"), ())
    tables = feed.section("tables")
    return {table: tables.names(table) for table in tables.keys}


def _bootstrap(form: Section) -> str:
    brokers = [one.strip() for one in form.text("bootstrap").split(",")]
    for one in brokers:
        host, _, port = one.rpartition(":")
        if not host or "/" in host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
            raise BootstrapUnusable(
                bootstrap=form.text("bootstrap"),
                reason=f"have {one!r}, which is no host:port",
                where=form.where("bootstrap"),
            )
    return ",".join(brokers)


def _connector(form: Section, folder: Path) -> Connector | None:
    if "connect" not in form:
        return None
    connect = form.section("connect").only(("url", "connector"), WEB_KEYS)
    access = read_web_access(connect, folder) if set(connect.keys) & set(WEB_KEYS) else None
    return Connector(url=connect.text("url"), name=connect.text("connector"), access=access)
