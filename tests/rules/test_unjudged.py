"""A rule that cannot be judged says what it needs."""

from dataclasses import replace

from monitor.records import Measurement, Stream, Window
from monitor.rules.engine.unevaluable_rules import unjudged
from tests.rules.test_packs import RULES

STREAM = Stream("acme", "fraud")


def measured(
    metric: str, value: float | None, baseline: float | None = None, reason: str = ""
) -> Measurement:
    return Measurement(
        STREAM, Window(0, 60), metric, value, "seconds", n=1000, baseline=baseline, reason=reason
    )


def sentences(*measurements: Measurement) -> str:
    return "\n".join(unjudged(RULES, STREAM, measurements, measurements, 60, 0.0))


def test_a_latency_without_anything_to_compare_with_is_reported() -> None:
    blind = [measured(f"latency_p{percent}", 0.05) for percent in (50, 95)]
    assert "HighLatency cannot be evaluated yet: latency_p" in sentences(*blind)
    assert "no baseline to compare with (a baseline, whose rows need: `latency_ms`)" in sentences(*blind)
    seeing = [measured(f"latency_p{percent}", 0.05, 0.05) for percent in (50, 95)]
    assert "HighLatency" not in sentences(*seeing)


def test_a_figure_that_is_not_measured_gives_its_reason() -> None:
    few = measured("accuracy", None, reason="12 outcomes of 30 needed")
    assert "LowAccuracy cannot be evaluated yet: accuracy: 12 outcomes of 30 needed" in sentences(few)


def test_what_a_model_does_not_send_is_not_asked_for() -> None:
    assert "was not measured" not in sentences(measured("volume", 10.0))
    assert "ListsShifted" not in sentences(measured("volume", 10.0))


def test_a_window_without_rows_makes_no_figure_that_an_hour_does_not_have() -> None:
    empty = replace(measured("accuracy", None, reason="0 outcomes of 30 needed"), n=0)
    lists = measured("ndcg", 0.4)
    assert "LowAccuracy" not in "\n".join(unjudged(RULES, STREAM, [empty], [lists], 60, 0.0))
    assert "LowAccuracy" in "\n".join(unjudged(RULES, STREAM, [empty], [empty], 60, 0.0))
    assert "LowAccuracy" in "\n".join(unjudged(RULES, STREAM, [empty], [], 60, 0.0))


def test_a_minute_without_rows_makes_no_rule_blind_of_which_the_hour_has_the_figure() -> None:
    figures = [measured(f"latency_p{percent}", 0.05, 0.05) for percent in (50, 95)]
    empty = [replace(one, value=None, reason="no prediction in the window", n=0) for one in figures]
    assert "HighLatency" not in "\n".join(unjudged(RULES, STREAM, empty, figures, 60, 0.0))
    assert "HighLatency" in "\n".join(unjudged(RULES, STREAM, empty, empty, 60, 0.0))
    few = [replace(one, reason="12 predictions of 30 needed", n=12) for one in empty]
    assert "12 predictions of 30 needed" in "\n".join(unjudged(RULES, STREAM, few, figures, 60, 0.0))


def test_nothing_is_said_of_a_stream_without_any_measurement() -> None:
    assert sentences() == ""
