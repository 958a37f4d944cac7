"""A legacy SQLite database whose triggers write down each row change, told as the records that Debezium would send."""

from connectors.capture.spec import Captured, CaptureSpec
from connectors.capture.sqlite import Snapshot, SqliteCapture
from connectors.capture.triggers import install, uninstall
from connectors.feeds import Feed

__all__ = ["CaptureSpec", "Captured", "Feed", "Snapshot", "SqliteCapture", "install", "uninstall"]
