"""What clients read: the verdict first, every number with what it is held against, no statistics."""

import csv
import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from monitor.health.model_state import ClientHealth, Health, ModelHealth
from monitor.health.settings import ClientSettings, ModelView
from monitor.records import Severity
from monitor.store import releases, rollouts
from monitor.store.releases import Release
from monitor.store.rollouts import Rollout, RolloutState, RolloutStep, Stage
from monitor.visible import cell
from monitor.web.pages import client_view
from tests.support import clients
from tests.support.clients import CHURN, CLIENTS, FRAUD, NOW, Shop, fire, resolve
from tests.support.server import serving

# Words that a reader would have to look up.
JARGON = re.compile(
    r"\b(psi|p-value|percentile|p95|p99|quantile|drift(ed)?|jensen|kolmogorov|wasserstein|distribution|baseline|"
    r"roc|auc|f1|brier|calibration|histogram|variance|standard deviation|null|nan|none)\b",
    re.IGNORECASE,
)


class Words(HTMLParser):
    """The text of a page, as somebody reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        if self.lasttag != "style" or not data.lstrip().startswith("@"):
            self.found.append(data)


def words(page: str) -> str:
    reader = Words()
    reader.feed(page)
    return re.sub(r"\s+", " ", " ".join(reader.found))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made = clients.opened(tmp_path_factory.mktemp("pages"))
    fire(made)
    over = fire(
        made, CHURN, at=NOW - 30 * 3600, severity=Severity.WARNING, rule="HighLatency", client_text=""
    )
    resolve(made, over, NOW - 29 * 3600)
    return made


def test_the_verdict_comes_first_and_says_who_acts(shop: Shop) -> None:
    with serving(shop) as client:
        page = client.get("/c/acme/").text
    text = words(page)
    assert page.index("<h1>") < page.index("Decisions today")
    assert "1 of 3 models needs attention." in text
    assert "Fraud check is right in 79 of 100 cases; agreed is at least 85. Since Mon 10:00." in text
    assert "Our team has been notified. Next update by 14:00 CET." in text


def test_counts_of_a_sample_say_so_on_every_page(shop: Shop) -> None:
    sampled = CLIENTS["acme"].model_copy(update={"sampled": {"fraud": 0.2}})
    pages = ("/c/acme/m/fraud", "/staff/m/acme/fraud/production", "/staff")
    with serving(replace(shop, clients={**shop.clients, "acme": sampled})) as client:
        for page in pages:
            assert "of the sample (20 % of the calls)" in words(client.get(page).text), page
        assert "some models: of a sample of the calls" in words(client.get("/c/acme/").text)
        assert "of the sample" not in words(client.get("/c/acme/m/churn").text)
    with serving(shop) as client:
        assert not any("of the sample" in words(client.get(page).text) for page in pages)


def test_a_model_without_data_waits_and_is_never_fine(shop: Shop) -> None:
    with serving(shop) as client:
        page = client.get("/c/acme/").text
    row = next(row for row in page.split("<tr>") if "/m/ranking" in row)
    assert "Waiting for data" in row
    assert "Working" not in row
    assert words(row).count("—") >= 2


def test_a_model_that_fell_silent_waits(tmp_path) -> None:
    own = clients.opened(tmp_path, hours=1)
    own.clock.advance(2 * 3600)
    with serving(own) as client:
        text = words(client.get("/c/acme/m/churn").text)
    assert "Churn has not sent data for 2 h." in text
    assert "Working" not in text.split("Last 30 days")[0]


def test_each_figure_is_held_against_something(shop: Shop) -> None:
    with serving(shop) as client:
        text = words(client.get("/c/acme/").text)
    assert re.search(r"Decisions today [\d.]+ M [▲▼] \d+ % vs this time last week", text)
    assert re.search(r"Within limits, 30 days [\d.]+ % agreed: 99 % . (met|missed)", text)
    assert re.search(r"\d+ % \(at least 85 %\)", text)


def test_an_incident_that_is_over_says_so(shop: Shop) -> None:
    with serving(shop) as client:
        text = words(client.get("/c/acme/m/churn").text)
    assert "Churn behaved differently from before." in text
    assert re.search(r"Resolved Sun \d\d:\d\d, after 1 h", text)


@pytest.mark.parametrize(
    "path", ["/c/acme/", "/c/acme/m/fraud", "/c/acme/m/fraud?span=30d", "/c/acme/m/ranking"]
)
def test_no_page_of_a_client_speaks_statistics(shop: Shop, path: str) -> None:
    with serving(shop) as client:
        text = words(client.get(path).text)
    assert JARGON.findall(text) == []


def test_estimated_quality_is_marked(shop: Shop) -> None:
    with serving(shop) as client:
        page = client.get("/c/acme/m/fraud").text
    assert 'class="dot estimated"' in page or 'class="line estimated"' in page
    assert "estimated" in words(page)


@pytest.mark.parametrize("span", ["3h", "24h", "7d", "30d"])
def test_each_chart_has_its_numbers_as_a_table(shop: Shop, span: str) -> None:
    with serving(shop) as client:
        page = client.get(f"/c/acme/m/fraud?span={span}").text
    assert page.count('<svg class="chart"') == page.count("Show as table") >= 4
    assert page.count('role="img"') >= 5


def test_the_days_can_be_downloaded(shop: Shop) -> None:
    with serving(shop) as client:
        answer = client.get("/c/acme/days.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-type"].startswith("text/csv")
    assert {row["model"] for row in rows} == {"Fraud check", "Churn", "Ranking"}
    assert len([row for row in rows if row["model"] == "Churn"]) == 30
    assert {row["state"] for row in rows if row["model"] == "Ranking"} == {"Waiting for data"}


HOSTILE_TITLES = ("=1+1", "-2+3+cmd|' /C calc'!A0", "+1", "@SUM(1)", "\uff1dHYPERLINK(A1)", "-", " =1")


def test_figures_can_be_downloaded_and_no_cell_is_a_formula(shop: Shop) -> None:
    titles = {f"m{number}": ModelView(title=title) for number, title in enumerate(HOSTILE_TITLES)}
    titles["fraud"] = ModelView(title="=Fraud", quality="accuracy", target=0.85, task="binary")
    acme = shop.clients["acme"].model_copy(update={"models": titles})
    with serving(replace(shop, clients={"acme": acme})) as client:
        days = list(csv.reader(io.StringIO(client.get("/c/acme/days.csv").text)))
        figures = list(csv.reader(io.StringIO(client.get("/c/acme/m/fraud/figures.csv?span=7d").text)))
    assert {f"'{title}" for title in HOSTILE_TITLES} <= {row[0] for row in days}
    assert len(figures) > 50
    assert not any(cell.startswith(("=", "+", "@")) for row in (*days, *figures) for cell in row)


@pytest.mark.parametrize("number", ["-1", "1.5", "-1.25e-07", "0", "", "a=b"])
def test_a_number_and_a_word_stay_as_they_are(number: str) -> None:
    assert cell(number) == number


def test_a_hundred_models_and_ninety_days_come_lightly(tmp_path) -> None:
    with serving(clients.crowded(tmp_path)) as client:
        page = client.get("/c/acme/")
    assert page.status_code == 200
    assert page.text.count("/m/model-") == 99
    assert len(page.content) < 150_000


def test_today_is_no_whole_day_for_a_model_that_fell_silent(tmp_path) -> None:
    own = clients.opened(tmp_path, hours=48)
    own.clock.advance(5 * 3600)
    with serving(own) as client:
        page = client.get("/c/acme/m/churn").text
    assert "29 working, 1 without data" in words(page)


def test_a_figure_says_of_which_day_it_is(tmp_path) -> None:
    own = clients.opened(tmp_path, hours=30)
    with serving(own) as client:
        assert "Right answers, today" in words(client.get("/c/acme/m/fraud").text)
        own.clock.advance(30 * 3600)
        later = words(client.get("/c/acme/m/fraud").text)
    assert "Right answers, Mon 23 Nov" in later


def test_what_is_not_counted_yet_is_no_zero(tmp_path) -> None:
    own = clients.opened(tmp_path, hours=0)
    with serving(own) as client:
        page = words(client.get("/c/acme/m/fraud").text)
        whole = words(client.get("/c/globex/").text)
        said = client.get("/api/v1/clients/acme").json()["models"]
    assert "Decisions today — being counted" in page
    assert "Decisions today — being counted" in whole
    assert [one["decisions_today"] for one in said if one["model"] == "fraud"] == [None]


@pytest.mark.parametrize(("age", "said"), [(50.0, "of all requests, as of 19:59"), (1.0, "of all requests")])
def test_today_s_figures_say_as_of_when_they_are_where_answers_came_since(age: float, said: str) -> None:
    now = datetime(2026, 11, 23, 20, 0, tzinfo=UTC).timestamp()
    one = ModelHealth(
        CHURN, "Churn", Health.WORKING, "", last_received=now - 5, decisions=10, counted_at=now - age
    )
    page = client_view.client(ClientHealth("acme", "Acme", now, (one,), "", Health.WORKING), ClientSettings())
    figures = page["figures"]
    assert isinstance(figures, list)
    notes = {figure.label: figure.note for figure in figures}
    assert notes["Answered today"] == said
    assert ("as of 19:59" in notes["Decisions today"]) is ("as of" in said)


@pytest.mark.parametrize(
    ("agreed", "since", "share", "said"),
    [
        (None, None, 0.998, ("Within limits, 30 days", "99.8 %", "of the time")),
        (None, 300.0, 1.0, ("Within limits, since Mon 19:55", "100 %", "of the time")),
        (None, None, None, ("Within limits, 30 days", "—", "")),
        (0.99, 300.0, 1.0, ("Within limits, since Mon 19:55", "100 %", "agreed: 99 % ✔ met")),
        (0.99, None, 0.98, ("Within limits, 30 days", "98 %", "agreed: 99 % ✖ missed")),
        (0.99, None, None, ("Within limits, 30 days", "—", "agreed: 99 %")),
    ],
)
def test_the_time_within_limits_is_of_what_was_measured_and_agreed_only_if_it_is(
    agreed: float | None, since: float | None, share: float | None, said: tuple[str, str, str]
) -> None:
    now = datetime(2026, 11, 23, 20, 0, tzinfo=UTC).timestamp()
    one = ModelHealth(CHURN, "Churn", Health.WORKING, "", last_received=now - 5)
    start = None if since is None else now - since
    whole = ClientHealth("acme", "Acme", now, (one,), "", Health.WORKING, share, start)
    figures = client_view.client(whole, ClientSettings(availability_target=agreed))["figures"]
    assert isinstance(figures, list)
    assert said in [(figure.label, figure.value, figure.note) for figure in figures]


def test_the_first_page_draws_the_quality_of_each_day_with_its_target(shop: Shop) -> None:
    with serving(shop) as client:
        page = client.get("/c/acme/").text
    part = page.partition("Quality, last 30 days")[2].partition("What happened")[0]
    assert part.count('<svg class="chart"') == part.count("Show as table") == 2
    assert 'class="limit"' in part
    assert "agreed 85 %" in part
    assert re.search(
        r"Right answers, \d+ days: between [\d.]+ % and [\d.]+ %; agreed: at least 85 %\.", words(part)
    )
    rows = re.findall(r'<th scope="row">([^<]+)</th><td>([^<]+)</td>', part)
    assert ("Fri 20 Nov", "90 %") in rows


def test_numbers_and_dates_are_those_of_the_reader_and_files_stay_as_they_are(shop: Shop) -> None:
    headers = {"accept-language": "de-DE,de;q=0.9,en;q=0.5"}
    with serving(shop) as client:
        german = words(client.get("/c/acme/", headers=headers).text)
        chart = client.get("/c/acme/m/fraud?span=24h", headers=headers).text
        usual = words(client.get("/c/acme/").text)
        files = [client.get("/c/acme/days.csv", headers=one).text for one in (headers, {})]
    assert re.search(r"Within limits, 30 days \d\d,\d %", german)
    assert re.search(r"Within limits, 30 days \d\d\.\d %", usual)
    assert re.search(r'<th scope="row">2[23]\.11\.2026 \d\d:00</th>', chart)
    assert files[0] == files[1]


def test_the_legend_names_each_state_beside_its_bar(shop: Shop) -> None:
    with serving(shop) as client:
        for path in ("/c/acme/", "/c/acme/m/fraud"):
            legend = client.get(path).text.partition('aria-label="Legend"')[2].partition("</ul>")[0]
            assert re.findall(r'class="d-(\w+)"', legend) == [
                "working",
                "watch",
                "attention",
                "attention",
                "waiting",
            ]
            assert re.findall(r"</span>([^<]+)</li>", legend) == [
                "Working",
                "Being watched",
                "Needs attention",
                "No data",
            ]


def test_what_happened_tells_releases_and_withdrawn_versions(tmp_path) -> None:
    own = clients.opened(tmp_path, hours=1)
    with serving(own) as client:
        assert "No incident in the last 30 days." in words(client.get("/c/acme/").text)
        with own.store.write() as connection:
            for number, (at, state) in enumerate(
                ((NOW - 40 * 86_400, RolloutState.STOPPED), (NOW - 7200, RolloutState.FAILED)), start=1
            ):
                one = Rollout(FRAUD, number, "8", "7", (Stage(100, 3600),), at - 3600, "ada")
                rollouts.start(
                    connection, one, RolloutStep(1, at - 3600, RolloutState.RUNNING, 0, 5.0, "started")
                )
                rollouts.add(connection, one, RolloutStep(2, at, state, 0, 0.0, "worse: e-value 412"))
            releases.add(connection, Release(CHURN, "3", "a" * 64, NOW - 3600, NOW))
        text = words(client.get("/c/acme/").text).split("What happened")[1]
        assert "No incident in the last 30 days." not in text
        released, withdrawn = "Churn: a new version was released.", "Fraud check: a new version was withdrawn"
        assert text.index(released) < text.index(f"{withdrawn}, because it was worse.")
        assert text.count(withdrawn) == 1, "what is older than 30 days is not told"
        assert "e-value" not in text
        of_model = words(client.get("/c/acme/m/churn").text).split("What happened")[1]
        assert released in of_model
        assert withdrawn not in of_model
        fire(
            own,
            FRAUD,
            at=NOW - 7190,
            severity=Severity.WARNING,
            rule="RolloutFailed",
            client_text="It was worse.",
        )
        text = words(client.get("/c/acme/").text).split("What happened")[1]
        assert withdrawn not in text, "the incident tells it"
        assert "Fraud check: it was worse." in text
