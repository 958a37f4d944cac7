"""Kafka: one broker that is its own controller (KRaft), on one port for clients and one for itself."""

from __future__ import annotations

import base64
import os
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import msgspec

from dragoman.stack.java import java_command, write_properties
from dragoman.stack.processes import HOST, free_port

_METADATA, _VERSION = 3, 1


class Secured(msgspec.Struct, frozen=True, kw_only=True):
    """A second listener, for clients over TLS that say who they are; `keystore` is PKCS #12, `users` have passwords."""

    port: int
    keystore: str
    keystore_password: str
    users: Mapping[str, str]


class Kafka(msgspec.Struct, frozen=True, kw_only=True, tag="kafka"):
    """A broker, ready about 3 s after its start. Topics are made by those who need them, never by asking for one."""

    name: ClassVar[str] = "kafka"
    title: ClassVar[str] = "Kafka"
    user: ClassVar[str | None] = None
    start_seconds: ClassVar[int] = 120

    java: str
    libs: str
    secured: Secured | None = None

    def initialise(self, home: Path, port: int) -> list[list[str]]:
        """Write the settings; the command that formats the broker's folder."""
        controller = free_port()
        settings = {**_properties(home, port, controller), **_secured(self.secured, port, controller)}
        properties = write_properties(home / "server.properties", settings)
        # A letter first: one that began with `-` would be taken for an option.
        cluster = base64.urlsafe_b64encode(b"\0" + os.urandom(15)).decode().rstrip("=")
        arguments = ["format", "-t", cluster, "-c", str(properties), *_scram(self.secured)]
        tool = "kafka.tools.StorageTool"
        return [java_command(self.java, self.libs, home, tool, *arguments, memory="128m", level="ERROR")]

    def command(self, home: Path, port: int) -> list[str]:
        """What runs until it is ended; the port is in the settings."""
        properties = str(home / "server.properties")
        return java_command(self.java, self.libs, home, "kafka.Kafka", properties, memory="512m", level="WARN")

    def url(self, at: str) -> str:
        """How a client reaches it at `host:port`."""
        return at

    def is_ready(self, port: int) -> bool:
        """Whether the broker says of itself that it is there: it takes requests earlier."""
        request = struct.pack(">hhihi", _METADATA, _VERSION, 1, -1, 0)
        try:
            with socket.create_connection((HOST, port), timeout=5) as connection:
                connection.sendall(struct.pack(">i", len(request)) + request)
                answer = connection.recv(12)
        except OSError:
            return False
        if len(answer) < 12:
            return False
        brokers: int = struct.unpack(">iii", answer)[2]
        return brokers > 0


_JAAS = "org.apache.kafka.common.security"


def _scram(secured: Secured | None) -> Iterator[str]:
    """The users, as the tool that formats the broker's folder takes them."""
    for name, password in ({} if secured is None else secured.users).items():
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            yield from ("--add-scram", f"{mechanism}=[name={name},password={password}]")


def _secured(secured: Secured | None, port: int, controller: int) -> dict[str, object]:
    """The settings of the second listener, instead of those that name the first alone."""
    if secured is None:
        return {}
    listener, mine = "listener.name.secured", f"SECURED://{HOST}:{secured.port}"
    users = " ".join(f'user_{name}="{password}"' for name, password in secured.users.items())
    first = f"PLAINTEXT://{HOST}:{port}"
    return {
        "listeners": f"{first},{mine},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"{first},{mine}",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL",
        f"{listener}.ssl.keystore.type": "PKCS12",
        f"{listener}.ssl.keystore.location": secured.keystore,
        f"{listener}.ssl.keystore.password": secured.keystore_password,
        f"{listener}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        f"{listener}.plain.sasl.jaas.config": f"{_JAAS}.plain.PlainLoginModule required {users};",
        **{
            f"{listener}.scram-sha-{bits}.sasl.jaas.config": f"{_JAAS}.scram.ScramLoginModule required;"
            for bits in (256, 512)
        },
    }


def _properties(home: Path, port: int, controller: int) -> dict[str, object]:
    single = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": home / "data",
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": 0,
        # A broker that was killed is taken back only when the controller has given up the one before (9 s by default).
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        **{f"{topic}.replication.factor": 1 for topic in single},
        **{f"{topic}.num.partitions": 4 for topic in single},
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # Compaction is seen within seconds, and its buffer is no quarter of the memory.
        "log.initial.task.delay.ms": 1000,
        "log.cleaner.backoff.ms": 1000,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    }
