"""Kafka Connect over REST: a connector's configuration derived from what a project declares, and the worker asked and told."""

from connectors.connect.client import ConnectClient
from connectors.connect.config import ConnectorSpec, MariaDBSource, PostgresSource, SignalChannel, connector_config
from connectors.connect.progress import ConnectorProgress
from connectors.connect.states import ConnectorStatus, SourceOffset, TaskStatus

__all__ = [
    "ConnectClient",
    "ConnectorProgress",
    "ConnectorSpec",
    "ConnectorStatus",
    "MariaDBSource",
    "PostgresSource",
    "SignalChannel",
    "SourceOffset",
    "TaskStatus",
    "connector_config",
]
