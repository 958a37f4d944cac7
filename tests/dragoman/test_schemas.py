"""The JSON Schemas of a project's files: the example fits, what is broken does not, and what fits can be read."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import jsonschema_rs
import msgspec
import pytest

from connectors.capture.errors import FeedsUnusable
from connectors.connect.errors import FeedsUnroutable
from dragoman import mapping_tests
from dragoman.capturing import NamedOtherwise, PartitionsUnsaid
from dragoman.settings import read_settings
from dragoman.source import SignalTableRead, read_source
from pipeline.consume import read_consumer
from pipeline.projection.spec import read_projection
from reconcile.check import read_check
from tests.dragoman.support import INSURER, ROOT, dragoman, succeeds
from translators.errors import DragomanError
from translators.mapping import read_mapping
from translators.schema_text import read_schema
from translators.yaml_text import YamlList, YamlMap, YamlNode, YamlScalar, load

SCHEMAS = ROOT / "dragoman" / "schemas"
NAMES = ("project", "schema", "source", "mapping", "test", "consumer", "check")
FILES = {
    "dragoman.yaml": "project",
    "schema.yaml": "schema",
    "sources/*.yaml": "source",
    "mappings/*.test.yaml": "test",
    "mappings/[!.]*[!t].yaml": "mapping",
    "consumers/*.yaml": "consumer",
    "checks/*.yaml": "check",
}


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))
    return found


def plain(node: YamlNode) -> Any:
    """A file as an editor sees it: what looks like a number or a word of YAML is one."""
    match node:
        case YamlMap(items):
            return {name: plain(value) for name, value in items.items()}
        case YamlList(items):
            return [plain(item) for item in items]
        case YamlScalar(text, _, style):
            if style:
                return text
            if text in ("", "~", "null", "true", "false"):
                return {"true": True, "false": False}.get(text)
            return json.loads(text) if re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?", text) else text


def example(name: str) -> list[Path]:
    found = [path for pattern, kind in FILES.items() if kind == name for path in sorted(INSURER.glob(pattern))]
    return [path for path in found if name == "test" or not path.name.endswith(".test.yaml")]


@pytest.mark.parametrize("name", NAMES)
class TestEach:
    def test_it_is_a_schema_and_knows_its_dialect(self, name: str) -> None:
        jsonschema_rs.meta.validate(schema(name))
        assert schema(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"

    def test_every_file_of_the_example_fits_and_says_where_its_schema_is(self, name: str) -> None:
        validator = jsonschema_rs.validator_for(schema(name))
        files = example(name)
        assert files
        for path in files:
            text = path.read_text("utf-8")
            assert validator.is_valid(plain(load(text, path.name))), path
            named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
            assert named, path
            assert (path.parent / named[1]).resolve() == INSURER / "schemas" / f"{name}.json"

    def test_the_example_has_what_is_shipped_and_the_command_prints_it(self, name: str) -> None:
        shipped = (SCHEMAS / f"{name}.json").read_text("utf-8")
        assert (INSURER / "schemas" / f"{name}.json").read_text("utf-8") == shipped
        assert succeeds("schema", name, cwd=ROOT).out == shipped

    def test_a_key_too_many_or_too_few_does_not_fit(self, name: str) -> None:
        validator = jsonschema_rs.validator_for(schema(name))
        for path in example(name):
            whole = plain(load(path.read_text("utf-8"), path.name))
            assert not validator.is_valid({**whole, "nobody_knows_this": "x"})
            required = next(part["required"] for part in _tops(schema(name)) if set(part["required"]) <= whole.keys())
            for key in required:
                assert not validator.is_valid({k: v for k, v in whole.items() if k != key}), key


def _tops(found: dict[str, Any]) -> list[dict[str, Any]]:
    tops: list[dict[str, Any]] = found.get("oneOf", [found])
    return tops


def test_a_schema_that_there_is_not() -> None:
    assert dragoman("schema", "nothing", cwd=ROOT).code == 2


BROKEN = [
    ("mapping", lambda m: m["root"].pop("key")),
    ("mapping", lambda m: m["state"]["fields"].update(status=None)),
    ("mapping", lambda m: m["state"]["fields"].update(status=["a"])),
    ("mapping", lambda m: m["state"]["fields"]["coverages"].update(where="x")),
    ("mapping", lambda m: m["codes"].update(empty={})),
    ("mapping", lambda m: m["codes"]["status"].update(A={"meaning": "active"})),
    ("mapping", lambda m: m["events"][0].pop("when")),
    ("mapping", lambda m: m["events"].append("PolicyLapsed.v1")),
    ("mapping", lambda m: m["ignore"][0].update(because="x")),
    ("mapping", lambda m: m.update(root="polmst")),
    ("mapping", lambda m: m["parts"]["covdtl"].pop("parent")),
    ("schema", lambda m: m.update(connector="oracle")),
    ("schema", lambda m: m["tables"]["polmst"].update(key="pol_no")),
    ("schema", lambda m: m["tables"]["polmst"].pop("columns")),
    ("schema", lambda m: m["encoding"].update(decimal="exact")),
    ("source", lambda m: m.update(kind="kafka")),
    ("source", lambda m: m.update(begins="later")),
    ("source", lambda m: next(iter(m["feeds"].values())).update(partitions=0)),
    ("consumer", lambda m: m.update(reads=[])),
    ("check", lambda m: m.update(limit=-1)),
    ("check", lambda m: m.update(limit="some")),
    ("check", lambda m: m.update(invariant={"says": "so"})),
    ("check", lambda m: m.update(compare={"by": "a", "legacy": "SELECT 1"})),
    (
        "check",
        lambda m: m.update(compare={"by": "a", "legacy": "x", "view": "x", "extract": {"file": "a.csv", "sql": "x"}}),
    ),
    ("check", lambda m: m.update(freshness={"within": "5"})),
    ("check", lambda m: m.update(freshness={"within": "5m"}, invariant={"says": "so", "view": "x"})),
    ("check", lambda m: m.update(against="stream")),
    ("check", lambda m: m.pop("view")),
    ("check", lambda m: m.update(limits={"mising": 1})),
    ("check", lambda m: m.update(phase="now")),
    ("check", lambda m: m.update(authority={"now": {"amount": "view"}}, phase="now")),
    ("check", lambda m: m.update(slices="a", freshness={"within": "5m"})),
    ("project", lambda m: m.update(translators=["a b"])),
    ("project", lambda m: m.update(log="")),
    ("test", lambda m: m["tests"][0]["expect"][0].update(outcome="fine")),
    ("test", lambda m: m["tests"][0]["given"]["transactions"].append([])),
    ("test", lambda m: m["tests"][0]["given"]["transactions"][0][0].update(op="x")),
    ("test", lambda m: m["tests"][0]["given"]["transactions"][0][0].pop("after")),
    ("test", lambda m: m["tests"][0].pop("name")),
]


@pytest.mark.parametrize(("name", "breaks"), BROKEN, ids=[f"{name}-{at}" for at, (name, _) in enumerate(BROKEN)])
def test_what_is_broken_does_not_fit(name: str, breaks: Callable[[Any], object]) -> None:
    (path, *_) = [p for p in example(name) if name not in ("mapping", "test") or p.name.startswith("policy")]
    validator = jsonschema_rs.validator_for(schema(name))
    whole = plain(load(path.read_text("utf-8"), path.name))
    assert validator.is_valid(whole)
    breaks(whole)
    assert not validator.is_valid(whole)


class Sampler:
    """Draws values that fit a schema, from the words that ours are written in."""

    def __init__(self, root: dict[str, Any], seed: int) -> None:
        self.root = root
        self.random = random.Random(seed)
        self.words = [f"{letter}{number}" for letter in "abcdef" for number in range(1, 5)]

    def draw(self, node: dict[str, Any], depth: int = 0) -> Any:
        if "$ref" in node:
            return self.draw(self.root["$defs"][node["$ref"].rsplit("/", 1)[-1]], depth)
        for word in ("oneOf", "anyOf"):
            if word in node:
                simple = node[word][:1] if depth > 4 else node[word]
                return self.draw(self.random.choice(simple), depth)
        if "const" in node:
            return node["const"]
        if "enum" in node:
            return self.random.choice(node["enum"])
        if "examples" in node:
            return self.random.choice(node["examples"])
        kinds = node.get("type", "string")
        kind = self.random.choice(kinds) if isinstance(kinds, list) else kinds
        return getattr(self, f"a_{kind}")(node, depth)

    def a_string(self, node: dict[str, Any], depth: int) -> str:
        return (
            str(self.random.randrange(1, 999))
            if node.get("pattern", "").startswith(("^[0-9", "^(?:[1-9]"))
            else self.word()
        )

    def a_number(self, node: dict[str, Any], depth: int) -> float:
        return self.random.choice((0, 1, -3, 2.5))

    def a_integer(self, node: dict[str, Any], depth: int) -> int:
        return self.random.randrange(node.get("minimum", 0), 100)

    def a_boolean(self, node: dict[str, Any], depth: int) -> bool:
        return self.random.random() < 0.5

    def a_null(self, node: dict[str, Any], depth: int) -> None:
        return None

    def a_array(self, node: dict[str, Any], depth: int) -> list[Any]:
        drawn = [self.draw(node["items"], depth + 1) for _ in range(self.random.randrange(node.get("minItems", 0), 4))]
        unique = {json.dumps(one): one for one in drawn} if node.get("uniqueItems") else dict(enumerate(drawn))
        return list(unique.values())

    def a_object(self, node: dict[str, Any], depth: int) -> dict[str, Any]:
        known = node.get("properties", {})
        given = {name: self.draw(known[name], depth + 1) for name in known if self.wanted(node, name)}
        if "additionalProperties" in node and node["additionalProperties"] is not False:
            most = max(node.get("minProperties", 0), 0 if depth > 5 else self.random.randrange(3))
            for name in self.random.sample(self.words, most):
                given[name] = self.draw(node["additionalProperties"], depth + 1)
        elif known and not given and node.get("minProperties"):
            given = {name: self.draw(known[name], depth + 1) for name in list(known)[: node["minProperties"]]}
        if "then" in node:
            if given["op"] == "d":
                given.pop("after", None)
            wanted = "before" if given["op"] == "d" else "after"
            given.setdefault(wanted, self.draw(node["properties"][wanted], depth + 1))
        return given

    def wanted(self, node: dict[str, Any], name: str) -> bool:
        return name in node.get("required", ()) or self.random.random() < 0.5

    def word(self) -> str:
        return self.random.choice(self.words)


def read(name: str, text: str, folder: Path) -> None:
    """Read a file as the product does; what it means is not asked."""
    match name:
        case "mapping":
            read_mapping(
                text, "m.yaml", lambda path: "code,meaning\nA,active\n" if path.endswith(".csv") else "codes: {}\n"
            )
        case "schema":
            read_schema(text, "schema.yaml")
        case "check":
            read_check(text, "check.yaml")
        case "consumer":
            (read_consumer if "consumer" in json.loads(text) else read_projection)(text, "c.yaml")
        case "project":
            (folder / "dragoman.yaml").write_text(text, encoding="utf-8")
            read_settings(folder, {})
        case "source":
            _read_source(text, folder)
        case "test":
            _read_tests(text)


def _read_source(text: str, folder: Path) -> None:
    (folder / "sources").mkdir(exist_ok=True)
    (folder / "sources" / "s.yaml").write_text(text, encoding="utf-8")
    project = "project: p\nnamespace: n\ntranslators: t\nsource: s\nlog: l\nstate: s\n"
    (folder / "dragoman.yaml").write_text(project, encoding="utf-8")
    legacy = read_schema((INSURER / "schema.yaml").read_text("utf-8"), "schema.yaml")
    if capture := json.loads(text).get("capture"):
        kind: Literal["mariadb", "postgresql"] = "mariadb" if "server_id" in capture else "postgresql"
        legacy = msgspec.structs.replace(legacy, connector=kind)
    read_source(read_settings(folder, {}), legacy)


def _read_tests(text: str) -> None:
    """The tests of a world in which every table and column of the sampler's words exists, as a nullable text."""
    words = Sampler({}, 0).words
    tables = {word: {"key": words[:1], "columns": dict.fromkeys(words, "text")} for word in words}
    legacy = read_schema(json.dumps({"source": "s", "connector": "sqlite", "namespace": "n", "tables": tables}), "s")
    mapping_tests.tests_of(text, "t.yaml", legacy)


SAYS_MEANING = re.compile(r"is used twice|names '.*' twice")
COMPARES = (FeedsUnusable, SignalTableRead, FeedsUnroutable, NamedOtherwise, PartitionsUnsaid)
"""What no JSON Schema can say, because it compares one part of a file with another."""


@pytest.mark.parametrize("name", NAMES)
def test_the_readers_accept_what_the_schema_accepts(name: str, tmp_path: Path) -> None:
    validator = jsonschema_rs.validator_for(schema(name))
    accepted = 0
    for seed in range(150):
        drawn = Sampler(schema(name), seed).draw(schema(name))
        _fit(name, drawn)
        assert validator.is_valid(drawn), drawn
        try:
            read(name, json.dumps(drawn), tmp_path)
        except DragomanError as error:
            assert isinstance(error, COMPARES) or SAYS_MEANING.search(error.message), (error.message, drawn)
            continue
        accepted += 1
    assert accepted > 50


def _fit_access(drawn: dict[str, Any]) -> None:
    """A user has one password, a certificate may have a key, a key one password."""
    whole = {"password": "user", "key": "certificate", "key_password": "certificate"}
    for key, of in whole.items():
        if of not in drawn:
            drawn.pop(key, None)
            drawn.pop(f"{key}_file", None)
        elif key in drawn:
            drawn.pop(f"{key}_file", None)
    if "user" in drawn and "password_file" not in drawn:
        drawn["password"] = "${PASSWORD}"  # noqa: S105 - a variable, as a file names it


def _fit(name: str, drawn: Any) -> None:
    """Bring those parts together that a schema cannot compare."""
    if name == "test":
        key = Sampler({}, 0).words[0]
        for test in drawn["tests"]:
            steps = min(len(test["given"]["transactions"]), len(test["expect"]))
            del test["given"]["transactions"][steps:], test["expect"][steps:]
            for change in (c for transaction in test["given"]["transactions"] for c in transaction):
                change["table"] = key
                for image in ("before", "after"):
                    if image in change:
                        change[image] = {key: "1"}
    if name == "check":
        _fit_check(drawn)
        for kind in [kind for kind in ("compare", "invariant", "freshness") if kind in drawn][1:]:
            del drawn[kind]
        _so_many(drawn.get("compare"), "legacy", "extract", "view", of=2)
        _so_many(drawn.get("invariant"), "legacy", "view", of=1)
        if len(drawn.get("freshness", ())) == 3:
            del drawn["freshness"]["view"]
    if name == "source" and "registry" in drawn and drawn["kind"] == "recording":
        drawn["encoding"] = "base64"
    if name == "source" and drawn["kind"] == "kafka":
        for part in ("security", "connect"):
            _fit_access(drawn.get(part, {}))
    if name == "schema":
        for table in drawn["tables"].values():
            table.pop("key", None)


def _fit_check(drawn: Any) -> None:
    """A view, or the stream without its group; what only checks of rows say; and a phase that the authority knows."""
    asks = {"compare", "invariant", "freshness"} & drawn.keys()
    if "against" in drawn and not asks:
        drawn.pop("view", None)
        drawn.pop("group", None)
    else:
        drawn.pop("against", None)
        drawn.setdefault("view", "v")
    if asks:
        for key in (
            "phase",
            "authority",
            "exclude",
            "technical",
            "sensitive",
            "tolerance",
            "slices",
            "processes",
            "plan",
        ):
            drawn.pop(key, None)
    if asks or "against" in drawn:
        drawn.pop("tables", None)
    if "tables" in drawn:
        _fit_tables(drawn)
    drawn.pop("phase", None)
    if isinstance(drawn.get("authority"), dict):
        drawn["phase"] = next(iter(drawn["authority"]))


def _fit_tables(drawn: Any) -> None:
    """A group or a checkpoint; each path once, and elements that are told apart by paths that are shown."""
    tables = drawn["tables"]
    if "checkpoint" in tables:
        drawn.pop("group", None)
    else:
        drawn.setdefault("group", "g")
    children = tables.get("children", {}).values()
    for columns in (tables["key"], tables["columns"], *(child["columns"] for child in children)):
        columns.update({column: f"p{number}" for number, column in enumerate(columns)})
    for child in children:
        child["identity"] = "p0"


def _so_many(drawn: dict[str, Any] | None, *names: str, of: int) -> None:
    """Keep or add as many of these queries as there have to be."""
    if drawn is None:
        return
    for name in [name for name in names if name in drawn][of:]:
        del drawn[name]
    for name in ("legacy", "view"):
        if sum(one in drawn for one in names) < of:
            drawn.setdefault(name, "SELECT 1")
