"""Whether a changed contract still keeps the promise of the old one: FULL_TRANSITIVE, by rules of our own.

The producer moves first, so readers of the old contract meet new documents; and a new reader begins at offset 0, so
readers of the new contract meet old documents. Both have to go well. Readers follow three rules, which is all that they
may be asked: they pass over fields they do not know; they meet a value of an enum that they do not know without
failing; they do not hold documents against texts, titles and examples. Writers write the fields of their contract only.

What follows for the one who changes a contract, `RULES` says. A contract that was a draft promised nothing.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from translators.yaml_text import did_you_mean

if TYPE_CHECKING:
    from translators.contract import Contract, Shape

Schema = Mapping[str, Any]
"""A JSON Schema, as `published_schema` gives it."""

RULES: Mapping[str, str] = MappingProxyType(
    {
        "field-removed": "A field is never removed or renamed, not even an optional one: somebody reads it.",
        "field-required": "A new field is optional: documents that are already published do not have it.",
        "field-now-required": "An optional field stays optional: published documents may lack it.",
        "field-now-optional": "A required field stays required: readers count on it.",
        "type-changed": "A type stays what it is, and so does its format; an integer does not become a number.",
        "null-added": "A field that was never null stays so: readers do not expect null.",
        "null-removed": "A field that may be null stays so: published documents hold nulls.",
        "enum-removed": "A value of an enum is never removed or renamed: published documents hold it. New ones may come.",
        "enum-closed": "A free text does not become an enum: published documents hold other texts.",
        "limit-narrowed": "A limit does not become narrower: published documents may exceed it.",
        "limit-widened": "A limit does not become wider: readers made their columns by it.",
        "limit-changed": "A pattern stays what it is: which of two texts it fits cannot be compared.",
        "class-lowered": "Personal and sensitive fields stay so: what was published is not made public afterwards.",
        "promise-changed": "Business key, kind, context and folding stay: readers store, route and fold by them.",
        "version-reused": "A version that was retired is not used again, and one in use does not become a draft.",
    }
)
"""Each rule by the `rule` of its breaks."""

_ANNOTATIONS = frozenset(
    ("$schema", "$id", "$defs", "$comment", "title", "description", "examples", "default", "deprecated", "x-contract",
     "x-data-class", "readOnly", "writeOnly")
)  # fmt: skip
_LOWER = ("minLength", "minItems", "minimum", "exclusiveMinimum", "minProperties")
_UPPER = ("maxLength", "maxItems", "maximum", "exclusiveMaximum", "maxProperties", "x-digits", "x-places")
_NOTHING = {"minLength": 0, "minItems": 0, "minProperties": 0, "uniqueItems": False}
"""Limits that say the same as none."""
_READ = frozenset(
    (*_LOWER, *_UPPER, "type", "format", "enum", "const", "pattern", "properties", "required", "items", "anyOf",
     "additionalProperties", "$ref")
)  # fmt: skip
_CLASSES = ("public", "internal", "personal", "sensitive")
_KEPT = ("business_key", "kind", "context", "folds")
_STATUSES = ("draft", "active", "deprecated", "retired")


class Break(msgspec.Struct, frozen=True):
    """One broken promise: the rule, the path of the field (empty: the contract itself), and what it means."""

    rule: str
    path: str
    message: str


def compare(old: Schema, new: Schema) -> list[Break]:
    """What in `new` breaks a promise of `old`, in the order of the old fields. Nothing if documents go both ways."""
    promised = old.get("x-contract", {})
    if promised.get("status") == "draft":
        return []
    return [*_promise(promised, new.get("x-contract", {})), *_Comparison(old, new).compared(old, new, "")]


def published_schema(contract: type[Contract]) -> dict[str, Any]:
    """The JSON Schema of a contract with what JSON alone does not show: which texts are decimals, and how long.

    They have `format: decimal` and, where the contract says them, `x-digits` and `x-places`.
    """
    from translators.contract import json_schema, shape_of

    schema = copy.deepcopy(json_schema(contract))
    _mark_decimals(schema, schema, shape_of(contract))
    return schema


def _mark_decimals(schema: dict[str, Any], node: dict[str, Any], shapes: Mapping[str, Shape]) -> None:
    for name, shape in shapes.items():
        inner = _inner(schema, node["properties"][name])
        if shape.kind == "decimal":
            limits = {"x-digits": shape.digits, "x-places": shape.places}
            inner.update({"format": "decimal", **{k: v for k, v in limits.items() if v is not None}})
        elif shape.fields:
            inner = _inner(schema, inner["items"]) if shape.kind == "list" else inner
            _mark_decimals(schema, inner, shape.fields)


def _inner(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """The node behind references, and beside `null`."""
    if "$ref" in node:
        return _inner(schema, _resolved(schema, node["$ref"]))
    if "anyOf" in node:
        return _inner(schema, next(part for part in node["anyOf"] if part.get("type") != "null"))
    return node


def _resolved(schema: Any, reference: str) -> Any:
    found = schema
    for step in reference.removeprefix("#/").split("/"):
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return found


def _promise(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Break]:
    for word in _KEPT:
        if word in old and word in new and old[word] != new[word]:
            said = f"its {word.replace('_', ' ')} was {_shown(old[word])} and is {_shown(new[word])}"
            yield Break("promise-changed", "", said)
    before, after = old.get("status"), new.get("status")
    if before in _STATUSES and after in _STATUSES and (after == "draft" or (before == "retired" and after != before)):
        yield Break("version-reused", "", f"it was {before} and is {after} again")


def _shown(value: object) -> str:
    return f"({', '.join(map(str, value))})" if isinstance(value, list) else repr(value)


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self._old, self._new = old, new
        self._open: set[tuple[str, str]] = set()

    def compared(self, old: Schema, new: Schema, path: str) -> Iterator[Break]:
        """The breaks between two nodes."""
        pair = (str(old.get("$ref", "")), str(new.get("$ref", "")))
        if all(pair) and pair in self._open:
            return  # a model within itself: being compared already
        self._open.add(pair)
        yield from _classes(old, new, path)
        (before, old_null), (after, new_null) = self._plain(self._old, old), self._plain(self._new, new)
        if new_null and not old_null:
            yield Break("null-added", path, "may be null now")
        if old_null and not new_null:
            yield Break("null-removed", path, "may not be null any more, published documents are")
        yield from self._typed(before, after, path)
        self._open.discard(pair)

    def _plain(self, root: Schema, node: Schema) -> tuple[dict[str, Any], bool]:
        """A node without references and `null`, and whether it may be null."""
        nullable = False
        plain = dict(node)
        while True:
            if "$ref" in plain:
                plain = {**_resolved(root, plain.pop("$ref")), **plain}
                continue
            kinds = plain.get("type")
            if isinstance(kinds, list) and "null" in kinds:
                nullable, left = True, [kind for kind in kinds if kind != "null"]
                plain["type"] = left[0] if len(left) == 1 else left
            parts: Sequence[Any] = plain.get("anyOf", ())
            some = [part for part in parts if part.get("type") != "null"]
            if len(some) != 1:
                return _with_enum(plain), nullable or len(some) != len(parts)
            nullable = nullable or len(some) != len(parts)
            plain = {**{key: value for key, value in plain.items() if key != "anyOf"}, **some[0]}

    def _typed(self, old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[Break]:
        before, after = _kind(old), _kind(new)
        if before != after:
            yield Break("type-changed", path, f"was {before} and is {after}")
            return
        if "anyOf" in old and self._expanded(self._old, old) != self._expanded(self._new, new):
            yield Break("type-changed", path, "is another choice of types")
            return
        yield from _enums(old, new, path)
        if "enum" not in old:
            yield from _limits(old, new, path)
        if "properties" in old or "properties" in new:
            yield from self._fields(old, new, path)
        if "items" in old and "items" in new:
            yield from self.compared(old["items"], new["items"], f"{path}[]")
        yield from self._others(old, new, path)

    def _fields(self, old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[Break]:
        before, after = old.get("properties", {}), new.get("properties", {})
        above = f"{path}." if path else ""
        must, now = set(old.get("required", ())), set(new.get("required", ()))
        added = [name for name in after if name not in before]
        for name, node in before.items():
            where = f"{above}{name}"
            if name not in after:
                yield Break("field-removed", where, f"is gone{did_you_mean(name, added)}")
                continue
            if name in now - must:
                yield Break("field-now-required", where, "is required now, published documents may lack it")
            if name in must - now:
                yield Break("field-now-optional", where, "may be missing now, readers count on it")
            yield from self.compared(node, after[name], where)
        for name in added:
            if name in now:
                yield Break("field-required", f"{above}{name}", "is new and required, published documents lack it")

    def _others(self, old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[Break]:
        """Keywords that no rule knows: equal, or refused. `additionalProperties` is read as: passed over."""
        for word in sorted((old.keys() | new.keys()) - _READ - _ANNOTATIONS):
            if old.get(word, _NOTHING.get(word)) != new.get(word, _NOTHING.get(word)):
                yield Break("limit-changed", path, f"says {word} otherwise")
        more = [node.get("additionalProperties") for node in (old, new)]
        if any(isinstance(part, dict) and part for part in more) and more[0] != more[1]:
            yield Break("type-changed", path, "allows other fields beside those it names")

    def _expanded(self, root: Schema, node: object) -> object:
        if isinstance(node, dict):
            if "$ref" in node:
                return node["$ref"].rsplit("/", 1)[-1], json.dumps(_resolved(root, node["$ref"]), sort_keys=True)
            return {key: self._expanded(root, value) for key, value in node.items() if key not in _ANNOTATIONS}
        return [self._expanded(root, part) for part in node] if isinstance(node, list) else node


def _with_enum(node: dict[str, Any]) -> dict[str, Any]:
    """A constant is an enum of one."""
    return {**node, "enum": [node["const"]]} if "const" in node and "enum" not in node else node


def _kind(node: Schema) -> str:
    if node.get("format") == "decimal":
        return "a decimal"
    kind = node.get("type", "anything" if "anyOf" not in node else "a choice of types")
    name = " or ".join(kind) if isinstance(kind, list) else str(kind)
    return f"{name} ({node['format']})" if "format" in node else name


def _classes(old: Schema, new: Schema, path: str) -> Iterator[Break]:
    before, after = (node.get("x-data-class", "internal") for node in (old, new))
    if before in ("personal", "sensitive") and after in _CLASSES and _CLASSES.index(after) < _CLASSES.index(before):
        yield Break("class-lowered", path, f"was {before} and is {after}")


def _enums(old: Schema, new: Schema, path: str) -> Iterator[Break]:
    before, after = old.get("enum"), new.get("enum")
    if before is None and after is not None:
        yield Break("enum-closed", path, f"was free and is one of {', '.join(map(str, after))}")
    elif before is not None and after is None:
        yield Break("enum-removed", path, "does not name its values any more")
    elif before is not None and after is not None:
        added = [str(value) for value in after if value not in before]
        for value in before:
            if value not in after:
                yield Break("enum-removed", path, f"cannot be {value!r} any more{did_you_mean(str(value), added)}")


def _limits(old: Schema, new: Schema, path: str) -> Iterator[Break]:
    for word in (*_LOWER, *_UPPER, "pattern"):
        before, after = (node.get(word, _NOTHING.get(word)) for node in (old, new))
        if before == after:
            continue
        said = f"{word.removeprefix('x-')} was {_limit(before)} and is {_limit(after)}"
        if word == "pattern" and before is not None and after is not None:
            yield Break("limit-changed", path, said)
        else:
            yield Break(f"limit-{_direction(word, before, after)}", path, said)


def _limit(value: object) -> str:
    return "not limited" if value is None else str(value)


def _direction(word: str, before: Any, after: Any) -> str:
    if before is None or after is None:
        return "narrowed" if before is None else "widened"
    return "narrowed" if (after > before) is (word in _LOWER) else "widened"
