"""What a contract has to say beside its fields: whose it is, what names the thing, what its times mean, what is personal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from translators.expression.bound import Aggregate, Bound, Column, below
from translators.lint.rule import Found, Project, Rule, Subject
from translators.lint.tree import last, leaves, shape_leaves
from translators.yaml_text import did_you_mean

if TYPE_CHECKING:
    from translators.contract import Promise, Shape

RULES = (
    Rule("contract.no-owner", "error", "A contract that nobody answers for"),
    Rule("contract.business-key", "error", "A contract whose business key names nothing"),
    Rule("contract.time-meaning", "warning", "A time whose meaning the contract does not say"),
    Rule("contract.personal-data", "warning", "A field that looks personal and has no data class"),
    Rule("contract.canonical-model", "warning", "One model for several contexts"),
)

_NOBODY = frozenset(("", "-", "?", "??", "???", "fixme", "me", "n/a", "na", "nobody", "none", "owner", "someone", "tba",
                     "tbd", "team", "todo", "unknown", "us", "xxx"))  # fmt: skip
_UNIVERSAL = re.compile(r"^(?:Canonical|Common|Enterprise|Generic|Global|Universal|Unified)(?=[A-Z])")
_SHARED_FIELDS = 3
_PICKED = frozenset(("MIN", "MAX", "FIRST", "LAST"))

# fmt: off
_PERSONAL = frozenset((
    "birth", "birthday", "birthdate", "birthplace", "dob", "email", "mail", "phone", "telephone", "mobile", "fax",
    "iban", "ssn", "passport", "surname", "firstname", "lastname", "fullname", "forename", "street", "postcode",
    "postalcode", "zipcode", "gender", "nationality", "religion", "ethnicity", "diagnosis", "salary", "income",
    "creditcard", "cardnumber", "taxid", "licenceplate", "licenseplate",
))
_PAIRS = frozenset((
    ("bank", "account"), ("account", "holder"), ("account", "number"), ("birth", "name"), ("card", "number"),
    ("contact", "name"), ("credit", "card"), ("customer", "name"), ("date", "birth"), ("driver", "name"),
    ("family", "name"), ("first", "name"), ("full", "name"), ("given", "name"), ("holder", "name"), ("home", "address"),
    ("insured", "name"), ("ip", "address"), ("last", "name"), ("licence", "plate"), ("license", "plate"),
    ("maiden", "name"), ("middle", "name"), ("national", "id"), ("passport", "number"), ("patient", "name"),
    ("payee", "name"), ("person", "name"), ("postal", "address"), ("postal", "code"), ("social", "security"),
    ("street", "address"), ("tax", "id"), ("user", "name"), ("zip", "code"),
))
# fmt: on
_SPLIT = re.compile(r"[_\W]+|(?<=[a-z0-9])(?=[A-Z])")


def is_personal(name: str) -> bool:
    """Whether a name looks like that of personal data: `iban`, `dateOfBirth`, `holder_name`."""
    parts = [part.lower() for part in _SPLIT.split(name) if part and part.lower() not in ("of", "the")]
    return not _PERSONAL.isdisjoint(parts) or not _PAIRS.isdisjoint(pairwise(parts))


def check(project: Project) -> Iterator[Found]:
    """The rules of this module."""
    for name, shape in project.shapes.items():
        promise = project.promised(name).promise
        yield from _owner(project, name, promise)
        yield from _key(project, name, promise, shape)
        yield from _times(project, name, promise, shape)
        yield from _universal(project, name)
    yield from _personal(project)
    yield from _shared_models(project)


def _owner(project: Project, name: str, promise: Promise) -> Iterator[Found]:
    if promise.owner.strip().lower() in _NOBODY:
        said = f"its owner is {promise.owner!r}" if promise.owner.strip() else "its owner is empty"
        message = f"nobody answers for {name}: {said}"
        hint = "Name the team that is asked when an event is wrong; reports and dead letters show it."
        yield Found("contract.no-owner", project.in_contract(name), len(name.partition(".")[0]), message, hint)


def _key(project: Project, name: str, promise: Promise, shape: Mapping[str, Shape]) -> Iterator[Found]:
    leaves_ = dict(shape_leaves(shape))
    for field in promise.business_key:
        found = leaves_.get(field)
        if found is None:
            message = f"the business key of {name} names {field}, which is no field of it{did_you_mean(field, leaves_)}"
        elif found.nullable or not found.required:
            message = f"{field} names the thing in {name}, and may be missing"
        else:
            continue
        hint = "Readers store and order by the business key: each of its fields is there, always."
        yield Found("contract.business-key", project.in_contract(name), len(name.partition(".")[0]), message, hint)
    for subject in project.published.get(name, ()):
        state = project.promised(subject.bound.mapping.contract).promise
        if promise.kind == "event" and promise.business_key != state.business_key:
            mine, theirs = ", ".join(promise.business_key), ", ".join(state.business_key)
            message = f"{name} has the business key ({mine}), its state {state.type} has ({theirs})"
            hint = "Both streams of a translator speak of the same thing, by the same key."
            yield Found("contract.business-key", project.in_contract(name), len(promise.name), message, hint)


def _times(project: Project, name: str, promise: Promise, shape: Mapping[str, Shape]) -> Iterator[Found]:
    fields = {path: leaf for path, leaf in shape_leaves(shape) if leaf.kind in ("date", "timestamp", "timestamptz")}
    for path in fields:
        if path not in promise.times and last(path) not in promise.times:
            message = f"{name} does not say what {path} means: whose clock, and the first or the last day?"
            hint = f"Add it to `times`: times={{..., {path!r}: 'first day in force'}}."
            yield Found("contract.time-meaning", project.in_contract(name, path), len(last(path)), message, hint)
    for said in promise.times:
        if said != "time" and said not in fields and said not in {last(path) for path in fields}:
            message = f"`times` of {name} tells of {said}, which is no time in it{did_you_mean(said, fields)}"
            place = project.in_contract(name)
            yield Found("contract.time-meaning", place, len(promise.name), message, "Correct the name, or take it out.")


def _personal(project: Project) -> Iterator[Found]:
    """Fields that look personal by their own name, their column's, or what another contract says of them."""
    columns: dict[tuple[str, str], str] = {}
    for subject in project.subjects:
        columns.update(_personal_sources(subject))
    for name, shape in project.shapes.items():
        states = [s.bound.mapping.contract for s in project.published[name]]
        for path, leaf in shape_leaves(shape):
            if leaf.data_class in ("personal", "sensitive", "public"):
                continue
            why = _why(project, name, path, columns, states)
            if why:
                message = f"{path} of {name} {why}, but has no data class"
                hint = "Write `= personal()` or `= sensitive()`: unclassified values stand in reports and dead letters."
                place = project.in_contract(name, path)
                yield Found("contract.personal-data", place, len(last(path)), message, hint)


def _why(
    project: Project, name: str, path: str, columns: Mapping[tuple[str, str], str], states: list[str]
) -> str | None:
    if is_personal(last(path)):
        return "looks like personal data"
    source = columns.get((name, path)) or next((s for state in states if (s := columns.get((state, path)))), None)
    if source is not None:
        return f"comes from {source}"
    for state in states:
        leaf = dict(shape_leaves(project.shapes[state])).get(path) if state != name else None
        if leaf is not None and leaf.data_class in ("personal", "sensitive"):
            return f"is {leaf.data_class} in {state}"
    return None


def _personal_sources(subject: Subject) -> Iterator[tuple[tuple[str, str], str]]:
    """Contract and path of each field that is computed from a column with a personal name, with that column."""
    bound = subject.bound
    computed = [(bound.mapping.contract, field) for field in leaves(bound.fields.values())]
    computed += [(event.type, field) for event in bound.events for field in event.fields.values()]
    for contract, field in computed:
        for part in _shown(field.bound) if field.bound.type.kind != "boolean" else ():
            if is_personal(part.column):
                yield (contract, field.path), f"{part.table}.{part.column}"


def _shown(bound: Bound) -> Iterator[Column]:
    """The columns whose values a value may show: no count and no sum does, nor the condition of what is added up."""
    if isinstance(bound, Column):
        yield bound
    if isinstance(bound, Aggregate):
        if bound.function in _PICKED and bound.value is not None:
            yield from _shown(bound.value)
        return
    for part in below(bound):
        yield from _shown(part)


def _universal(project: Project, name: str) -> Iterator[Found]:
    match = _UNIVERSAL.match(name)
    if match:
        message = f"{name} wants to be everybody's: a {match[0].lower()} model has no owner and fits no context"
        hint = "Say what the thing is in this context, by the name it has here."
        yield Found("contract.canonical-model", project.in_contract(name), len(name.partition(".")[0]), message, hint)


def _shared_models(project: Project) -> Iterator[Found]:
    """Models with many fields from which contracts of several contexts are made."""
    users: dict[type, dict[str, str]] = {}
    for name in project.shapes:
        contract = project.promised(name)
        for model in contract.__mro__[1:]:
            fields = getattr(model, "model_fields", {})
            if len(fields) >= _SHARED_FIELDS and not hasattr(model, "promise"):
                users.setdefault(model, {}).setdefault(contract.promise.context, name)
    for model, contexts in users.items():
        if len(contexts) > 1:
            (one, first), (other, second) = list(contexts.items())[:2]
            message = f"{first} ({one}) and {second} ({other}) are both made from {model.__name__}"
            hint = "One model for several contexts ties them together: each has its own words, even for the same thing."
            place = project.in_contract(second)
            yield Found("contract.canonical-model", place, len(second.partition(".")[0]), message, hint)
