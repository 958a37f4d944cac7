"""Whom clients of a cluster trust and who they say they are: TLS and SASL, the same for every client that we make."""

from __future__ import annotations

from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any, Literal

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A user of the brokers. The password is shown by nothing."""

    mechanism: Mechanism
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """TLS where there is a context, SASL where there is a login."""

    tls: SSLContext | None = None
    login: Login | None = None

    def options(self) -> dict[str, Any]:
        """The arguments that each of aiokafka's clients takes for it."""
        found: dict[str, Any] = {"security_protocol": self.protocol, "ssl_context": self.tls}
        if self.login is not None:
            found["sasl_mechanism"] = self.login.mechanism
            found["sasl_plain_username"] = self.login.user
            found["sasl_plain_password"] = self.login.password
        return found

    @property
    def protocol(self) -> str:
        """Kafka's word for it."""
        return f"{'' if self.login is None else 'SASL_'}{'PLAINTEXT' if self.tls is None else 'SSL'}"


OPEN = Security()
"""Neither: on a network where everybody may read and write."""
