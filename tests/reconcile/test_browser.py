"""The report in a real browser: no request, no complaint, and it works by keyboard, in the dark and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from reconcile.ledger.ledger import Ledger
from reconcile.ledger.opening import open_ledger
from reconcile.report import write_report
from reconcile.run import RunResult
from tests.capabilities import chromium, require
from tests.reconcile.test_drift import edited_field, lose, refused_and_parked
from tests.reconcile.test_report import HOSTILE
from tests.reconcile.world import START, World


def remembered(world: World) -> RunResult:
    """A run with a history: clean for some days, broken once, drift since."""
    engine = open_ledger(f"sqlite:///{world.folder / 'ledger.db'}")
    ledger, drift = Ledger(engine), world.run(shown=frozenset({"item.nam", "item.amt", "itmlin.seq", "itmlin.qty"}))
    clean = msgspec.structs.replace(drift, findings=(), groups=(), confirmed=0, agree=drift.compared)
    for day in range(9):
        result = clean if day < 6 else drift
        if day == 3:
            result = msgspec.structs.replace(clean, agree=5, not_covered=clean.compared - 5)
        if day == 6:
            result = msgspec.structs.replace(drift, findings=drift.findings[:1], groups=drift.groups[:1], confirmed=1)
        result = ledger.end(msgspec.structs.replace(result, run=f"r-{day}", started=START + timedelta(days=day)))
    engine.dispose()
    return result


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with several causes and hostile values."""
    require("chromium")
    world = World(tmp_path_factory.mktemp("world"))
    for number in range(1, 9):
        world.write(f"A{number}", f"bolt {number}", 100 * number, lines=((1, "2.50"), (2, None)))
    world.flow()
    refused_and_parked(world)
    edited_field(world)
    lose(world, "A5", lambda: world.write("A5", HOSTILE, 1))
    page, _ = write_report([remembered(world)], world.folder, "report")
    world.close()
    return page


@pytest.fixture(scope="module")
def browser(report: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield launched
        launched.close()


def opened(browser: Browser, report: Path, scheme: str = "light", width: int = 1180) -> tuple[Page, list[str]]:
    """The page and what it asked for or complained of."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    trouble: list[str] = []
    page.on("request", lambda request: trouble.extend({request.url} - {report.as_uri()}))
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("dialog", lambda dialog: trouble.append(dialog.message))
    page.goto(report.as_uri())
    return page, trouble


def test_it_asks_for_nothing_and_complains_of_nothing(browser: Browser, report: Path) -> None:
    page, trouble = opened(browser, report)
    page.wait_for_load_state("networkidle")
    assert trouble == []
    assert page.locator("h1").inner_text().startswith("item → item_view")
    assert page.evaluate("getComputedStyle(document.querySelector('.panel')).borderTopStyle") == "solid"
    page.close()


def test_details_open_by_keyboard_and_show_where_the_focus_is(browser: Browser, report: Path) -> None:
    page, _ = opened(browser, report)
    closed = page.locator("details:not([open])").count()
    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.tagName")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert (focused, outline) == ("SUMMARY", "solid")
    page.keyboard.press("Enter")
    assert page.locator("details:not([open])").count() == closed - 1
    page.close()


def luminance(page: Page, selector: str, what: str) -> float:
    """The relative luminance of a colour (WCAG 2.2)."""
    text = page.evaluate(f"getComputedStyle(document.querySelector({selector!r})).{what}")
    channels = [int(part) / 255 for part in text[text.index("(") + 1 :].rstrip(")").split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(page: Page, text: str, ground: str) -> float:
    light, dark = sorted((luminance(page, text, "color"), luminance(page, ground, "backgroundColor")), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_schemes_apply_and_can_be_read(browser: Browser, report: Path, scheme: str) -> None:
    page, _ = opened(browser, report, scheme)
    assert (luminance(page, "body", "backgroundColor") < 0.1) == (scheme == "dark")
    for text, ground in [
        (".sub", "body"), (".answer em", "body"), (".cause p", ".panel"), (".where", ".panel"), (".good", ".panel"),
        (".warn", ".panel"), (".hot", ".panel"), ("tr.differs td:last-child", "tr.differs td"), ("tr.same td", ".panel"),
        (".chart .bad", ".panel"), (".chart .unsure", ".panel"), ("del", "del"), ("ins", "ins"), (".todo", ".todo"),
    ]:  # fmt: skip
        assert contrast(page, text, ground) >= 4.5, (scheme, text)
    page.close()


@pytest.mark.parametrize("width", [320, 390, 820, 1180])
def test_nothing_runs_out_of_the_page(browser: Browser, report: Path, width: int) -> None:
    page, _ = opened(browser, report, width=width)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = "e => [...document.querySelectorAll('.panel')].filter(p => p.scrollWidth > p.clientWidth + 1).length"
    assert page.evaluate(cut) == 0
    page.close()


def test_on_paper_everything_is_open_and_black_on_white(browser: Browser, report: Path) -> None:
    page, _ = opened(browser, report, "dark")
    page.emulate_media(media="print")
    assert luminance(page, "body", "backgroundColor") == pytest.approx(1)
    assert luminance(page, "body", "color") == 0
    seen = "detail => detail.lastElementChild.checkVisibility({contentVisibilityAuto: true})"
    hidden = f"[...document.querySelectorAll('details')].filter(d => !({seen})(d)).length"
    assert page.locator("details:not([open])").count() > 0
    assert page.evaluate(hidden) == 0
    assert len(page.pdf(format="A4")) > 10_000
    page.close()


def test_a_screen_reader_finds_its_way(browser: Browser, report: Path) -> None:
    page, _ = opened(browser, report)
    assert page.get_by_role("main").count() == 1
    assert page.get_by_role("heading", level=1).count() == 1
    assert page.get_by_role("region", name="Check item_view").count() == 1
    headings = page.get_by_role("heading", level=2).all_inner_texts()
    assert headings == [
        "Why they differ, and what to do", "Fields", "The last runs", "Look at one", "Why you can believe this",
    ]  # fmt: skip
    said = "The last 9 runs: 5 clean and complete, 3 with drift, 1 incomplete."
    assert page.get_by_role("img", name=f"keys that differ, run by run. {said}").count() == 1
    assert page.get_by_role("img", name=f"covered, run by run. {said}").count() == 1
    causes = page.get_by_role("list", name="Keys by cause, run by run")
    assert causes.get_by_role("listitem").count() == 3
    assert causes.get_by_role("img", name="parked, run by run: 0, 0, 0, 0, 0, 0, 1, 1, 1.").count() == 1
    table = page.get_by_role("table").nth(1)
    names = ["field", "legacy says now", "last published", "view shows"]
    assert table.get_by_role("columnheader").all_inner_texts() == names
    assert page.get_by_role("rowheader", name="differs: name").count() > 0
    assert page.locator("html").get_attribute("lang") == "en"
    page.close()
