"""What Kafka and Kafka Connect have in common: how a Java program is run, and its log."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_LOG4J = """\
rootLogger.level = {level}
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c{{1}}: %m%n
"""


def write_properties(path: Path, properties: Mapping[str, object]) -> Path:
    """A Java properties file. Its names and values are our own: nothing in them has to be escaped."""
    path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()), encoding="utf-8")
    return path


def java_command(java: str, libs: str, home: Path, main: str, *arguments: str, memory: str, level: str) -> list[str]:
    """The command that runs a class of the jars, logging to standard output from a level on."""
    logging = home / "log4j2.properties"
    logging.write_text(_LOG4J.format(level=level), encoding="utf-8")
    options = [
        f"-Xmx{memory}",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        f"-Dlog4j2.configurationFile={logging}",
    ]
    return [java, *options, "-cp", f"{libs}/*", main, *arguments]
