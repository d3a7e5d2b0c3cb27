"""Of a model with very many features, `/metrics` shows those that rules fire on, in whichever direction they look."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.exporters.metric_names import BY_NAME
from monitor.exporters.prometheus.text import text as as_text
from monitor.exporters.rule_samples import write
from monitor.exporters.samples import SampleSet
from monitor.records import State, labels
from monitor.rules.engine.readings import OPEN, Readings
from monitor.runtime.faults import Faults
from tests.support.judging import START, STREAM, Judge, measured, one_rule
from tests.support.thorough import SHARED_FIXTURES

MOST = 5


@given(
    st.sampled_from(["above", "below"]),
    st.sampled_from(["0.5", "2x baseline", "baseline - 0.1"]),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 1)), min_size=1, max_size=30),
)
@settings(suppress_health_check=SHARED_FIXTURES, max_examples=60, deadline=None)
def test_features_that_fire_are_shown_before_any_other(
    tmp_path: Path, side: str, level: str, figures: list[tuple[float, float]]
) -> None:
    when = f"{{metric: missing_share, over: open, {side}: {level}}}"
    rules = one_rule(tmp_path, when, by="[feature]")
    found = [
        measured("missing_share", value, baseline=baseline, instance=labels(feature=f"f{place:02}"))
        for place, (value, baseline) in enumerate(figures)
    ]
    looked = Judge(rules).look(*found).alerts
    firing = {dict(alert.instance)["feature"] for alert in looked if alert.state is not State.INACTIVE}
    sheet = SampleSet(BY_NAME, 10_000)
    write(sheet, Readings({(STREAM, OPEN): found}), rules, [STREAM], MOST, Faults(), START, START)
    text = as_text(sheet, open_metrics=True)
    shown = {feature for feature in (f"f{place:02}" for place in range(30)) if f'feature="{feature}"' in text}
    assert len(shown) == min(MOST, len(figures))
    assert shown <= firing or firing <= shown
