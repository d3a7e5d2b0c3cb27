"""Pages in a real browser: accessible, quiet under a strict policy, alive, printable, readable without script."""

from collections.abc import Iterator
from itertools import cycle, product
from pathlib import Path

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from monitor.records import Severity
from tests.support import clients
from tests.support.browser import Watched, browser
from tests.support.clients import CHURN, NOW, PRICE, Shop, fire, resolve
from tests.support.server import serving
from tests.support.thorough import THOROUGH

PATHS = (
    "/c/acme/",
    "/c/acme/m/fraud",
    "/c/acme/m/ranking",
    "/staff/",
    "/staff/?group=client&trend=quality&sort=quality",
    "/staff/m/acme/fraud/production",
    "/staff/m/acme/fraud/production?span=7d&split=version&metric=volume",
    "/staff/keys",
    "/staff/subscribers",
    "/staff/incidents?client=acme",
    "/c/acme/reports",
    "/c/acme/reports/2026-11",
)

SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made = clients.opened(tmp_path_factory.mktemp("browser"))
    fire(made)
    over = fire(made, CHURN, at=NOW - 30 * 3600, severity=Severity.WARNING, rule="HighLatency")
    resolve(made, over, NOW - 29 * 3600)
    return made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def web(shop: Shop) -> Iterator[httpx2.Client]:
    with serving(shop) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "scheme"),
    list(product(PATHS, SCHEMES) if THOROUGH else zip(PATHS, cycle(SCHEMES), strict=False)),
)
def test_axe_finds_nothing_serious(chromium: Browser, web: httpx2.Client, path: str, scheme: str) -> None:
    page = chromium.new_page(color_scheme=scheme, bypass_csp=True)  # axe is put into the page by evaluation
    page.goto(f"{web.base_url}{path}")
    found = Axe().run(page).response["violations"]
    page.close()
    serious = [
        (one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")
    ]
    assert serious == []


@pytest.mark.parametrize("path", PATHS)
def test_nothing_breaks_the_policy_and_nothing_leaves_the_host(
    chromium: Browser, web: httpx2.Client, path: str
) -> None:
    watched = Watched(chromium.new_page())
    watched.page.goto(f"{web.base_url}{path}")
    watched.page.wait_for_timeout(300)
    watched.page.close()
    assert watched.complaints == []
    assert all(url.startswith(str(web.base_url).rstrip("/")) for url in watched.requests)


def test_an_open_page_shows_a_new_incident_by_itself(
    chromium: Browser, shop: Shop, web: httpx2.Client
) -> None:
    page = chromium.new_page()
    page.goto(f"{web.base_url}/c/globex/")
    page.wait_for_selector("[data-live]:not([hidden])")
    assert "The model is working normally." in page.inner_text("h1")
    page.get_by_text("How we measure").click()
    alert = fire(shop, PRICE, at=NOW - 60, client_text="Price answers with errors.", rule="HighErrorRate")
    page.wait_for_selector("text=The model needs attention.", timeout=8000)
    assert "Price answers with errors." in page.inner_text("main")
    assert page.get_by_text("Every answer of a model is counted").is_visible()
    resolve(shop, alert, NOW)
    page.wait_for_selector("text=The model is working normally.", timeout=8000)
    page.close()


def test_pages_work_without_script(chromium: Browser, web: httpx2.Client) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{web.base_url}/c/acme/")
    page.click('a:text-is("Fraud check")')
    page.wait_for_url("**/m/fraud")
    assert "Fraud check" in page.title()
    page.click("text=7 days")
    page.click("text=Show as table >> nth=0")
    assert page.locator("table >> nth=0").is_visible()
    assert page.locator("[data-live]").is_hidden()
    context.close()


@pytest.mark.parametrize(("width", "zoom"), [(360, 1), (640, 2)])
def test_nothing_is_cut_off_on_a_phone_or_at_twice_the_size(
    chromium: Browser, web: httpx2.Client, width: int, zoom: int
) -> None:
    context = chromium.new_context(viewport={"width": width // zoom, "height": 700}, device_scale_factor=zoom)
    page = context.new_page()
    for path in ("/c/acme/", "/c/acme/m/fraud", "/staff/m/acme/fraud/production"):
        page.goto(f"{web.base_url}{path}")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 1, path
    context.close()


def test_the_keyboard_reaches_everything(chromium: Browser, web: httpx2.Client) -> None:
    page = chromium.new_page()
    page.goto(f"{web.base_url}/c/acme/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    reached = set()
    for _ in range(15):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.textContent.trim()"))
    page.close()
    assert {"Fraud check", "Churn", "Ranking", "How we measure"} <= reached


def test_a_page_prints(chromium: Browser, web: httpx2.Client, tmp_path: Path) -> None:
    page = chromium.new_page()
    page.goto(f"{web.base_url}/c/acme/m/fraud")
    printed = page.pdf(path=tmp_path / "page.pdf", format="A4")
    page.close()
    assert printed.startswith(b"%PDF")
    assert len(printed) > 10_000


def test_states_differ_without_colour(chromium: Browser, web: httpx2.Client) -> None:
    page = chromium.new_page()
    page.goto(f"{web.base_url}/c/acme/")
    states = page.locator("table.models .state").all_inner_texts()
    shapes = (
        page.locator("svg.strip")
        .first.locator("path")
        .evaluate_all("paths => paths.map(p => p.getAttribute('class') + p.getAttribute('stroke-width'))")
    )
    page.close()
    assert {text.split()[0] for text in states} == {"✖", "✔", "?"}
    assert len(set(shapes)) >= 2


def test_a_page_weighs_little(chromium: Browser, web: httpx2.Client) -> None:
    sizes: list[int] = []
    page = chromium.new_page()
    page.on(
        "response",
        lambda response: sizes.append(len(response.body())) if "events" not in response.url else None,
    )
    page.goto(f"{web.base_url}/c/acme/m/fraud", wait_until="load")
    page.close()
    assert 0 < sum(sizes) < 150_000
