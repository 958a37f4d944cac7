"""Why a stack, or a part of it, cannot be had here."""

from __future__ import annotations

from typing import ClassVar

from translators.errors import DragomanError


class JavaMissing(DragomanError):
    """Kafka and Kafka Connect run on Java 17 or newer, and {found}."""

    code: ClassVar[str] = "stack.java-missing"
    hint: ClassVar[str] = (
        "Install it (Debian: `apt-get install default-jre-headless`) so that `java` is found. `dragoman demo` needs none."
    )


class MavenMissing(DragomanError):
    """The jars of Kafka and Debezium have not been fetched yet, and there is no `mvn` here to fetch them with."""

    code: ClassVar[str] = "stack.maven-missing"
    hint: ClassVar[str] = (
        "Install Maven (Debian: `apt-get install maven`), or copy {folder} from a machine that has fetched them."
    )


class FetchFailed(DragomanError):
    """Maven could not fetch the jars of Kafka and Debezium: {reason}"""

    code: ClassVar[str] = "stack.fetch-failed"
    hint: ClassVar[str] = "Let Maven reach Maven Central or a mirror of it (`~/.m2/settings.xml`), then try again."
    transient: ClassVar[bool] = True


class JarsDiffer(DragomanError):
    """What Maven fetched is not what is pinned: {files}"""

    code: ClassVar[str] = "stack.jars-differ"
    hint: ClassVar[str] = (
        "Ask who runs the mirror that Maven fetches from. Nothing of it was run, and nothing was kept in the cache."
    )


class ServerMissing(DragomanError):
    """There is no {server} on this machine that could be started: {reason}."""

    code: ClassVar[str] = "stack.server-missing"
    hint: ClassVar[str] = "Install it (Debian: `apt-get install {package}`), or leave it out with --only."


class PartUnknown(DragomanError):
    """The stack has no part {part!r}{suggestion}"""

    code: ClassVar[str] = "stack.part-unknown"
    hint: ClassVar[str] = "Its parts are: {known}."


class PortTaken(DragomanError):
    """{part} cannot listen on port {port}: somebody else does."""

    code: ClassVar[str] = "stack.port-taken"
    hint: ClassVar[str] = (
        "End what listens there, or choose another one with --port {part}=PORT; without it, a free one is taken."
    )


class StartFailed(DragomanError):
    """{part} did not start: {reason}. The last that it said: {said}"""

    @property
    def lines(self) -> tuple[str, ...]:
        """The last lines that it said."""
        lines = self.fields["lines"]
        return lines if isinstance(lines, tuple) else ()

    code: ClassVar[str] = "stack.start-failed"
    hint: ClassVar[str] = "Its log says why: {log}."


class RunsOtherwise(DragomanError):
    """{part} is running already, and not as asked now: {difference}."""

    code: ClassVar[str] = "stack.runs-otherwise"
    hint: ClassVar[str] = "End it with `dragoman stack down`, then start it as you want it."
