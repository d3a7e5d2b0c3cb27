"""The model page's section on scores of evaluators."""

from pathlib import Path

from monitor.metrics.quality.scores import SCORE_MEAN
from monitor.records import Measurement, Window, labels
from monitor.rules.engine.readings import OPEN
from monitor.web.pages.model.score_rows import ScoreRow, of_measurements
from tests.support import clients
from tests.support.clients import FRAUD, NOW
from tests.support.server import serving

PAGE = "/staff/m/acme/fraud/production"
WINDOW = Window(int(NOW) - 3600, int(NOW))


def mean(evaluator: str, value: float | None, n: float, reason: str = "") -> Measurement:
    where = labels(score="groundedness", evaluator=evaluator)
    bounds = (None, None) if value is None else (value - 0.1, value + 0.1)
    return Measurement(
        FRAUD, WINDOW, SCORE_MEAN.name, value, n=n, labels=where, low=bounds[0], high=bounds[1], reason=reason
    )


MEASURED = [
    mean("judge@1.3<b>", None, 2, "2 scores in the last hour, fewer than 5"),
    mean("judge@1.2", 0.5, 1200),
]


def test_each_version_of_an_evaluator_has_a_row_of_its_own() -> None:
    first, second = of_measurements([*MEASURED, Measurement(FRAUD, WINDOW, "volume", 3.0)])
    assert first == ScoreRow("groundedness", "judge@1.2", "0.5", "0.4 to 0.6", 1200, "")
    assert (second.evaluator, second.mean, second.interval, second.n) == ("judge@1.3<b>", "—", "—", 2)
    assert second.reason == "2 scores in the last hour, fewer than 5"


def test_the_page_shows_them_and_a_model_without_scores_has_no_such_section(tmp_path: Path) -> None:
    shop = clients.opened(tmp_path, hours=2)
    with serving(shop, measured=lambda: {(FRAUD, OPEN): MEASURED}) as web:
        section = (
            web.get(PAGE).text.partition("<h2>Scores of evaluators, last hour</h2>")[2].partition("<h2>")[0]
        )
    for words in ("judge@1.2", "judge@1.3&lt;b&gt;", "0.4 to 0.6", "1,200", "fewer than 5"):
        assert words in section
    with serving(shop) as web:
        assert "Scores of evaluators" not in web.get(PAGE).text
