"""How an alert ends, in words."""

from dataclasses import replace

import pytest

from monitor.alerts.text.titles import ending, title, urgency
from monitor.records import Action, Alert, Peak, Severity, State
from tests.support.clients import FRAUD, NOW

OVER = Alert(
    "f" * 16,
    "HighErrorRate",
    Severity.CRITICAL,
    FRAUD,
    state=State.RESOLVED,
    fired_at=NOW,
    value=0.002,
    metric="error_rate",
    unit="share",
    reason="error_rate is 0.2 %",
    peak=Peak(0.134, "error_rate", "share"),
)
NAME = "acme/fraud production: HighErrorRate"


@pytest.mark.parametrize(
    ("alert", "words"),
    [
        (OVER, "0.2 % now, 13.4 % at worst"),
        (replace(OVER, metric="throughput", unit="predictions/s"), "13.4 % at worst"),
        (replace(OVER, value=None), "13.4 % at worst"),
        (replace(OVER, peak=None), "0.2 % now"),
        (replace(OVER, peak=None, value=None), "error_rate is 0.2 %"),
    ],
)
def test_the_end_is_told_with_the_figure_now_and_the_worst_one(alert: Alert, words: str) -> None:
    assert ending(alert) == title(Action.RESOLVE, [alert]) == f"{NAME}: {words}"


def test_an_end_names_its_feature() -> None:
    assert ending(replace(OVER, instance=(("feature", "amount"),))).startswith(f"{NAME} of amount: ")


def test_firing_comes_before_recovering_whatever_the_tier() -> None:
    firing = replace(OVER, state=State.FIRING, severity=Severity.INFO, fingerprint="a")
    recovering = replace(OVER, state=State.RECOVERING, fingerprint="b")
    assert sorted([OVER, recovering, firing], key=urgency) == [firing, recovering, OVER]
