"""Figures as people read them."""

import pytest

from monitor.metrics.system.daemon import DRIFT_EVIDENCE
from monitor.rules.language.wording import bound, difference, figure, label_words


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (None, "share", "-"),
        (0.0714, "share", "7.14 %"),
        (0.23, "seconds", "230 ms"),
        (1.5, "seconds", "1.5 s"),
        (7200.0, "seconds", "2h"),
        (1250.0, "predictions", "1,250 predictions"),
        (0.4, DRIFT_EVIDENCE.unit, "0.4 times the limit"),
        (1.0, DRIFT_EVIDENCE.unit, "the limit"),
        (3.21, DRIFT_EVIDENCE.unit, "3.2 times the limit"),
        (1e6, DRIFT_EVIDENCE.unit, "over 1,000 times the limit"),
    ],
)
def test_a_figure_is_said_with_its_unit(value: float | None, unit: str, said: str) -> None:
    assert figure(value, unit) == said


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (None, "share", "-"),
        (-0.646, "share", "64.6 % lower"),
        (0.2, "", "0.2 higher"),
        (0.0, "share", "0 % higher"),
    ],
)
def test_a_difference_is_said_in_words_and_not_by_its_sign(value: float | None, unit: str, said: str) -> None:
    assert difference(value, unit) == said


def test_a_figure_in_times_of_its_limit_needs_no_limit_beside_it() -> None:
    assert bound(1.0, DRIFT_EVIDENCE.unit) == "-"
    assert bound(0.02, "share") == "2 %"
    assert bound(None, "share") == "-"


@pytest.mark.parametrize(
    ("label", "value", "said"),
    [("estimate", "mae", "MAE"), ("estimate", "accuracy", "accuracy"), ("feature", "mae", "mae")],
)
def test_an_abbreviation_is_written_as_one_where_it_is_one(label: str, value: str, said: str) -> None:
    assert label_words(label, value) == said
