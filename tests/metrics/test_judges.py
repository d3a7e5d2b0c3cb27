"""The agreement of judges with people, held against scikit-learn's area under the ROC curve."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from monitor.metrics.calls.judges import agreement, is_good, verdict_of

answers = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=25, max_size=60)


@given(answers)
def test_the_agreement_is_the_area_under_the_roc_curve(pairs: list[tuple[int, bool]]) -> None:
    scores = {str(place): float(score) for place, (score, _) in enumerate(pairs)}
    good = {str(place): mark for place, (_, mark) in enumerate(pairs)} | {"unscored": True}
    found = agreement(scores, good)
    marks = [mark for _, mark in pairs]
    if min(marks.count(True), marks.count(False)) < 10:
        assert found is None
        return
    assert found is not None
    assert found.value == pytest.approx(roc_auc_score(marks, [score for score, _ in pairs]))
    assert found.interval[0] <= found.value <= found.interval[1]
    assert found.n == len(pairs)
    turned = agreement({name: -score for name, score in scores.items()}, good)
    assert turned is not None
    assert turned.value == pytest.approx(1 - found.value)


def test_the_interval_holds_the_agreement_of_all_answers_in_about_95_of_100_samples() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        marks = rng.random(120) < 0.5
        scores = rng.normal(size=120) + marks  # an area of Phi(1 / sqrt 2)
        named = {str(place): float(score) for place, score in enumerate(scores)}
        found = agreement(named, {str(place): bool(mark) for place, mark in enumerate(marks)})
        assert found is not None
        held += found.interval[0] <= 0.7602 <= found.interval[1]
    assert 182 <= held <= 198


@pytest.mark.parametrize(
    ("said", "good"),
    [
        ((True, None, 5.0, 5.0), False),
        ((False, False, 1.0, 5.0), True),
        ((None, True, 1.0, 5.0), True),
        ((None, None, 4.0, 5.0), True),
        ((None, None, 3.0, 5.0), None),
        ((None, None, 2.0, 5.0), False),
        ((None, None, 0.0, 1.0), False),
        ((None, None, -1.0, 1.0), False),
        ((None, None, 1.0, 1.0), True),
        ((None, None, None, 5.0), None),
        ((None, None, 0.0, 0.0), None),
    ],
)
def test_what_people_say_is_good_or_bad_or_neither(said: tuple[bool, bool, float, float], good: bool) -> None:
    assert is_good(*said) is good


def test_words_of_judges_are_numbers_and_other_words_are_not() -> None:
    assert [verdict_of(None, word) for word in (" Pass", "FAIL", "blue", None)] == [1.0, 0.0, None, None]
    assert verdict_of(0.3, "pass") == 0.3
