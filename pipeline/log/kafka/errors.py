"""What may go wrong with a broker, in our own words."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import ClassVar

from aiokafka import errors as kafka

from pipeline.log.memory import RecordRefused
from pipeline.log.port import LogError


class LogUnreachable(LogError):
    """The log {path} did not answer within {seconds} s: {reason}."""

    code: ClassVar[str] = "log.unreachable"
    hint: ClassVar[str] = (
        "Check that the brokers run and that this machine reaches the addresses that they advertise. "
        "What was being written may be there or not; repeating is safe."
    )
    transient: ClassVar[bool] = True


class GroupInUse(LogError):
    """The offsets of group {group} cannot be set in the log {path}: it has running members."""

    code = "log.group-in-use"
    hint = "End the workers of this group (or wait until the broker has given them up), then run the command again."


class MembershipLost(LogError):
    """This process is no member of group {group} of the log {path} any more: offsets of its partitions were not committed."""

    code = "log.membership-lost"
    hint = "It joins again by itself and goes on. If it happens often, look for a machine that stalls for seconds."
    transient = True


class AccessDenied(LogError):
    """The brokers of the log {path} refuse this user: {reason}."""

    code = "log.access-denied"
    hint = "Give the user the rights on the topics, groups and transactional ids that `dragoman plan` names."


class LoginRefused(LogError):
    """The brokers of the log {path} do not let this user in: {reason}."""

    code = "log.login-refused"
    hint = (
        "Compare `security:` of the source with the brokers: the mechanism, the user, and the password that its variable "
        "or file has."
    )


class TlsFailed(LogError):
    """No TLS connection to the brokers of the log {path} can be made: {reason}."""

    code = "log.tls-failed"
    hint = (
        "Name the authority that has signed the brokers' certificates with `ca:` under `security:` of the source, and the "
        "brokers by the names in their certificates. Nothing is sent to brokers that cannot be verified."
    )


_MEMBERS = (kafka.UnknownMemberIdError, kafka.IllegalGenerationError, kafka.RebalanceInProgressError)
_REFUSED = (
    kafka.MessageSizeTooLargeError,
    kafka.RecordListTooLargeError,
    kafka.InvalidTimestampError,
    kafka.OffsetMetadataTooLargeError,
)
_DENIED = (
    kafka.TopicAuthorizationFailedError,
    kafka.GroupAuthorizationFailedError,
    kafka.ClusterAuthorizationFailedError,
    kafka.TransactionalIdAuthorizationFailed,
    kafka.AuthenticationFailedError,
)
_LOGIN = (kafka.SaslAuthenticationFailed, kafka.UnsupportedSaslMechanismError, kafka.IllegalSaslStateError)
# A peer that goes away in the middle of a handshake may be there again.
_PASSING_TLS = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
# The epoch is old, or the broker ended the transaction and has forgotten it.
_FENCED = (
    kafka.ProducerFenced,
    kafka.InvalidProducerEpoch,
    kafka.InvalidTxnState,
    kafka.InvalidProducerIdMapping,
    kafka.UnknownProducerId,
)


def is_fenced(error: BaseException) -> bool:
    """Whether this, or what caused it, says that a newer producer has the transactional id."""
    return any(isinstance(found, _FENCED) for found in _chain(error))


def is_unknown(error: BaseException) -> bool:
    """Whether the broker failed in a way that it has no code for."""
    return any(isinstance(found, kafka.UnknownError) for found in _chain(error))


def is_transient(error: BaseException) -> bool:
    """Whether the same request may be answered later."""
    if _is_of_tls(error):
        return False
    return isinstance(error, OSError | TimeoutError) or (isinstance(error, kafka.KafkaError) and error.retriable)


def translated(error: BaseException, path: str, *, seconds: float, topic: str = "", group: str = "") -> LogError:
    """The error of ours that says what the broker means."""
    for found in _chain(error):
        if isinstance(found, LogError):
            return found
        reason = " ".join(str(found).split()) or type(found).__name__
        if isinstance(found, _REFUSED):
            return RecordRefused(path=path, topic=topic, reason=reason)
        if isinstance(found, _MEMBERS):
            return GroupInUse(path=path, group=group)
        if isinstance(found, _LOGIN):
            return LoginRefused(path=path, reason=reason)
        if _is_of_tls(found):
            return TlsFailed(path=path, reason=reason)
        if isinstance(found, _DENIED):
            return AccessDenied(path=path, reason=reason)
        if is_transient(found):
            return LogUnreachable(path=path, seconds=seconds, reason=reason)
    return LogError(path=path, reason=" ".join(str(error).split()) or type(error).__name__)


def _is_of_tls(error: BaseException) -> bool:
    return isinstance(error, ssl.SSLError) and not isinstance(error, _PASSING_TLS)


def _chain(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__
