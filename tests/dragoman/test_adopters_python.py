"""The adopter's Python in a project: functions that mappings name, a translator that is a class, shared defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.functions import TranslatorMissing
from dragoman.project import MappingNamedOtherwise, MappingTwice, Project
from dragoman.settings import read_settings
from tests.dragoman.support import dragoman, succeeds
from translators.errors import DragomanError
from translators.findings import MappingInvalid
from translators.translator import translate
from translators.values import Row

FILES = {
    "dragoman.yaml": """\
project: shop
namespace: com.example.shop
translators: [order, customer]
source: legacy
log: var/log.db
state: var/state.db
""",
    "schema.yaml": """\
source: legacy
connector: sqlite
namespace: main
tables:
  ord:
    key: [no]
    columns: {no: integer not null, sts: char(1) not null}
""",
    "contracts/shop.py": """\
from dragoman import Contract, Promise


def promise(name, kind, **more):
    return Promise(name=name, version=1, kind=kind, context="shop", owner="Shop", intent="Decide.", **more,
                   business_key=("number",), retention="1 day", lag_objective="1 s")


class Order(Contract):
    promise = promise("Order", "state")
    number: int
    status: str


class Customer(Contract):
    promise = promise("Customer", "state")
    number: int
    status: str


class CustomerKnown(Contract):
    promise = promise("CustomerKnown", "event", style="notification", details="https://shop.example/{number}")
    number: int
""",
    "codes/status.csv": "code,meaning\nA,open\n",
    "mappings/_defaults.yaml": "codes:\n  status: {file: codes/status.csv}\n",
    "mappings/order.yaml": """\
translator: order
context: shop
root: {table: ord, key: no}
defaults: mappings/_defaults.yaml
state:
  contract: Order.v1
  fields:
    number: no
    status: {py: "words:loud", inputs: sts, type: text}
""",
    "functions/words.py": "from .marks import MARK\n\n\ndef loud(text):\n    return text.upper() + MARK\n",
    "functions/marks.py": "MARK = '!'\n",
    "mappings/customer.py": """\
from dragoman import Event, PythonTranslator, Reject


class CustomerTranslator(PythonTranslator):
    name = "customer"
    context = "shop"
    root = "ord"
    key = "no"
    contract = "Customer.v1"
    publishes = ["CustomerKnown.v1"]
    inputs = {"*": ["no", "sts"]}

    def state(self, root, parts):
        if root["sts"] == "X":
            raise Reject("customer.odd", "X is no customer")
        return {"number": root["no"], "status": root["sts"]}

    def events(self, old, new, before, after):
        if old is None:
            yield Event("CustomerKnown.v1", {})
""",
    "mappings/customer.test.yaml": """\
tests:
  - name: a customer is known
    given:
      transactions:
        - - {table: ord, op: c, after: {no: 1, sts: A}}
        - - {table: ord, op: u, after: {no: 1, sts: X}}
    expect:
      - outcome: translated
        events: [{type: CustomerKnown.v1, data: {number: 1}}]
        state: {status: A}
      - outcome: rejected
        code: customer.odd
""",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path


def project(folder: Path) -> Project:
    return Project(read_settings(folder, {}))


ROWS: dict[str, dict[str, Row]] = {"ord": {"1": {"no": 1, "sts": "A"}}}


def test_a_mapping_calls_a_function_of_the_project(folder: Path) -> None:
    assert project(folder).translator("order").state(ROWS) == {"number": 1, "status": "A!"}


def test_a_function_may_stand_in_any_module(folder: Path) -> None:
    (folder / "functions" / "words.py").rename(folder / "words.py")
    (folder / "functions" / "marks.py").rename(folder / "marks.py")
    assert project(folder).translator("order").state(ROWS) == {"number": 1, "status": "A!"}


def test_the_version_follows_the_functions_and_the_shared_files(folder: Path) -> None:
    first = project(folder).translator("order").version
    assert project(folder).translator("order").version == first
    (folder / "functions" / "marks.py").write_text("MARK = '?'\n", encoding="utf-8")
    second = project(folder).translator("order").version
    assert second != first
    (folder / "mappings" / "_defaults.yaml").write_text("codes:\n  status: {A: open}\n", encoding="utf-8")
    assert project(folder).translator("order").version != second


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("word:loud", "there is neither functions/word.py nor word.py"),
        ("words:quiet", "functions/words.py has no function quiet"),
        ("words:MARK", "functions/words.py has no function MARK"),
    ],
)
def test_a_function_that_is_not_there_is_found(folder: Path, name: str, said: str) -> None:
    text = FILES["mappings/order.yaml"].replace("words:loud", name)
    (folder / "mappings" / "order.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(MappingInvalid) as caught:
        project(folder).translator("order")
    (finding,) = caught.value.findings
    assert (finding.code, finding.where) == ("py.missing", "mappings/order.yaml:9:19")
    assert said in finding.message


def test_a_function_that_cannot_be_imported_names_its_line(folder: Path) -> None:
    (folder / "functions" / "words.py").write_text("x = 1\n1 / 0\n", encoding="utf-8")
    with pytest.raises(MappingInvalid) as caught:
        project(folder).translator("order")
    (finding,) = caught.value.findings
    assert finding.code == "project.python-failed"
    assert "(functions/words.py:2)" in finding.message


def test_a_translator_may_be_a_class(folder: Path) -> None:
    made = project(folder).translator("customer")
    assert [(event.type, event.data) for event in translate(made, {}, ROWS).events] == [
        ("CustomerKnown.v1", {"number": 1})
    ]


def test_a_class_is_tested_like_a_mapping(folder: Path) -> None:
    succeeds("test", "customer", cwd=folder)
    test = folder / "mappings" / "customer.test.yaml"
    test.write_text(FILES["mappings/customer.test.yaml"].replace("customer.odd", "customer.even"), encoding="utf-8")
    told = dragoman("test", "customer", cwd=folder)
    assert told.code and "customer.odd" in told.out + told.err


def test_one_translator_has_one_mapping(folder: Path) -> None:
    (folder / "mappings" / "customer.yaml").write_text(FILES["mappings/order.yaml"], encoding="utf-8")
    with pytest.raises(MappingTwice):
        project(folder).translator("customer")


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("(PythonTranslator)", "", TranslatorMissing),
        ('name = "customer"', 'name = "consumer"', MappingNamedOtherwise),
        ("from dragoman import Event, PythonTranslator, Reject", "import nothing_like_it", DragomanError),
    ],
)
def test_a_file_without_its_translator_is_refused(folder: Path, old: str, new: str, kind: type[DragomanError]) -> None:
    (folder / "mappings" / "customer.py").write_text(FILES["mappings/customer.py"].replace(old, new), encoding="utf-8")
    with pytest.raises(kind) as caught:
        project(folder).translator("customer")
    assert (caught.value.where or "").startswith("mappings/customer.py")
