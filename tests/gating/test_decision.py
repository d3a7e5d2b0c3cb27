"""The verdict: margins, targets, rules of production, and what never decides."""

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from monitor.errors import UnreadableError
from monitor.gating import Outcome, gate
from monitor.gating.result import from_dict
from monitor.health.settings import ModelView
from monitor.releases.approval import approve
from monitor.releases.margins import DEFAULTS, Margin, margin_of, parse
from tests.gating.items import classified, compared, regressed

GOOD = classified(3000)
WORSE = classified(3000, lost=0.06, won=0.0)


def test_programs_import_the_function_by_either_name() -> None:
    """Not a module of the same name, whatever was imported before."""
    for name in ("monitor", "watchkeeper"):
        for _ in range(2):
            assert getattr(import_module(name), "gate") is gate  # noqa: B009 - as `from ... import gate` does


def test_a_candidate_that_is_as_good_passes() -> None:
    found = compared(*GOOD[:2], truth=GOOD[2])
    assert found.outcome is Outcome.PASS
    assert found.passed
    assert found.needed is None


def test_a_candidate_that_is_worse_fails_by_every_figure_that_shows_it() -> None:
    found = compared(*WORSE[:2], truth=WORSE[2])
    assert found.outcome is Outcome.FAIL
    assert found.reason.startswith("accuracy is proven worse, by more than the margin; f1 is")
    accuracy = found.metric("accuracy")
    assert accuracy is not None
    assert accuracy.test == "exact McNemar"
    assert accuracy.difference == pytest.approx(-0.056, abs=0.006)


def test_a_small_loss_that_is_proven_is_within_a_wide_margin() -> None:
    candidate, baseline, truth = classified(8000, lost=0.015, won=0.0)
    found = compared(candidate, baseline, truth=truth, metrics=["accuracy"])
    assert found.outcome is Outcome.PASS
    assert found.metrics[0].reason == "worse, but within the margin"
    strict = compared(candidate, baseline, truth=truth, metrics=["accuracy"], margins={"accuracy": "0.5%"})
    assert strict.outcome is Outcome.FAIL


def test_too_few_items_say_how_many_are_needed() -> None:
    """6.2 d / m² for a share d of changed items, as in the theory of paired shares."""
    candidate, baseline, truth = classified(300)
    found = compared(candidate, baseline, truth=truth, metrics=["accuracy"])
    assert found.outcome is Outcome.INCONCLUSIVE
    right = [side["prediction"] == truth["truth"] for side in (candidate, baseline)]
    changed, gain = (right[0] != right[1]).mean(), (right[0].mean() - right[1].mean())
    expected = 6.18 * (changed - gain**2) / (0.02 + min(gain, 0)) ** 2
    assert found.needed == pytest.approx(expected, rel=0.02)


def test_a_named_metric_that_cannot_be_measured_decides_nothing() -> None:
    candidate, baseline = regressed(400)
    found = compared(candidate, baseline, metrics=["mae", "roc_auc"])
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "roc_auc: not measured: no item" in found.reason


def test_relative_margins_are_shares_of_the_baseline() -> None:
    found = compared(*regressed(4000, worse=0.02))
    assert found.outcome is Outcome.PASS
    assert found.metrics[0].margin == pytest.approx(0.05 * (found.metrics[0].baseline or 0))
    assert compared(*regressed(2000, worse=0.2)).outcome is Outcome.FAIL
    assert parse({"mae": "3%", "accuracy": "3%", "log_loss": 0.1}) == {
        "mae": Margin(0.03, is_relative=True, source="given"),
        "accuracy": Margin(0.03, source="given"),
        "log_loss": Margin(0.1, source="given"),
    }


@pytest.mark.parametrize(
    ("baseline", "size"), [(0.99, 0.02), (0.93, 0.02), (0.91, 0.01), (0.902, 0.005), (0.85, 0.005)]
)
def test_an_agreed_target_narrows_the_margin(baseline: float, size: float) -> None:
    assert margin_of("accuracy", {}, {"accuracy": 0.9}, baseline).size == pytest.approx(size)
    assert margin_of("accuracy", {"accuracy": Margin(0.07)}, {"accuracy": 0.9}, baseline).size == 0.07
    assert margin_of("accuracy", {}, {}, baseline) == DEFAULTS["accuracy"]


def test_a_missed_target_blocks_unless_the_baseline_misses_it_as_much() -> None:
    candidate, baseline, truth = WORSE
    view = ModelView(quality="accuracy", target=0.92, task="binary")
    found = gate(candidate, baseline, truth=truth, view=view, metrics=["latency_p50"], draws=200)
    assert found.outcome is Outcome.FAIL
    assert "over the last" not in found.rules[0].reason
    (target,) = found.targets
    assert (target.standing, target.blocks) == ("missed", True)
    assert [one.rule for one in found.rules if one.blocks] == ["TargetMissed"]
    same = gate(candidate, candidate, truth=truth, view=view, metrics=["latency_p50"], draws=200)
    assert (same.outcome, same.rules) == (Outcome.PASS, ())
    assert same.targets[0].reason == "missed, as by the baseline; at least 92 % is agreed"
    kept = gate(*GOOD[:2], truth=GOOD[2], targets={"accuracy": 0.8}, metrics=["accuracy"], draws=200)
    assert (kept.outcome, kept.targets[0].standing) == (Outcome.PASS, "kept")


RULES = """\
groups:
  - name: mine
    rules:
      - alert: Doubtful
        labels: {severity: warning}
        when: {metric: confidence_mean, over: 1h, below: 70%}
      - alert: OnlyTold
        labels: {severity: info}
        when: {metric: confidence_mean, over: 1h, below: 100%}
"""


def test_what_would_page_blocks_and_is_named(tmp_path: Path) -> None:
    candidate, baseline, truth = classified(400)
    failing = candidate.assign(error=[None, "timeout", None, None] * 100)
    found = gate(failing, baseline, truth=truth, metrics=["cost_per_prediction"], draws=200)
    assert [(one.rule, one.severity) for one in found.rules if one.blocks] == [("HighErrorRate", "critical")]
    assert found.outcome is Outcome.FAIL
    assert found.reason.endswith("in production it would fire HighErrorRate (critical)")
    rules = tmp_path / "mine.yaml"
    rules.write_text(RULES)
    doubtful = candidate.assign(confidence=0.6)
    own = gate(doubtful, baseline, truth=truth, metrics=["accuracy"], rules=[rules], draws=200)
    assert [one.rule for one in own.rules] == ["Doubtful"]
    assert own.outcome is Outcome.FAIL


def test_a_rule_that_fires_for_the_baseline_as_well_does_not_block() -> None:
    candidate, baseline, truth = classified(2500, lost=0.01, won=0.01)
    errors = [None, "timeout", None, None, None] * 500
    found = gate(candidate.assign(error=errors), baseline.assign(error=errors), truth=truth, draws=200)
    assert found.outcome is Outcome.PASS
    (rule,) = found.rules
    assert (rule.rule, rule.blocks) == ("HighErrorRate", False)
    assert rule.reason.endswith("as for the baseline")


def test_constant_answers_would_page() -> None:
    candidate, baseline, truth = classified(600, classes=("a", "b", "c"))
    found = gate(candidate.assign(prediction="a"), baseline, truth=truth, draws=200)
    assert {"AnswersAlike", "LowAccuracy"} <= {one.rule for one in found.rules if one.blocks}


def test_automation_is_compared_item_by_item() -> None:
    candidate, baseline, truth = classified(2000)
    flags = np.arange(2000) % 10 < 8
    less = flags & (np.arange(2000) % 10 > 0)
    found = compared(candidate.assign(automated=less), baseline.assign(automated=flags), truth=truth)
    one = found.metric("automation_rate")
    assert one is not None
    assert (one.candidate, one.baseline, one.outcome) == (
        pytest.approx(0.7),
        pytest.approx(0.8),
        Outcome.FAIL,
    )


def test_what_is_not_judged_is_told() -> None:
    candidate, baseline, truth = classified(300, classes=("3", "7"))
    numbers = [side.drop(columns=["confidence", "probabilities.7"]) for side in (candidate, baseline)]
    for side in (*numbers, truth):
        column = "truth" if "truth" in side else "prediction"
        side[column] = side[column].astype(int)
    found = compared(*numbers, truth=truth, targets={"volume": 100.0})
    assert "a gate does not measure volume, for which a target is agreed" in found.notes
    assert "answers are compared as numbers; if they are classes, say so: --task multiclass" in found.notes
    assert compared(*numbers, truth=truth, task="multiclass").metric("accuracy") is not None


def test_segments_are_told_worst_first_and_never_decide() -> None:
    candidate, baseline, truth = classified(4000, lost=0.01, won=0.01)
    rng = np.random.default_rng(0)
    country = rng.choice(["de", "fr", "it", "es"], 4000)
    candidate["segments.country"] = country
    candidate.loc[:19, "segments.country"] = "tiny"
    worse = (country == "es") & (rng.random(4000) < 0.12) & (candidate["segments.country"] != "tiny")
    candidate.loc[worse, "prediction"] = np.where(truth["truth"][worse] == "yes", "no", "yes")
    found = compared(candidate, baseline, truth=truth, segments=["country"], metrics=["cost_per_prediction"])
    assert found.outcome is Outcome.PASS
    assert (found.segments[0].value, found.segments[0].is_proven) == ("es", True)
    assert [one.value for one in found.segments if one.is_proven] == ["es"]
    assert found.small_segments == 1
    assert "tiny" not in {one.value for one in found.segments}


def test_a_result_is_small_enough_to_be_stored_with_an_approval() -> None:
    candidate, baseline, truth = classified(40_000, lost=0.2, won=0.0)
    candidate["shop"] = np.arange(40_000) % 400
    found = compared(candidate, baseline, truth=truth, segments=["shop"], metrics=["accuracy"])
    assert len(found.segments) == 100
    assert found.notes == ("300 more segments lost less, and are not listed",)
    stored = approve.evidence(json.dumps(found.to_dict(), indent=2).encode())
    assert approve.summary(stored) == "fail: accuracy is proven worse, by more than the margin"


def test_of_a_hundred_equal_segments_none_is_blamed() -> None:
    candidate, baseline, truth = classified(8000, seed=4)
    candidate["shop"] = np.arange(8000) % 100
    found = compared(candidate, baseline, truth=truth, segments=["shop"], metrics=["accuracy"])
    assert not [one for one in found.segments if one.is_proven]


def test_segments_of_numbers_are_compared_by_their_error() -> None:
    candidate, baseline = regressed(1000)
    candidate["region"] = np.where(np.arange(1000) < 300, "north", "south")
    candidate.loc[:299, "prediction"] += 6
    first = compared(candidate, baseline, segments=["region"]).segments[0]
    gaps = [(side["prediction"] - side["truth"]).abs()[:300].mean() for side in (candidate, baseline)]
    assert (first.value, first.metric, first.is_proven) == ("north", "mae", True)
    assert (first.candidate, first.baseline) == pytest.approx(tuple(gaps))


def test_a_stored_result_is_the_same_again() -> None:
    candidate, baseline, truth = classified(300)
    candidate["segments.country"] = np.where(np.arange(300) % 2, "de", "fr\u202e")
    found = gate(
        candidate, baseline, truth=truth, segments=["country"], targets={"accuracy": 0.95}, draws=200
    )
    again = from_dict(json.loads(found.to_json()))
    assert again == found
    assert again.to_json() == found.to_json()
    for bad in ({}, {"schema": "watchkeeper.gate/2"}, [], {**found.to_dict(), "outcome": "perhaps"}):
        with pytest.raises(UnreadableError):
            from_dict(bad)
