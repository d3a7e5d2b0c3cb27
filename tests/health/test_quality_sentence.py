"""Without an agreed target, the sentence of a model says its newest quality."""

from dataclasses import replace
from datetime import date

import pytest

from monitor.health.client_state import with_quality
from monitor.health.model_state import Health, ModelHealth, Quality
from monitor.records import Stream
from monitor.store.targets import TargetPeriod

TODAY = date(2026, 11, 23)
STREAM = Stream("acme", "fraud")
MODEL = ModelHealth(STREAM, "Fraud", Health.WORKING, "Fraud is working normally.")
RIGHT = Quality("accuracy", 0.94, n=1000, day=TODAY)
AGREED = TargetPeriod(
    "accuracy", 0.9, is_least=True, stream=STREAM, since=0.0, until=None, standing="kept", worst=None
)


@pytest.mark.parametrize(
    ("quality", "said"),
    [
        (RIGHT, " As of today, it is right in 94 % of all cases."),
        (replace(RIGHT, value=0.08), " As of today, it is right in 8 % of all cases."),
        (replace(RIGHT, day=date(2026, 11, 22)), " As of yesterday, it is right in 94 % of all cases."),
        (replace(RIGHT, day=date(2026, 11, 20)), " As of Fri 20 Nov, it is right in 94 % of all cases."),
        (replace(RIGHT, estimated=True), " As of today, it is right in 94 % of all cases (estimated)."),
        (
            Quality("subset_accuracy", 0.8, n=1000, day=TODAY),
            " As of today, it gets all labels right in 80 % of all cases.",
        ),
        (replace(RIGHT, n=12), ""),
        (replace(RIGHT, value=None), ""),
        (None, ""),
    ],
)
def test_a_model_without_targets_says_how_good_it_is(quality: Quality | None, said: str) -> None:
    assert with_quality(MODEL, quality, TODAY) == f"Fraud is working normally.{said}"


@pytest.mark.parametrize(
    "model", [replace(MODEL, targets=(AGREED,)), *(replace(MODEL, health=one) for one in list(Health)[1:])]
)
def test_targets_and_problems_have_sentences_of_their_own(model: ModelHealth) -> None:
    assert with_quality(model, RIGHT, TODAY) == model.sentence
