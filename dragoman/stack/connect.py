"""Kafka Connect: one distributed worker with Debezium's connectors beside it."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import msgspec

from dragoman.stack.java import java_command, write_properties
from dragoman.stack.processes import HOST


class Connect(msgspec.Struct, frozen=True, kw_only=True, tag="connect"):
    """A worker that keeps all it knows in Kafka: killed and started again, it goes on.

    Secrets stay out of its REST interface: `${env:NAME}` and `${file:PATH:NAME}` are filled in by the worker. `settings`
    are of the worker and win over ours.
    """

    name: ClassVar[str] = "connect"
    title: ClassVar[str] = "Kafka Connect"
    user: ClassVar[str | None] = None
    start_seconds: ClassVar[int] = 240

    java: str
    libs: str
    plugins: str
    bootstrap: str
    exactly_once: bool
    group: str
    settings: Mapping[str, str] = {}

    def initialise(self, home: Path, port: int) -> list[list[str]]:
        """Write the settings; there is nothing to run."""
        write_properties(home / "connect.properties", self._properties(port))
        return []

    def command(self, home: Path, port: int) -> list[str]:
        """What runs until it is ended; the port is in the settings."""
        properties = str(home / "connect.properties")
        main = "org.apache.kafka.connect.cli.ConnectDistributed"
        return java_command(self.java, self.libs, home, main, properties, memory="768m", level="WARN")

    def url(self, at: str) -> str:
        """How a client reaches it at `host:port`."""
        return f"http://{at}"

    def is_ready(self, port: int) -> bool:
        """Whether the worker has joined its group and read what it knows."""
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _properties(self, port: int) -> dict[str, object]:
        topics = ("offset", "config", "status")
        return {
            "bootstrap.servers": self.bootstrap,
            "group.id": self.group,
            "listeners": f"http://{HOST}:{port}",
            "rest.advertised.host.name": HOST,
            "plugin.path": self.plugins,
            # All of our plugins say what they hold: no class has to be looked at.
            "plugin.discovery": "service_load",
            "key.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            **{f"{topic}.storage.topic": f"{self.group}.{topic}s" for topic in topics},
            **{f"{topic}.storage.replication.factor": 1 for topic in topics},
            "offset.storage.partitions": 4,
            "status.storage.partitions": 2,
            "offset.flush.interval.ms": 1000,
            "exactly.once.source.support": "enabled" if self.exactly_once else "disabled",
            "connector.client.config.override.policy": "All",
            "config.providers": "env,file",
            "config.providers.env.class": "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
            "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
            **self.settings,
        }
