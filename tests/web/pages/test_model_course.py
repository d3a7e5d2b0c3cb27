"""The four charts of a model: by version and segment, beside the time before, whatever the names are."""

import re
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import pytest

from monitor.records import Measurement, Window, labels
from monitor.store import measurements
from tests.support import clients
from tests.support.clients import FRAUD, NOW, Shop, put_window
from tests.support.server import serving

PAGE = "/staff/m/acme/fraud/production"
HOSTILE = ("\"><script>alert('x')</script>", "nul\0", "\u202ertl", "a=b&c=d", "x" * 10_000)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Eight days by the hour; the newest hour by version, by segment and by type of error too."""
    made = clients.opened(tmp_path_factory.mktemp("course"), hours=8 * 24, streams=(FRAUD,))
    window = Window(int(NOW) - 3600, int(NOW))
    parts = [labels(version="6"), labels(version="7")]
    parts += [
        labels(segment=f"{name}={value}") for name, value in zip(HOSTILE, reversed(HOSTILE), strict=True)
    ]
    found = [
        Measurement(FRAUD, window, metric, value, "share", n=3600, labels=of)
        for of in parts
        for metric, value in (("volume", 7200.0), ("error_rate", 0.25), ("latency_p95", 0.5))
    ]
    found += [
        Measurement(FRAUD, window, "error_rate", 0.125, "share", n=3600, labels=labels(type=name))
        for name in HOSTILE
    ]
    found += [
        Measurement(FRAUD, window, "volume", 3600.0, "predictions", n=3600),
        Measurement(FRAUD, window, "error_rate", 0.5, "share", n=3600),
    ]
    with made.store.write() as connection:
        measurements.put(connection, FRAUD, window, found, NOW)
    return made


def page(shop: Shop, **query: str) -> str:
    with serving(shop) as web:
        answer = web.get(f"{PAGE}?{urlencode({'span': '24h'} | query)}")
    assert answer.status_code == 200
    return answer.text


def rows(text: str, chart: str) -> tuple[list[str], list[str]]:
    """The heads and the last row of the table of a chart."""
    card = text.partition(f'aria-labelledby="{chart}-head"')[2].partition("</section>")[0]
    heads = re.findall(r'<th scope="col">(.*?)</th>', card, re.DOTALL)
    last = card.rpartition("<tr data-at")[2]
    return [unescape(head) for head in heads[1:]], re.findall(r"<td>([^<]*)</td>", last)


def test_versions_are_lines_of_their_own(shop: Shop) -> None:
    text = page(shop, split="version", compare="none")
    assert rows(text, "rate") == (["all", "version 6", "version 7"], ["1", "2", "2"])
    assert rows(text, "errors") == (["all", "version 6", "version 7"], ["50 %", "25 %", "25 %"])


def test_each_choice_of_a_segment_shows_its_values(shop: Shop) -> None:
    choices = re.findall(r'<option value="(segment:[^"]*)"', page(shop))
    shown = {rows(page(shop, split=unescape(one), compare="none"), "errors")[0][-1] for one in choices}
    written = [f"{name}={value}" for name, value in zip(HOSTILE, reversed(HOSTILE), strict=True)]
    assert shown == {one.partition("=")[2] for one in written}


def test_a_split_that_nothing_was_measured_by_says_so(shop: Shop) -> None:
    assert "Nothing was measured by nothing &lt;here&gt; in this time." in page(
        shop, split="segment:nothing <here>"
    )


def test_types_of_errors_are_lines_and_their_names_stay_text(shop: Shop) -> None:
    text = page(shop, compare="none")
    heads, last = rows(text, "errors")
    assert heads == ["all", *sorted(HOSTILE)[:4]]
    assert last == ["50 %", *["12 %"] * 4]
    assert "<script>alert" not in text


@pytest.mark.parametrize(("compare", "days"), [("day", 1), ("week", 7)])
def test_the_time_before_is_the_same_time_of_an_earlier_day(shop: Shop, compare: str, days: int) -> None:
    now = page(shop, compare=compare)
    ends = int(NOW) - days * 86400
    with serving(shop) as web:
        before = web.get(f"{PAGE}?from={ends - 86400}&to={ends}&compare=none").text
    name = {"day": "the day before", "week": "the week before"}[compare]
    heads, last = rows(now, "rate")
    assert heads == [name, "all"]
    assert rows(before, "rate")[1] == last[:1]


def test_a_range_is_compared_with_what_suits_its_length(shop: Shop) -> None:
    before = {span: rows(page(shop, span=span), "rate")[0][0] for span in ("3h", "24h", "7d", "30d")}
    assert before == {"3h": "all", "24h": "the day before", "7d": "the week before", "30d": "all"}


def test_an_address_that_asks_for_what_is_not_there_is_refused_with_a_hint(shop: Shop) -> None:
    with serving(shop) as web:
        for query in ("compare=year", "split=hour"):
            answer = web.get(f"{PAGE}?{query}")
            assert answer.status_code == 400
            assert answer.json()["hint"].startswith("use ")


def test_a_model_without_any_measurement_has_a_page(tmp_path: Path) -> None:
    bare = clients.opened(tmp_path, hours=0, streams=(FRAUD,))
    with serving(bare) as web:
        text = web.get(PAGE).text
    assert text.count("Not measured: no window of this time has this figure.") == 4
    assert text.count("No data for this time.") == 4


@pytest.mark.parametrize("metric", ["latency_p95", "latency_p99", "error_rate", "volume", "accuracy", "mae"])
def test_a_model_of_which_one_figure_alone_is_measured_has_a_page(tmp_path: Path, metric: str) -> None:
    bare = clients.opened(tmp_path, hours=0, streams=(FRAUD,))
    for value in (0.5, None):
        window = Window(int(NOW) - 3600, int(NOW))
        found = Measurement(FRAUD, window, metric, value, n=9, reason="" if value else "too few rows")
        with bare.store.write() as connection:
            measurements.put(connection, FRAUD, window, [found], NOW)
        text = page(bare)
        others = text.count("Not measured: no window of this time has this figure.")
        assert others == (4 if metric == "mae" else 3)
        assert ("not measured: too few rows" in text) == (value is None and metric != "mae")


def test_the_newest_figure_of_a_range_in_the_past_is_of_that_range(shop: Shop) -> None:
    with shop.store.write() as connection:
        put_window(connection, FRAUD, 3600, 30)
    with serving(shop) as web:
        text = web.get(f"{PAGE}?from=now-30h&to=now-28h").text
    assert "Newest window (2026-11-22T07:00:00Z, 1h)" in text
