"""The adopter's folder: each of its files is read when it is first asked for, and says its own errors."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from dragoman.forms import read_text
from dragoman.settings import Settings
from translators.errors import DragomanError
from translators.yaml_text import YamlMap, did_you_mean, load

if TYPE_CHECKING:
    from connectors.debezium.decode import Decoder
    from connectors.debezium.registry import SchemaRegistry
    from dragoman.source import Source
    from pipeline.consume import ConsumerSpec
    from pipeline.projection.spec import ProjectionSpec
    from reconcile.check import CheckSpec
    from translators.binding import BoundMapping, Contracts
    from translators.compiled import CompiledTranslator
    from translators.functions import PythonFunction
    from translators.mapping import Mapping
    from translators.schema import LegacySchema


class TranslatorUnknown(DragomanError):
    """This project has no translator {name}{suggestion}"""

    code: ClassVar[str] = "project.translator-unknown"
    hint: ClassVar[str] = "Its translators are: {known}."


class MappingNamedOtherwise(DragomanError):
    """The mapping {file} calls itself {name}."""

    code: ClassVar[str] = "project.mapping-name"
    hint: ClassVar[str] = "A mapping is called like its file: correct one of the two."


class MappingTwice(DragomanError):
    """The translator {name} is written twice: {file} and {other}."""

    code: ClassVar[str] = "project.mapping-twice"
    hint: ClassVar[str] = "Keep one of the two."


class ConsumerTwice(DragomanError):
    """Two consumers are called {name}: {first} and {second}."""

    code: ClassVar[str] = "project.consumer-twice"
    hint: ClassVar[str] = "Give one of them another name: it becomes a consumer group."


class ConsumerReads(DragomanError):
    """{name} reads the translator {reads}, which this project has not{suggestion}"""

    code: ClassVar[str] = "project.reads-unknown"
    hint: ClassVar[str] = "Its translators are: {known}."


class Project:
    """One project. Every attribute may raise a `DragomanError` that names file, line and column."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.folder
        self._made: dict[str, CompiledTranslator] = {}

    @cached_property
    def schema(self) -> LegacySchema:
        """The legacy schema."""
        from translators.schema_text import read_schema

        return read_schema(self.text("schema.yaml", "Write down the legacy's tables and columns there."), "schema.yaml")

    @cached_property
    def source(self) -> Source:
        """Where the changes come from."""
        from dragoman.source import read_source

        return read_source(self.settings, self.schema)

    @cached_property
    def registry(self) -> SchemaRegistry | None:
        """The schemas of the source's Avro records, if it declares where they are."""
        return None if self.source.registry is None else self.source.registry.open()

    def decoder(self, translator: CompiledTranslator | None = None, schema: LegacySchema | None = None) -> Decoder:
        """What reads the source's records, by the project's legacy schema or by another one.

        For a translator the columns have to be there that it needs, else all that are declared.
        """
        from connectors.debezium.decode import Decoder

        source, needs = self.source, None if translator is None else translator.columns
        return Decoder(schema or self.schema, source.notifications, self.registry, source.signals, needs)

    @cached_property
    def contracts(self) -> Contracts:
        """All contracts by type."""
        from dragoman.python_files import contracts_of

        return contracts_of(self.folder)

    @cached_property
    def translators(self) -> dict[str, CompiledTranslator]:
        """All translators by name, each with a feed that can serve it."""
        return {name: self.made(name) for name in self.settings.translators}

    def made(self, name: str) -> CompiledTranslator:
        """One translator with a feed that can serve it, compiled once; what is wrong with others does not matter."""
        if name not in self._made:
            translator = self.translator(name)
            self.source.feed_of(translator)
            self._made[name] = translator
        return self._made[name]

    def translator(self, name: str) -> CompiledTranslator:
        """One translator, compiled."""
        from translators.compiled import compile_mapping

        mapping, text = self.mapping(name)
        return compile_mapping(mapping, text, self.schema, self.contracts, functions=self.function)

    def function(self, name: str) -> PythonFunction:
        """The Python function `module:function` that a mapping names."""
        from dragoman.functions import function_of

        return function_of(self.folder, name)

    def bound(self, name: str) -> BoundMapping:
        """One mapping, bound but not compiled: what lint looks at."""
        from translators.binding import bind_mapping

        mapping, text = self.mapping(name)
        return bind_mapping(mapping, text, self.schema, self.contracts, self.function)

    def mapping(self, name: str) -> tuple[Mapping, str]:
        """A mapping and its file's text."""
        from translators.mapping import read_mapping

        self.check_name(name)
        if self.path(f"mappings/{name}.py").is_file():
            return self._python_mapping(name)
        file = f"mappings/{name}.yaml"
        text = self.text(file, f"dragoman.yaml names the translator {name!r}: write its mapping, or take the name out.")
        mapping = read_mapping(text, file, self.text)
        if mapping.name != name:
            raise MappingNamedOtherwise(file=file, name=mapping.name, where=file)
        return mapping, text

    def _python_mapping(self, name: str) -> tuple[Mapping, str]:
        """A translator that is a Python class, as a mapping."""
        from dragoman.functions import translator_of
        from translators.python_class import read_python

        file, other = f"mappings/{name}.py", f"mappings/{name}.yaml"
        if self.path(other).is_file():
            raise MappingTwice(name=name, file=file, other=other, where=file)
        text = self.text(file)
        mapping = read_python(translator_of(self.folder, self.path(file)), text, file)
        if mapping.name != name:
            raise MappingNamedOtherwise(file=file, name=mapping.name, where=file)
        return mapping, text

    def check_name(self, name: str) -> None:
        """`project.translator-unknown` unless the project has a translator of this name."""
        known = self.settings.translators
        if name not in known:
            raise TranslatorUnknown(name=name, suggestion=did_you_mean(name, known), known=", ".join(known))

    @cached_property
    def projections(self) -> tuple[ProjectionSpec, ...]:
        """The projections of `consumers/*.yaml`."""
        if not (found := self._consumers("projection")):
            return ()
        from pipeline.projection.spec import read_projection

        return tuple(read_projection(text, file) for file, text in found)

    @cached_property
    def actions(self) -> tuple[ConsumerSpec, ...]:
        """The action consumers of `consumers/*.yaml`."""
        # Imported where there are some: it brings SQLAlchemy, which takes as long as the rest of a small project.
        if not (found := self._consumers("consumer")):
            return ()
        from pipeline.consume import read_consumer

        return tuple(read_consumer(text, file) for file, text in found)

    @cached_property
    def checks(self) -> tuple[CheckSpec, ...]:
        """The checks of `checks/*.yaml`."""
        from reconcile.check import read_check

        return tuple(read_check(self.text(file), file) for file in self.files("checks"))

    def check_readers(self) -> None:
        """Every consumer has a name of its own and reads translators that exist."""
        known = self.settings.translators
        homes: dict[str, str] = {}
        readers: list[tuple[str, str, tuple[str, ...]]] = [(p.name, p.file, (p.reads,)) for p in self.projections]
        readers += [(a.name, a.places["reads"], a.reads) for a in self.actions]
        for name, file, reads in readers:
            if name in homes:
                raise ConsumerTwice(name=name, first=homes[name], second=file, where=file)
            homes[name] = file
            for translator in reads:
                if translator not in known:
                    near = did_you_mean(translator, known)
                    raise ConsumerReads(
                        name=name, reads=translator, suggestion=near, known=", ".join(known), where=file
                    )

    def files(self, folder: str) -> list[str]:
        """The YAML files of one of the project's folders, tests beside mappings left out, as errors name them."""
        paths = sorted((self.folder / folder).glob("*.yaml"))
        return [f"{folder}/{path.name}" for path in paths if not path.name.endswith(".test.yaml")]

    def text(self, file: str, fix: str = "Make the file, or correct its name.") -> str:
        """The text of one of the project's files."""
        return read_text(self.folder / file, file, fix)

    def path(self, file: str) -> Path:
        """The place of one of the project's files."""
        return self.folder / file

    def _consumers(self, kind: str) -> list[tuple[str, str]]:
        """The consumer files of one kind; a file that is neither kind counts as a projection, which then says so."""
        found = []
        for file in self.files("consumers"):
            text = self.text(file)
            node = load(text, file)
            is_action = isinstance(node, YamlMap) and "consumer" in node.items
            if is_action == (kind == "consumer"):
                found.append((file, text))
        return found
