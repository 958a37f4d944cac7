"""What can go wrong between us and a worker of Kafka Connect."""

from __future__ import annotations

from typing import ClassVar

from translators.errors import DragomanError


class ConnectUnreachable(DragomanError):
    """Kafka Connect at {url} did not do {request} within {seconds:.0f} s: {reason}"""

    code: ClassVar[str] = "connect.unreachable"
    hint: ClassVar[str] = (
        "See whether the worker runs and what its log says. What was asked may still have been done: look before asking again."
    )
    transient: ClassVar[bool] = True


class ConnectRefused(DragomanError):
    """Kafka Connect refuses {request} ({status}): {reason}"""

    code: ClassVar[str] = "connect.refused"
    hint: ClassVar[str] = "Change what it names; nothing was changed at the worker."


class ConnectDenied(DragomanError):
    """Kafka Connect at {url} does not let this user do {request} ({status})."""

    code: ClassVar[str] = "connect.denied"
    hint: ClassVar[str] = (
        "Say `user` and `password` (or `password_file`) under `connect:` of the source, and compare them."
    )


class ConnectUntrusted(DragomanError):
    """The certificate of Kafka Connect at {url} is not trusted: {reason}."""

    code: ClassVar[str] = "connect.untrusted"
    hint: ClassVar[str] = "Name the authority that has signed it with `ca:` under `connect:` of the source."


class ConnectorUnknown(DragomanError):
    """Kafka Connect has no connector {name}."""

    code: ClassVar[str] = "connect.connector-unknown"
    hint: ClassVar[str] = "Declare it first; names are case-sensitive."


class ConnectorNameUnusable(DragomanError):
    """{name!r} cannot name a connector: letters, digits, `.`, `_` and `-`, beginning with a letter or a digit."""

    code: ClassVar[str] = "connect.name-unusable"
    hint: ClassVar[str] = "Choose another name: some of what Connect accepts here it can never address again."


class ConnectorFailed(DragomanError):
    """The connector {name} has failed: {reason}"""

    code: ClassVar[str] = "connect.connector-failed"
    hint: ClassVar[str] = "Mend the cause, then restart the connector with its tasks: Connect never does so by itself."


class ConnectorIdle(DragomanError):
    """The connector {name} does not work after {seconds:.0f} s: {reason}."""

    code: ClassVar[str] = "connect.connector-idle"
    hint: ClassVar[str] = "See the worker's log. A long snapshot only needs more time."
    transient: ClassVar[bool] = True


class PlanStale(DragomanError):
    """The plan does not hold any more. Changed since it was made: {what}."""

    code: ClassVar[str] = "connect.plan-stale"
    hint: ClassVar[str] = "Nothing was done. Look at `dragoman connectors plan` again."


class PlanUnreadable(DragomanError):
    """{path} is no plan: {reason}."""

    code: ClassVar[str] = "connect.plan-unreadable"
    hint: ClassVar[str] = (
        "Make one with `dragoman connectors plan --out plan.json`, or give the digest that a plan shows."
    )


class PlanRefused(DragomanError):
    """{number} of what would change is refused. The first: {name}, {what}. {why}"""

    code: ClassVar[str] = "connect.plan-refused"
    hint: ClassVar[str] = "{instead}"


class Unconfirmed(DragomanError):
    """{what}, and nobody has confirmed it."""

    code: ClassVar[str] = "connect.unconfirmed"
    hint: ClassVar[str] = "Nothing was done. Say `--yes` once it is meant."


class SourceUnreachable(DragomanError):
    """The legacy database could not be asked about {what}: {reason}"""

    code: ClassVar[str] = "connect.source-unreachable"
    hint: ClassVar[str] = "Check `database:` of the source, and the rights of the user that it names."


class SlotBusy(DragomanError):
    """The slot {slot} is still being read."""

    code: ClassVar[str] = "connect.slot-busy"
    hint: ClassVar[str] = (
        "Another connector may be on it: nothing was dropped. Find out whose it is, then run the command again."
    )


class PositionUnusable(DragomanError):
    """The connector cannot go on from {position}: {reason}."""

    code: ClassVar[str] = "connect.position-unusable"
    hint: ClassVar[str] = "Nothing was changed. {fix}"


class ConnectHttpxMissing(DragomanError):
    """Kafka Connect is asked over HTTP, and the package httpx is not installed."""

    code: ClassVar[str] = "connect.httpx-missing"
    hint: ClassVar[str] = "Install the extra: pip install 'dragoman[connect]'."


class FeedsUnroutable(DragomanError):
    """No connector can serve the feeds of {prefix}: {reason}."""

    code: ClassVar[str] = "connect.feeds-unroutable"
    hint: ClassVar[str] = "Change the feeds of the source, or give the table a connector of its own."


class SettingGuarded(DragomanError):
    """The setting {setting} cannot be overridden with {value}: {why}"""

    code: ClassVar[str] = "connect.setting-guarded"
    hint: ClassVar[str] = "Take it out of `overrides`; `dragoman connectors explain` shows what is derived and why."


class SecretInClear(DragomanError):
    """The setting {setting} of the connector holds a secret itself."""

    code: ClassVar[str] = "connect.secret-in-clear"
    hint: ClassVar[str] = (
        "Connect repeats its settings to everyone who asks: say where the worker finds it, as in {reference}, by one of its "
        "config providers."
    )
