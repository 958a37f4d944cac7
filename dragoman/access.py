"""How the project comes to its brokers and to Kafka Connect, as a source says it: TLS, users, and where their secrets are.

Secrets and certificates are read when somebody connects: lint and help do without them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from dragoman.forms import Credential, Section
from translators.errors import DragomanError

if TYPE_CHECKING:
    import ssl

    from connectors.connect import ConnectClient
    from dragoman.kafka_source import Connector
    from pipeline.log.kafka.security import Security

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

PROTOCOLS = ("SSL", "SASL_SSL", "SASL_PLAINTEXT")
MECHANISMS: tuple[Mechanism, ...] = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
TLS_KEYS = ("ca", "certificate", "key", "key_password", "key_password_file")
LOGIN_KEYS = ("mechanism", "user", "password", "password_file")
WEB_KEYS = ("user", "password", "password_file", *TLS_KEYS)


class CertificateUnusable(DragomanError):
    """The certificates {files} cannot be used: {reason}."""

    code: ClassVar[str] = "source.certificate-unusable"
    hint: ClassVar[str] = (
        "Files are PEM, and relative to the project's folder; `key` belongs to `certificate`, and `key_password` opens it."
    )


class PasswordInClear(DragomanError):
    """With {protocol}, PLAIN would send the password so that everybody on the way can read it."""

    code: ClassVar[str] = "source.password-in-clear"
    hint: ClassVar[str] = "Say `protocol: SASL_SSL`, or a mechanism of SCRAM."


class AccessIncomplete(DragomanError):
    """{what} needs {missing}."""

    code: ClassVar[str] = "source.access-incomplete"
    hint: ClassVar[str] = "Write {missing} there, or take {what} out."


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Who is trusted (all that the system trusts, unless `ca` names one), and our own certificate, if one is asked for."""

    ca: Path | None
    certificate: Path | None
    key: Path | None
    password: Credential | None

    def context(self) -> ssl.SSLContext:
        """As a client uses it: names are checked always; `CertificateUnusable`."""
        import ssl

        password = None if self.password is None else self.password.reveal()
        try:
            made = ssl.create_default_context(cafile=self.ca)
            if self.certificate is not None:
                # Without a password OpenSSL would ask for one at the terminal.
                made.load_cert_chain(self.certificate, self.key, password or "")
        except (OSError, ValueError) as error:
            files = ", ".join(str(one) for one in (self.ca, self.certificate, self.key) if one is not None)
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise CertificateUnusable(files=files, reason=" ".join(str(reason).split())) from error
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user, and where the password is."""

    name: str
    password: Credential


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaAccess:
    """What the brokers are to be told; a user has a mechanism."""

    tls: Tls | None
    user: User | None
    mechanism: Mechanism

    def open(self) -> Security:
        """With the secrets in it: `VariableMissing`, `FileMissing`, `CertificateUnusable`."""
        from pipeline.log.kafka.security import Login, Security

        tls = None if self.tls is None else self.tls.context()
        if self.user is None:
            return Security(tls=tls)
        password = self.user.password.reveal()
        return Security(tls=tls, login=Login(mechanism=self.mechanism, user=self.user.name, password=password))


@dataclass(frozen=True, slots=True, kw_only=True)
class WebAccess:
    """What a worker of Kafka Connect is to be told."""

    tls: Tls | None
    user: User | None


def read_kafka_access(source: Section, folder: Path) -> KafkaAccess | None:
    """`security:` of a source, if it is there; files are relative to the project's folder."""
    if "security" not in source:
        return None
    form = source.section("security").only(("protocol",), (*LOGIN_KEYS, *TLS_KEYS))
    protocol = form.one_of("protocol", PROTOCOLS)
    has_tls, has_login = protocol.endswith("SSL"), protocol.startswith("SASL")
    for keys, wanted in ((TLS_KEYS, has_tls), (LOGIN_KEYS, has_login)):
        for key in keys:
            if key in form and not wanted:
                other = "SASL_SSL, or SSL" if keys is TLS_KEYS else "SASL_SSL"
                raise AccessIncomplete(what=f"`{key}`", missing=f"`protocol: {other}`", where=form.where(key))
    word = form.one_of("mechanism", MECHANISMS) if "mechanism" in form else None
    if has_login and word is None:
        raise AccessIncomplete(what=f"`protocol: {protocol}`", missing="`mechanism`", where=form.where("protocol"))
    mechanism = next((one for one in MECHANISMS if one == word), MECHANISMS[0])
    if mechanism == "PLAIN" and not has_tls and has_login:
        raise PasswordInClear(protocol=protocol, where=form.where("mechanism"))
    user = _user(form, folder, f"`protocol: {protocol}`", form.where("protocol")) if has_login else None
    return KafkaAccess(tls=_tls(form, folder) if has_tls else None, user=user, mechanism=mechanism)


def read_web_access(form: Section, folder: Path) -> WebAccess:
    """How a worker of Kafka Connect is reached, as the section says it that names its `url`."""
    named = [key for key in WEB_KEYS[:3] if key in form]
    user = _user(form, folder, f"`{named[0]}`", form.where(named[0])) if named else None
    return WebAccess(tls=_tls(form, folder) if any(key in form for key in TLS_KEYS) else None, user=user)


def connect_client(connector: Connector, *, patience: float | None = None) -> ConnectClient:
    """A client of the worker that knows the connector; `httpx-missing`, `CertificateUnusable`, `VariableMissing`."""
    from connectors.connect import ConnectClient
    from connectors.connect.client import PATIENCE, http_client

    access = connector.access
    tls = None if access is None or access.tls is None else access.tls.context()
    user = None if access is None else access.user
    client = http_client(tls, None if user is None else (user.name, user.password.reveal()))
    return ConnectClient(connector.url, client, patience=PATIENCE if patience is None else patience)


def _user(form: Section, folder: Path, what: str, where: str) -> User:
    password = form.credential("password", folder)
    if "user" not in form or password is None:
        missing = "`user`" if "user" not in form else "`password` or `password_file`"
        raise AccessIncomplete(what=what, missing=missing, where=where)
    return User(name=form.text("user"), password=password)


def _tls(form: Section, folder: Path) -> Tls:
    files = {key: folder / form.text(key) if key in form else None for key in ("ca", "certificate", "key")}
    if files["certificate"] is None and ("key" in form or "key_password" in form or "key_password_file" in form):
        key = next(key for key in TLS_KEYS[2:] if key in form)
        raise AccessIncomplete(what=f"`{key}`", missing="`certificate`", where=form.where(key))
    return Tls(**files, password=form.credential("key_password", folder))
