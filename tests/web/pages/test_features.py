"""The features of a model: a table to search and sort, and a page of each, whatever they are called."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import numpy as np
import pyarrow as pa
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from monitor.predictions.intake.parse import RecordKind
from monitor.records import Measurement, Window, labels
from monitor.store import drift, measurements
from monitor.store.db import Store
from monitor.store.drift import StoredCalibration, StoredDriftIncident, StoredState, StoredVerdict
from monitor.web.pages.features import feature_query
from monitor.web.pages.features.feature_rows import address_of
from monitor.windows import baseline
from tests.support.browser import Watched, browser
from tests.support.clients import CLIENTS, Shop
from tests.support.log import NOW, STREAM, prediction, send
from tests.support.measuring import measuring_daemon
from tests.support.server import serving

HOUR = int(NOW) - int(NOW) % 3600
HOSTILE = (
    "\"><script>alert('x')</script>", "tab\tand\u2028line", "\u202ertl", "a/b?c#d%20", "..", "~", "x" * 512,
)  # fmt: skip
TABLE = "/staff/m/acme/fraud/production/features"
ROWS = 400


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A baseline of 60 plain and some hostile features; now `amount` is 3 higher, and half of `country` is missing."""
    random = np.random.default_rng(7)
    with measuring_daemon(tmp_path_factory.mktemp("features"), HOUR + 1800.0) as daemon:
        names = [*(f"f{number:02d}" for number in range(60)), *HOSTILE]

        def rows(shift: float, missing: float) -> list[dict[str, Any]]:
            return [
                {
                    "amount": float(random.normal(10 + shift, 2)),
                    "void": None,
                    "country": None if random.random() < missing else ("DE", "FR")[index % 2],
                }
                | {name: float(index % 50) for name in names}
                for index in range(ROWS)
            ]

        before = baseline.from_table(STREAM, pa.Table.from_pylist(rows(0.0, 0.0)), NOW)
        with daemon.store.write() as connection:
            baseline.save(connection, before, NOW)
        sent = [
            prediction(
                id=f"r{index}",
                timestamp=HOUR + 600.0,
                version=str(index % 2),
                features=one,
                segments={"region": ("eu", HOSTILE[0])[index % 2]},
            )
            for index, one in enumerate(rows(3.0, 0.5))
        ]
        assert send(daemon.log, RecordKind.PREDICTIONS, sent).accepted == ROWS
        daemon.count()
        _measured(daemon.store, names)
        yield Shop(daemon.store, daemon.clock, CLIENTS)


def _measured(store: Store, names: list[str]) -> None:
    window = Window(HOUR, HOUR + 3600)

    def one(metric: str, name: str, value: float | None, unit: str = "", reason: str = "") -> Measurement:
        return Measurement(
            STREAM, window, metric, value, unit, n=ROWS, labels=labels(feature=name), reason=reason
        )

    found = [one("psi", "amount", 1.4), one("psi", "country", 0.6)]
    found += [
        one("mean_shift", "amount", 1.5, "standard deviations"),
        one("missing_share", "country", 0.5, "share"),
    ]
    found += [one("psi", name, number / 1000) for number, name in enumerate(names)]
    found.append(one("missing_share", "f00", None, "share", "3 rows of 30 needed"))
    calibration = StoredCalibration(NOW, "layout", 3600, 0, HOUR, 9, True, "", "", b"")
    with store.write() as connection:
        measurements.put(connection, STREAM, window, found, NOW)
        drift.put_calibration(connection, STREAM, calibration, NOW)
        drift.put_state(connection, STREAM, StoredState(HOUR, b"", b""), NOW)
        verdict = StoredVerdict(HOUR - 3600, "features.country", 0.7, False, "country: a little")
        drift.put_verdicts(connection, STREAM, [verdict], NOW)
        incident = StoredDriftIncident(NOW - 7200, None, NOW - 9000, ("features.amount",), "amount moved")
        drift.put_incident(connection, STREAM, incident, NOW)


@pytest.fixture(scope="module")
def web(shop: Shop) -> Iterator[httpx2.Client]:
    with serving(shop, importance={"f07": 3.0}) as client:
        yield client


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


def names(text: str) -> list[str]:
    """The features of a table, in order."""
    return [
        unescape(one)
        for one in re.findall(r'<tr class="row"><th scope="row"><a href="[^"]*">([^<]*)</a>', text)
    ]


def of(text: str, name: str) -> str:
    """The line of a feature."""
    return unescape(next(part for part in text.split('<tr class="row">')[1:] if f">{name}</a>" in part))


def test_what_drifted_comes_first_with_its_figures(web: httpx2.Client) -> None:
    text = web.get(TABLE).text
    assert names(text)[:3] == ["amount", "country", HOSTILE[-1][:79] + "…"]
    assert "✖ drifted" in of(text, "amount")
    assert "since 2026-11-23T05:30:00Z" in of(text, "amount")
    assert "+1.50 sd" in of(text, "amount")
    assert "◆ some evidence" in of(text, "country")
    assert "evidence 0.7 of the limit" in of(text, "country")
    assert "50 %" in of(text, "country")
    assert "not measured: 3 rows of 30 needed" in of(web.get(f"{TABLE}?sort=psi&page=all").text, "f00")


def test_a_table_has_pages_and_can_be_shown_whole(web: httpx2.Client) -> None:
    first, second, whole = (web.get(f"{TABLE}?page={page}").text for page in ("1", "2", "all"))
    assert len(names(first)) == feature_query.PER_PAGE
    assert names(first) + names(second) == names(whole)
    assert len(set(names(whole))) == len(names(whole)) == 63 + len(HOSTILE) + 1  # with the prediction


def test_it_is_searched_filtered_and_sorted_in_the_address(web: httpx2.Client) -> None:
    assert names(web.get(f"{TABLE}?q=f0&sort=name").text) == [f"f{number:02d}" for number in range(10)]
    assert names(web.get(f"{TABLE}?q=f0&sort=-name").text)[0] == "f09"
    assert names(web.get(f"{TABLE}?only=drifted").text) == ["amount"]
    assert names(web.get(f"{TABLE}?sort=importance").text)[0] == "f07"
    assert names(web.get(f"{TABLE}?sort=psi&q=f").text)[0] == "f59"
    assert "No feature matches." in web.get(f"{TABLE}?q=nothing").text
    for query in ("sort=size", "only=some", "page=0", "page=x"):
        assert web.get(f"{TABLE}?{query}").status_code == 400


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_any_name_leads_to_its_page_and_stays_text(web: httpx2.Client, name: str) -> None:
    text = web.get(f"{TABLE}?page=all").text
    link = f"{TABLE}/{quote(address_of(name), safe='')}"
    assert f'href="{link}"' in text
    answer = web.get(link)
    assert answer.status_code == 200
    assert f'<h1 class="name">{name}</h1>' in answer.text.replace("&#34;", '"').replace("&gt;", ">").replace(
        "&lt;", "<"
    ).replace("&#39;", "'")
    assert "<script>alert" not in answer.text


def test_a_feature_says_what_moved_with_the_figures_of_its_rows(web: httpx2.Client) -> None:
    text = unescape(web.get(f"{TABLE}/amount?span=24h").text)
    mean = re.search(r"mean: ([\d.]+) before, ([\d.]+) now \(([+-][\d.]+) sd\)", text)
    assert mean is not None
    before, now, effect = (float(one) for one in mean.groups())
    assert before == pytest.approx(10, abs=0.5)
    assert now == pytest.approx(13, abs=0.5)
    assert effect == pytest.approx((now - before) / 2, abs=0.25)
    assert "amount moved" not in text
    assert "No evidence of a change" not in text  # an incident is open
    assert re.search(r'<th scope="row">99 %</th><td>[\d.]+</td><td>above 1\d\.\d+</td>', text)
    assert re.search(r'<th scope="row">0</th><td>200</td><td>0.00 %</td><td>0\.[5-8]\d\d</td>', text)
    country = unescape(web.get(f"{TABLE}/country?span=24h").text)
    assert re.search(r"missing: 0 % before, (4|5)[\d.]+ % now", country)
    assert "country: a little" in country


def test_a_feature_is_shown_by_segment_with_its_rows_and_missing_values(web: httpx2.Client) -> None:
    text = unescape(re.sub(r"<[^>]+>", " ", web.get(f"{TABLE}/country").text))
    found = " ".join(text.split("By segment")[1].split("Drift decisions")[0].split())
    assert "region=eu 200" in found
    assert f"region={HOSTILE[0]}" in unescape(web.get(f"{TABLE}/country").text)
    not_counted = web.get(f"{TABLE}/f40").text
    assert "Not counted by segment in this time" in not_counted


def test_a_feature_without_any_value_has_a_page(web: httpx2.Client) -> None:
    answer = web.get(f"{TABLE}/void?span=24h")
    assert answer.status_code == 200
    assert web.get("/staff/m/acme/fraud/production").status_code == 200


def test_each_quantile_is_that_of_the_rows(web: httpx2.Client) -> None:
    text = web.get(f"{TABLE}/f01?span=24h").text
    values = np.array([float(index % 50) for index in range(ROWS)])
    for share in (0.05, 0.25, 0.5, 0.75, 0.95):
        row = re.search(rf'<th scope="row">{share * 100:g} %</th><td>([\d.]+)</td><td>([\d.]+)</td>', text)
        assert row is not None
        for found in row.groups():
            assert float(found) == pytest.approx(float(np.quantile(values, share)), abs=1.0)


def test_a_feature_that_is_not_there_and_a_model_without_a_baseline(
    web: httpx2.Client, tmp_path: Path
) -> None:
    assert web.get(f"{TABLE}/nothing").status_code == 404
    with measuring_daemon(tmp_path) as daemon:
        daemon.predict(3)
        daemon.count()
        with serving(Shop(daemon.store, daemon.clock, CLIENTS)) as bare:
            assert "No baseline yet" in bare.get(TABLE).text
            assert bare.get(f"{TABLE}/amount").status_code == 404


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", [TABLE, f"{TABLE}/amount", f"{TABLE}/country"])
def test_axe_finds_nothing_serious_and_the_policy_is_kept(
    chromium: Browser, web: httpx2.Client, path: str, scheme: str
) -> None:
    page = chromium.new_page(bypass_csp=True)  # axe is put into the page by evaluation
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{web.base_url}{path}")
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    page.close()
    assert [
        one["id"] for one in found.response["violations"] if one["impact"] in ("serious", "critical")
    ] == []
    watched = Watched(chromium.new_page(viewport={"width": 390, "height": 800}))
    watched.page.goto(f"{web.base_url}{path}")
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert watched.page.evaluate(wide) <= 1
    assert watched.page.evaluate("document.documentElement.scrollHeight") < 16_000
    watched.page.close()
    assert watched.complaints == []
