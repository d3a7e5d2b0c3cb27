"""The engineers' table of own metrics: which figures the baseline lacks, and why."""

import pytest

from monitor.health.declared.custom_metric_settings import CustomMetrics
from monitor.metrics.declared.custom_metrics import OWN_METRIC
from monitor.records import Measurement, Window, labels
from monitor.web.pages.declared.custom_metric_rows import of_measurements
from tests.support.clients import FRAUD, NOW

WINDOW = Window(int(NOW) - 3600, int(NOW))


def figure(value: float | None, baseline: float | None, **where: str) -> Measurement:
    about = labels(name="refunds", **where)
    reason = "" if value is not None else "no rows"
    return Measurement(
        FRAUD, WINDOW, OWN_METRIC.name, value, baseline=baseline, n=9, labels=about, reason=reason
    )


@pytest.mark.parametrize(
    ("one", "has_baseline", "is_told"),
    [
        (figure(0.5, None), True, True),
        (figure(0.5, 0.4), True, False),
        (figure(0.5, None), False, False),
        (figure(None, None), True, False),
        (figure(0.5, None, segment="region=eu"), True, False),
    ],
)
def test_a_figure_that_the_baseline_lacks_says_so_once(
    one: Measurement, has_baseline: bool, is_told: bool
) -> None:
    declared: CustomMetrics = {}
    (row,) = of_measurements(declared, [one], has_baseline=has_baseline).rows
    assert ("are added to it as soon as" in row.notes) is is_told
