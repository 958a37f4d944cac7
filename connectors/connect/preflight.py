"""Whether a worker of Kafka Connect, and a connector as it holds it, can serve a source: what stands in the way. Pure.

A connector that the project declares is compared as a whole; one of others is judged setting by setting, with Debezium's
default where it says nothing: https://debezium.io/documentation/reference/stable/connectors/postgresql.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from connectors.connect.config import JSON_CONVERTER, values_config
from connectors.connect.plan import Wanted, conflicts
from connectors.connect.reasons import reason_of
from connectors.connect.secrets import is_reference, is_secret
from connectors.legacy.preflight_findings import Finding, Severity, listed
from translators.schema import Encoding

OLDEST_DEBEZIUM = (2, 7)
"""The oldest one whose records were captured and read."""
TRIED = {"PostgresConnector": (3, 6), "MariaDbConnector": (3, 5)}
"""Those that everything here was tried with."""
_STOPS, _FORGETS, _EXACT = (3, 5), (3, 6), (3, 3)
_DEFAULTS = {
    "decimal.handling.mode": "precise",
    "binary.handling.mode": "bytes",
    "unavailable.value.placeholder": "__debezium_unavailable_value",
    "bigint.unsigned.handling.mode": "long",
    "value.converter.decimal.format": "BASE64",
    "value.converter.replace.null.with.default": "true",
    "value.converter.ignore.default.for.nullables": "false",
    "event.converting.failure.handling.mode": "warn",
    "errors.tolerance": "none",
    "skipped.operations": "t",
    "provide.transaction.metadata": "false",
    "exactly.once.support": "requested",
    "tombstones.on.delete": "true",
    "heartbeat.interval.ms": "0",
    "publication.autocreate.mode": "all_tables",
    "plugin.name": "decoderbufs",
    "signal.enabled.channels": "source",
    "snapshot.mode": "initial",
}
"""Debezium's own, and Connect's: what holds where a configuration says nothing."""
_NO_ROWS = ("never", "no_data", "schema_only", "schema_only_recovery", "recovery")
_UNWRAPS = "io.debezium.transforms.ExtractNewRecordState"
_AVRO = ("io.confluent.connect.avro.AvroConverter", "io.apicurio.registry.utils.converter.AvroConverter")


class ConnectFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says: its version, its plug-ins (class -> version), the connector as it holds it (None where there is
    none), the others, and what it finds wrong with the declared configuration."""

    version: str
    plugins: Mapping[str, str]
    config: Mapping[str, str] | None
    others: Mapping[str, Mapping[str, str]] = {}
    wrong: tuple[tuple[str, str], ...] = ()


class Relied(msgspec.Struct, frozen=True, kw_only=True):
    """What a source relies upon. `tables` are named as the database does; `declared` is the configuration of a connector that
    the project declares itself; `routed`: a feed has several partitions that the rows' columns choose."""

    connector: str
    kind: str
    prefix: str
    encoding: Encoding = Encoding()
    tables: tuple[str, ...] = ()
    exactly_once: bool = False
    begins: str = "snapshot"
    transactions: str | None = None
    notifications: str | None = None
    signals: str | None = None
    signal_topic: str | None = None
    routed: bool = False
    declared: Mapping[str, str] | None = None

    @property
    def postgres(self) -> bool:
        """Whether the database is a PostgreSQL."""
        return self.kind.endswith(".PostgresConnector")


def of_connect(facts: ConnectFacts, relied: Relied) -> Iterator[Finding]:
    """All findings, what hinders everything first."""
    yield from _of_worker(facts, relied)
    if relied.declared is not None:
        yield from _of_declared(facts, relied, relied.declared)
    elif facts.config is None:
        yield _finding("missing", "error", f"Kafka Connect has no connector {relied.connector}.", "Correct `connect:`.")
    else:
        yield from _of_foreign(facts.config, relied)
    for setting, value in (facts.config or {}).items():
        if is_secret(setting) and value and not is_reference(value):
            message = f"{relied.connector} holds {setting} in clear text, and Connect repeats it to whoever asks."
            fix = f"Let it say where the worker finds it, by a config provider: {setting}=${{env:LEGACY_PASSWORD}}."
            yield _finding("secret-in-clear", "warning", message, fix)


def version_of(text: str | None) -> tuple[int, int] | None:
    """(major, minor) of a version as it is written; None where it cannot be read."""
    found = re.match(r"(\d+)\.(\d+)", text or "")
    return None if found is None else (int(found[1]), int(found[2]))


def _of_worker(facts: ConnectFacts, relied: Relied) -> Iterator[Finding]:
    worker = version_of(facts.version)
    needs: tuple[tuple[tuple[int, int], Severity, str], ...] = (
        (_STOPS, "error", "to stop a connector, and how to say how far it is"),
        (_FORGETS, "warning", "to change how far a connector is, which `connectors destroy` and `offsets --set` do"),
    )
    if relied.exactly_once:
        needs = ((_EXACT, "error", "exactly-once of sources"), *needs)
    for needed, severity, what in needs:
        if worker is not None and worker < needed:
            message = f"Kafka Connect {facts.version} does not know {what}: that came with {needed[0]}.{needed[1]}."
            yield _finding("worker-older", severity, message, "Upgrade the workers of Kafka Connect.")
    if relied.kind not in facts.plugins:
        fix = "Unpack the connector's plug-in archive into a folder of `plugin.path`, and start the worker again."
        yield _finding("plugin-missing", "error", f"The worker has no {relied.kind}.", fix)
        return
    said, tried = facts.plugins[relied.kind], TRIED.get(relied.kind.rpartition(".")[2])
    version = version_of(said)
    if version is not None and version < OLDEST_DEBEZIUM:
        message = f"Debezium {said} is older than all whose records were ever read here."
        yield _finding("plugin-unproven", "warning", message, "Use 2.7 or newer.")
    elif version is not None and tried is not None and version < tried:
        message = f"Debezium {said} is older than the {tried[0]}.{tried[1]} with which everything was tried."
        yield _finding("plugin-older", "info", message, "See the mode below.")


def _of_declared(facts: ConnectFacts, relied: Relied, declared: Mapping[str, str]) -> Iterator[Finding]:
    for line in conflicts(Wanted(connector=relied.connector, config=declared, topics=()), facts.others):
        yield _finding("conflict", "error", f"{line.what}. {line.why}", line.instead)
    for setting, why in facts.wrong:
        yield _finding("config-refused", "error", f"The worker refuses {setting}: {why}", "Mend what it names.")
    if facts.config is None:
        message = f"Kafka Connect has no connector {relied.connector} yet."
        yield _finding("not-applied", "info", message, "`dragoman connectors apply` makes it.")
        return
    differs = {name for name in {**facts.config, **declared} if facts.config.get(name) != declared.get(name)}
    if named := sorted(differs - {"name"}):
        message = f"{relied.connector} is not as declared: {listed(named)}."
        yield _finding(
            "differs", "warning", message, "`dragoman connectors plan` says what that does, `apply` sets it."
        )


def _of_foreign(config: Mapping[str, str], relied: Relied) -> Iterator[Finding]:
    name = relied.connector
    if (kind := config.get("connector.class")) != relied.kind:
        fix = "Correct `connector:` in schema.yaml, or `connect:` in the source."
        yield _finding("other-kind", "error", f"{name} is a {kind}, and schema.yaml says {relied.kind}.", fix)
        return
    if (prefix := config.get("topic.prefix")) != relied.prefix:
        message = f"{name} has topic.prefix={prefix}, and schema.yaml calls its source {relied.prefix}."
        yield _finding("other-prefix", "error", message, "Say the prefix as `source:` in schema.yaml.")
    if out := [table for table in relied.tables if not _captures(config, table)]:
        message = f"{name} leaves out {listed(out)}, which a feed has."
        yield _finding("table-left-out", "error", message, "Add what is missing to its table.include.list.")
    if any(value == _UNWRAPS for setting, value in config.items() if setting.endswith(".type")):
        message = (
            f"{name} takes its records out of their envelope: what was before, deletions and transactions are lost."
        )
        yield _finding("unwrapped", "error", message, "Take ExtractNewRecordState out of its transforms.")
    yield from _of_values(config, relied)
    for rule in RULES:
        wanted, found = rule.wanted(relied, config), config.get(rule.setting, _DEFAULTS.get(rule.setting, "nothing"))
        if wanted is not None and not rule.holds(found, wanted):
            yield _unlike(rule, name, found, wanted, is_said=rule.setting in config)


def _captures(config: Mapping[str, str], table: str) -> bool:
    """Whether a table is captured; patterns that Python cannot read are given the benefit of the doubt."""
    try:
        if included := config.get("table.include.list"):
            return any(re.fullmatch(one.strip(), table, re.IGNORECASE) for one in included.split(","))
        excluded = config.get("table.exclude.list", "")
        return not any(re.fullmatch(one.strip(), table, re.IGNORECASE) for one in excluded.split(",") if one)
    except re.error:
        return True


def _of_values(config: Mapping[str, str], relied: Relied) -> Iterator[Finding]:
    """Values that are written otherwise than schema.yaml says that they are read."""
    adaptive = "adaptive" if relied.postgres else "adaptive_time_microseconds"
    wanted = values_config(relied.encoding, adaptive)
    if not relied.postgres:
        wanted["bigint.unsigned.handling.mode"] = relied.encoding.bigint_unsigned
    converter, defaults = config.get("value.converter"), {**_DEFAULTS, "time.precision.mode": adaptive}
    if converter is None:
        message = f"{relied.connector} leaves it to the worker how values are converted, and no worker tells that."
        fix = "Let its configuration say value.converter and what belongs to it."
        yield _finding("converter-unsaid", "info", message, fix)
    for setting in _VALUES:
        is_converter = setting.startswith("value.converter")
        if setting not in wanted or (is_converter and converter != JSON_CONVERTER):
            continue
        if (found := config.get(setting, defaults[setting])) != wanted[setting]:
            message = (
                f"{relied.connector} writes values with {setting}={found}, and they are read as {wanted[setting]}."
            )
            fix = "Correct `encoding:` in schema.yaml: what is written already stays so."
            yield _finding("values-differ", "error", message, fix)


_VALUES = (
    "decimal.handling.mode",
    "time.precision.mode",
    "binary.handling.mode",
    "unavailable.value.placeholder",
    "bigint.unsigned.handling.mode",
    "value.converter.decimal.format",
)


class Rule(NamedTuple):
    """A setting of a foreign connector on which something depends: what it has to be, None where nothing depends on it."""

    code: str
    severity: Severity
    setting: str
    wanted: Callable[[Relied, Mapping[str, str]], str | None]
    holds: Callable[[str, str], bool] = lambda found, wanted: found == wanted


def _when(
    value: str, needed: Callable[[Relied], bool] = lambda _: True
) -> Callable[[Relied, Mapping[str, str]], str | None]:
    return lambda relied, _: value if needed(relied) else None


def _converts(value: str, *converters: str) -> Callable[[Relied, Mapping[str, str]], str | None]:
    return lambda _, config: value if config.get("value.converter") in converters else None


def _has(found: str, wanted: str) -> bool:
    return wanted in [one.strip() for one in found.split(",")]


RULES = (
    Rule("not-exactly-once", "error", "exactly.once.support", _when("required", lambda r: r.exactly_once)),
    Rule("no-transactions", "error", "provide.transaction.metadata", _when("true", lambda r: r.transactions is not None)),
    Rule("no-snapshot", "error", "snapshot.mode", _when("initial", lambda r: r.begins == "snapshot"),
         lambda found, _: found not in _NO_ROWS),
    Rule("tolerates-errors", "error", "errors.tolerance", _when("none")),
    Rule("tombstones", "error", "tombstones.on.delete", _when("false", lambda r: r.routed)),
    Rule("no-notifications", "error", "notification.enabled.channels", _when("sink", lambda r: bool(r.notifications)), _has),
    Rule("no-notifications", "error", "notification.sink.topic.name", lambda r, _: r.notifications),
    Rule("no-signals", "error", "signal.enabled.channels", _when("kafka", lambda r: bool(r.signal_topic)), _has),
    Rule("no-signals", "error", "signal.kafka.topic", lambda r, _: r.signal_topic),
    Rule("no-signals", "error", "signal.data.collection", lambda r, _: r.signals),
    Rule("null-becomes-default", "warning", "value.converter.replace.null.with.default", _converts("false", JSON_CONVERTER)),
    Rule("null-becomes-default", "warning", "value.converter.ignore.default.for.nullables", _converts("true", *_AVRO)),
    Rule("drops-values", "warning", "event.converting.failure.handling.mode", _when("fail")),
    Rule("skips-truncates", "warning", "skipped.operations", _when("none")),
    Rule("no-heartbeat", "warning", "heartbeat.interval.ms", _when("1000", lambda r: r.postgres),
         lambda found, _: found != "0"),
    Rule("publishes-all", "warning", "publication.autocreate.mode", _when("disabled", lambda r: r.postgres),
         lambda found, _: found != "all_tables"),
    Rule("other-decoding", "warning", "plugin.name", _when("pgoutput", lambda r: r.postgres)),
)  # fmt: skip
"""What is asked of a connector that the project does not declare."""


def _unlike(rule: Rule, name: str, found: str, wanted: str, *, is_said: bool) -> Finding:
    message = f"{name} has {rule.setting}={found}{'' if is_said else ', which nobody has set'}, and not {wanted}."
    reason = reason_of(rule.setting)
    why = reason.why if reason is not None else _WHYS[rule.setting]
    return _finding(rule.code, rule.severity, message, f"Set {rule.setting}={wanted}: {why[0].lower()}{why[1:]}")


_WHYS = {
    "value.converter.ignore.default.for.nullables": "NULL in a column that has a default stays NULL; the converter would "
    "write the default."
}


def _finding(code: str, severity: Severity, message: str, advice: str) -> Finding:
    return Finding(code=f"connect.{code}", severity=severity, message=message, advice=advice)
