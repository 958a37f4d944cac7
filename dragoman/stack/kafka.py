"""Kafka: one broker that is its own controller (KRaft), on one port for clients and one for itself."""

from __future__ import annotations

import base64
import os
import socket
import struct
from pathlib import Path
from typing import ClassVar

import msgspec

from dragoman.stack.java import java_command, write_properties
from dragoman.stack.processes import HOST, free_port

_METADATA, _VERSION = 3, 1


class Kafka(msgspec.Struct, frozen=True, kw_only=True, tag="kafka"):
    """A broker, ready about 3 s after its start. Topics are made by those who need them, never by asking for one."""

    name: ClassVar[str] = "kafka"
    title: ClassVar[str] = "Kafka"
    user: ClassVar[str | None] = None
    start_seconds: ClassVar[int] = 120

    java: str
    libs: str

    def initialise(self, home: Path, port: int) -> list[list[str]]:
        """Write the settings; the command that formats the broker's folder."""
        properties = write_properties(home / "server.properties", _properties(home, port, free_port()))
        # A letter first: one that began with `-` would be taken for an option.
        cluster = base64.urlsafe_b64encode(b"\0" + os.urandom(15)).decode().rstrip("=")
        arguments = ("format", "-t", cluster, "-c", str(properties))
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
