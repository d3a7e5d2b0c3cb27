"""What is written under `metrics`, what is wrong with it, and what the client reads of it."""

from pathlib import Path

from monitor.config.root import check
from monitor.health import wording
from monitor.health.declared import custom_metrics
from monitor.health.declared.custom_metric_settings import CustomMetricSection
from monitor.health.settings import ModelView
from monitor.records import Measurement, Stream, Window, labels

TEXT = """\
clients:
  acme:
    metrics:
      psi: "count()"
    models:
      fraud:
        targets: {own: 2, refund_rat: 0.1}
        metrics:
          plain: "mean(features.refunded)"
          own: {expression: "share(truth == 'fraud')", unit: share, lower_is_better: true}
          a: "sum(amount"
          b: {expression: "sum(amount)", target: 3}
          c: {expression: "share(amount > 1)", target: 3, lower_is_better: false}
          Bad Name: "count()"
          d: {expression: "count()", target: 3, lower_is_better: true, audience: engineers}
          e: {expression: "count()", unt: EUR}
          f: 7
"""
TOLD = {
    4: "is the name of a metric of Watchkeeper",
    7: "2 is not a share",
    11: "at character 4: '(' was never closed",
    12: "a target needs to know its direction",
    13: "3 is not a share",
    14: "'Bad Name' is not a name",
    15: "a target is agreed with the client",
    16: "unknown key (did you mean 'unit'?)",
    17: "should be a valid dictionary",
}
STREAM = Stream("acme", "fraud")


def test_each_mistake_has_its_line(tmp_path: Path) -> None:
    file = tmp_path / "watchkeeper.yaml"
    file.write_text(TEXT)
    found = check(file)
    problems = [str(one) for one in found.problems]
    for line, text in TOLD.items():
        assert any(f":{line}:" in one and text in one for one in problems), (line, problems)
    assert any("unknown metric (did you mean" in one for one in problems)
    assert len(problems) == len(TOLD) + 1, problems
    own = found.config.model(STREAM).metrics
    assert own["plain"].expression == "mean(features.refunded)"
    assert "psi" in own


def test_the_words_of_the_client() -> None:
    view = ModelView(
        metrics={
            "refunds": CustomMetricSection(
                expression="share(a > 1)", target=0.05, lower_is_better=True, title="Refunds\u202e",
                explanation="Paid back.",
            ),
            "lost": CustomMetricSection(expression="sum(a)", unit="EUR"),
            "quiet": CustomMetricSection(expression="sum(a)", audience="engineers"),
        }
    )  # fmt: skip

    def measured(name: str, value: float | None, **more: str) -> Measurement:
        where = labels(name=name, **more)
        return Measurement(
            STREAM, Window(0, 60), "own_metric", value, n=1032, labels=where, low=0.07, high=0.094,
            reason="" if value is not None else "no outcome with truth in this window",
        )  # fmt: skip

    some = [measured("refunds", 0.08), measured("refunds", 0.5, segment="a=b"), measured("lost", None)]
    some += [measured("quiet", 1.0), measured("gone", 1.0)]
    assert custom_metrics.sentences(view, some, "over the day") == [
        (
            "Refunds\\u202e",
            f"8 % over the day (7 % to 9 %, from {wording.count(1032)} rows); at most 5 % was agreed. "
            "Paid back.",
        ),
        ("Lost", "Not measured over the day: no outcome with truth in this window."),
    ]
