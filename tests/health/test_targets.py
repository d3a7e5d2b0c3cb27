"""Agreed targets: one judgement, and everything that speaks of it says the same."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.digest import render
from monitor.digest.compose import compose
from monitor.digest.schedule import Due
from monitor.evaluation.targets import TargetJudge, advance, shortfalls
from monitor.health import client_state, incident_history, model_state, targets, wording
from monitor.health.attainment import within_limits
from monitor.health.daily_summary import bounds
from monitor.health.model_state import ClientHealth, Health, ModelHealth
from monitor.health.settings import ClientSettings
from monitor.health.targets import Standing
from monitor.metrics import METRICS
from monitor.metrics.intervals import wilson
from monitor.records import Alert, Better, Measurement, Severity, State, Stream, Window, labels
from monitor.rules.engine.evaluate import evaluate
from monitor.rules.engine.readings import Readings
from monitor.rules.rule import RuleSet
from monitor.status.overview import with_targets
from monitor.store.daily_summaries import DayFigures
from monitor.store.targets import TargetFigure, TargetPeriod
from monitor.web.api import schemas
from monitor.web.pages import client_view
from tests.rules.test_packs import RULES

FRAUD = Stream("acme", "fraud")
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC).timestamp()
TODAY = date(2026, 11, 23)
AGREED = {"accuracy": 0.9, "latency_p95": 0.3, "mae": 10.0, "satisfaction": 4.0, "automation_rate": 0.6}
SETTINGS = ClientSettings.model_validate(
    {"models": {"fraud": {"title": "Fraud check", "quality": "accuracy", "targets": AGREED}}}
)
RULE = RuleSet(tuple(entry for entry in RULES.entries if entry.rule.name == targets.RULE))
DUE = Due("daily", TODAY, NOW)


def test_every_metric_has_the_direction_that_it_is_measured_with() -> None:
    others = ("target_shortfall", "source_")
    of_models = [one for one in METRICS if not one.name.startswith(others)]
    daemon = {
        "config_reload_failed",
        "digests_overdue",
        "disk_used_share",
        "outbox_oldest_seconds",
    }
    daemon |= {"rule_errors", "set_aside", "tick_age_seconds", "wrong_key_rejections"}
    wrong = [
        one.name
        for one in of_models
        if one.name not in daemon and targets.is_least(one.name) != (one.better is not Better.LOWER)
    ]
    assert wrong == []


@pytest.mark.parametrize("least", [True, False])
@pytest.mark.parametrize(
    ("value", "half", "expected"),
    [
        (0.95, 0.02, "kept"),
        (0.95, 0.08, "kept"),
        (0.9, 0.05, "kept"),
        (0.88, 0.03, "at_risk"),
        (0.8, 0.03, "missed"),
    ],
)
def test_a_target_is_missed_when_the_whole_interval_is_on_the_wrong_side(
    value: float, half: float, expected: str, least: bool
) -> None:
    sign = 1 if least else -1
    ends = sorted((sign * (value - half), sign * (value + half)))
    assert targets.standing(sign * value, *ends, sign * 0.9, least=least) == expected


def test_without_an_interval_nothing_is_sure() -> None:
    assert targets.standing(0.1, None, None, 0.9, least=True) is Standing.AT_RISK
    assert targets.standing(None, None, None, 0.9, least=True) is Standing.UNKNOWN


def test_an_estimate_never_proves_a_miss() -> None:
    judged = TargetFigure("accuracy", 0.9, True, 0.5, 0.4, 0.6, 1000, 86400, estimated=True)
    assert targets.standing_of(judged) is Standing.AT_RISK
    missed = targets.shortfall(judged)
    assert missed is not None
    assert missed[1] == 0.0  # its bound is at the target: the rule does not fire


def test_a_figure_is_never_shown_as_its_target_where_it_differs() -> None:
    assert wording.beside("accuracy", 0.8996, 0.9) == "89.96 %"
    assert wording.beside("accuracy", 0.76, 0.9) == "76 %"
    assert wording.beside("latency_p95", 0.3004, 0.3) == "300.4 ms"
    assert wording.beside("accuracy", 0.9, 0.9) == "90 %"


def measured(metric: str, value: float, low: float, high: float, n: float, seconds: int) -> Measurement:
    better = next(one.better for one in METRICS if one.name == metric)
    return Measurement(FRAUD, Window(0, seconds), metric, value, "", better, n, (), low, high)


def share(metric: str, value: float, n: float, seconds: int) -> Measurement:
    return measured(metric, value, *wilson(value * n, n), n, seconds)


JUDGE = TargetJudge(lambda _: SETTINGS.view("fraud"))


def judged(metric: str, *found: Measurement) -> TargetFigure:
    by_length: dict[int, list[Measurement]] = {}
    for one in found:
        by_length.setdefault(one.window.seconds, []).append(one)
    return next(one for one in JUDGE.judge(FRAUD, by_length) if one.metric == metric)


def test_five_minutes_count_where_they_alone_prove_the_miss() -> None:
    day = share("accuracy", 0.95, 300_000, 86400)
    bad = judged("accuracy", day, share("accuracy", 0.1, 400, 300))
    assert (bad.seconds, targets.standing_of(bad)) == (300, Standing.MISSED)
    unlucky = judged("accuracy", day, share("accuracy", 0.86, 400, 300))
    assert (unlucky.seconds, targets.standing_of(unlucky)) == (86400, Standing.KEPT)


def test_late_outcomes_are_judged_over_a_week() -> None:
    late = judged("accuracy", share("accuracy", 0.7, 5000, 7 * 86400))
    assert (late.seconds, targets.standing_of(late)) == (7 * 86400, Standing.MISSED)


def test_few_rows_say_nothing() -> None:
    few = judged("satisfaction", measured("satisfaction", 1.0, 1.0, 1.0, 5, 86400))
    assert (few.value, few.reason) == (None, "5 of 30 rows needed")


def test_a_missed_target_ends_when_its_figure_is_on_the_right_side() -> None:
    period: TargetPeriod | None = None
    seen: list[str] = []
    for at, value in enumerate([0.95, 0.85, 0.895, 0.85, 0.91, 0.895]):
        *_, period = targets.advance(
            period,
            FRAUD,
            TargetFigure("accuracy", 0.9, True, value, value - 0.02, value + 0.02, 500, 86400),
            float(at),
        )
        seen.append(period.standing)
    assert seen == ["kept", "missed", "missed", "missed", "kept", "at_risk"]


figures = st.builds(
    lambda position, half, n: (position, half, float(n)),
    st.floats(-1.0, 1.0),
    st.floats(0.0, 0.5),
    st.integers(0, 5000),
)


def _measurement(metric: str, figure: tuple[float, float, float], seconds: int) -> Measurement:
    position, half, n = figure
    scale = {"accuracy": 0.1, "automation_rate": 0.3, "latency_p95": 0.2, "mae": 8.0, "satisfaction": 0.9}[
        metric
    ]
    value = AGREED[metric] + position * scale
    return measured(metric, value, value - half * scale, value + half * scale, n, seconds)


looks = st.lists(
    st.dictionaries(
        st.tuples(st.sampled_from(sorted(AGREED)), st.sampled_from([300, 3600, 86400, 604800])), figures
    ),
    min_size=1,
    max_size=8,
)
tiers = st.lists(st.sampled_from(list(Severity)), max_size=3)
qualities = st.lists(st.one_of(st.none(), st.floats(0.5, 1.0)), max_size=9)


@dataclass
class Situation:
    """What is stored after some looks: periods, alerts and days."""

    periods: list[TargetPeriod]
    alerts: list[Alert]
    days: list[DayFigures]

    def current(self) -> list[TargetPeriod]:
        return [one for one in self.periods if one.until is None]


def situation(
    seen: Sequence[dict], tiers: Sequence[Severity], qualities: Sequence[float | None]
) -> Situation:  # type: ignore[type-arg]
    alerts: dict[str, Alert] = {}
    periods: dict[tuple[str, float], TargetPeriod] = {}
    for number, look in enumerate(seen):
        now = NOW - 60 * (len(seen) - number)
        found: dict[int, list[Measurement]] = {}
        for (metric, seconds), figure in look.items():
            found.setdefault(seconds, []).append(_measurement(metric, figure, seconds))
        judged = JUDGE.judge(FRAUD, found)
        known = {FRAUD: [one for one in periods.values() if one.until is None]}
        for one in advance(known, {FRAUD: judged}, now):
            periods[one.metric, one.since] = one
        readings = Readings({(FRAUD, 86400): shortfalls(FRAUD, judged, now)})
        alerts |= {one.fingerprint: one for one in evaluate(RULE, readings, alerts, now).alerts}
    others = [
        Alert(f"{tier}", "Other", tier, FRAUD, state=State.FIRING, fired_at=NOW - 60, episode=1)
        for tier in tiers
    ]
    days = [
        DayFigures(FRAUD, TODAY - timedelta(days=back), 100.0, 1.0, "accuracy", value, 100.0)
        for back, value in enumerate(qualities)
    ][::-1]
    return Situation(list(periods.values()), [*alerts.values(), *others], days)


def health_of(made: Situation) -> ClientHealth:
    """What `client_state` makes of it, without a store."""
    current, by_key = made.current(), {one.fingerprint: one for one in made.alerts}
    one = model_state.model_health(
        FRAUD, "Fraud check", made.alerts, NOW - 5, now=NOW, stale_after=3600, targets=current
    )
    span = (NOW - 30 * 86400, NOW)
    missed = incident_history.missed_days(FRAUD, made.days, made.periods, SETTINGS, span)
    happened = incident_history.incidents([], by_key, SETTINGS, {FRAUD: [*made.periods, *missed]})
    first = TODAY - timedelta(days=29)
    days = incident_history.days(FRAUD, made.days, happened, first, TODAY, SETTINGS)
    shown = client_state.quality(FRAUD, made.days, TODAY, SETTINGS, current)
    model = ModelHealth(
        FRAUD, one.title, one.health, one.sentence, one.since, NOW - 5, shown, 10.0, None, 0.0,
        client_state._until_now(days, one.health), tuple(happened), targets=one.targets,
    )  # fmt: skip
    headline, worst = model_state.headline([model])
    within = within_limits(happened, 1, NOW - 30 * 86400, NOW)
    return ClientHealth("acme", "Acme", NOW, (model,), headline, worst, within)


@settings(max_examples=60, deadline=None)
@given(looks, tiers, qualities)
def test_nothing_that_speaks_of_a_target_contradicts_the_others(seen, tiers, qualities) -> None:  # type: ignore[no-untyped-def]
    made = situation(seen, tiers, qualities)
    health = health_of(made)
    [model] = health.models
    standing = {one.metric: one.standing for one in made.current()}
    is_missed, may_be = "missed" in standing.values(), "at_risk" in standing.values()
    page = client_view.client(health, SETTINGS)
    of_model = client_view.model(model, SETTINGS, [], _range(), health.now)
    digest = compose(health, {FRAUD: made.days}, (), DUE, SETTINGS, "http://x")
    answer = schemas.client(health, SETTINGS)
    told = with_targets("ok", made.current())

    # The state of the model, of the client, of the API, of `status` and the section of the digest are one.
    assert (model.health is Health.ATTENTION) == (is_missed or Severity.CRITICAL in tiers)
    assert answer.state == answer.models[0].state == model.health.value == health.health.value
    assert [(one.title, one.health) for one in digest.models] == [("Fraud check", model.health)]
    assert digest.verdict.endswith(health.headline)
    assert told == ("warning" if is_missed else "info" if may_be else "ok")
    if is_missed or may_be:
        assert model.health.code >= Health.WATCH.code
        assert "working as agreed" not in f"{health.headline} {model.sentence} {digest.verdict}"
        assert "nothing needs your attention" not in f"{health.headline}{digest.verdict}"
    if "unknown" in standing.values():
        assert "working as agreed" not in f"{health.headline}{model.sentence}"

    # Every figure stands beside its own standing, and on the side of its target that the standing says.
    shown = {one.metric: one for one in answer.models[0].targets}
    assert {metric: one.standing for metric, one in shown.items()} == standing
    for metric, one in shown.items():
        if one.value is None:
            assert one.standing == "unknown"
            assert one.reason
        else:
            short = targets.is_short(one.value, one.agreed, least=one.bound == "at least")
            assert short == (one.standing in ("missed", "at_risk")), metric
    assert sum("✖ missed" in figure.note for figure in of_model["figures"]) == list(standing.values()).count(
        "missed"
    )  # type: ignore[attr-defined]
    quality = page["models"][0]["quality"]  # type: ignore[index]
    if model.quality and model.quality.target is not None and model.quality.value is not None:
        is_short = targets.is_short(model.quality.value, model.quality.target, least=True)
        assert not is_short or model.health is not Health.WORKING or model.quality.period is None
        assert "✔" not in quality or not is_short

    # The digest has the figures of the page, in both parts of the mail.
    facts = {fact.name: fact.text for fact in digest.models[0].facts}
    for written in (render.text(digest, "0"), unescape(render.html(digest, "0")).replace("\u00a0", " ")):
        assert "nothing needs" not in written or not (is_missed or may_be)
        for one in made.current():
            name = wording.name(one.metric) + ("" if one.value is None else f", {targets.over(one.seconds)}")
            assert facts[name] in written
            assert facts[name].startswith(f"{Standing(one.standing).words}: {targets.shown(one)}")
    of_targets = [text for name, text in facts.items() if "yesterday" not in name]
    assert sum("✖ missed" in text for text in of_targets) == list(standing.values()).count("missed")

    # History: what is missed now is an open incident, today is as bad as now, and the time does not count as kept.
    open_ones = [one for one in model.incidents if one.ended is None and one.is_missed]
    assert len(open_ones) == list(standing.values()).count("missed")
    assert model.days[-1].health.code >= model.health.code
    for day in model.days[:-1]:
        start, end = bounds(day.day, SETTINGS.zone)
        of_day = [one for one in model.incidents if one.started < end and (one.ended or NOW) > start]
        is_bad = any(one.health is Health.ATTENTION for one in of_day)
        assert (day.health is Health.ATTENTION) == is_bad, "each day that needed attention has its incident"
    assert not is_missed or (health.within_limits is not None and health.within_limits < 1)

    # The rule fires for what is missed. While that recovers or cannot be measured, its alert is not over yet.
    firing = {
        dict(one.instance)["target"]
        for one in made.alerts
        if one.rule == targets.RULE and one.state is State.FIRING
    }
    assert {metric for metric, state in standing.items() if state == "missed"} <= firing
    assert not any(standing[metric] == "kept" for metric in firing)


def _range():  # type: ignore[no-untyped-def]
    from monitor.web.api.time_range import TimeRange

    return TimeRange(NOW - 86400, NOW, 3600, "24h")


def test_a_loaded_past_that_missed_the_target_is_an_incident_and_not_within_limits() -> None:
    days = [
        DayFigures(FRAUD, TODAY - timedelta(days=back), 100.0, 0.0, "accuracy", quality, 5000.0)
        for back, quality in ((12, 0.5), (4, 0.72), (2, 0.78), (1, 0.76), (0, 0.7))
    ]
    judged = targets.of_missed_day(
        FRAUD, "accuracy", 0.9, SETTINGS.view("fraud"), NOW - 4.5 * 86400, NOW - 4 * 86400
    )
    periods = [replace(judged, standing="kept")]
    missed = incident_history.missed_days(FRAUD, days, periods, SETTINGS, (NOW - 10 * 86400, NOW))
    [told] = happened = incident_history.incidents([], {}, SETTINGS, {FRAUD: missed})
    assert told.sentence == (
        "Fraud check missed the target agreed for right answers: 76 % at its worst; at least 90 % was agreed."
    )
    assert told.ended == bounds(TODAY, SETTINGS.zone)[0], "both days are one incident; today is not over"
    within = within_limits(happened, 1, NOW - 10 * 86400, NOW)
    assert within == pytest.approx(0.8)
    strip = incident_history.days(FRAUD, days, happened, TODAY - timedelta(days=4), TODAY, SETTINGS)
    watched, attention, waiting = Health.WATCH, Health.ATTENTION, Health.WAITING
    assert [one.health for one in strip] == [watched, waiting, attention, attention, watched]


def test_a_target_that_is_not_agreed_any_more_is_over() -> None:
    period = targets.advance(None, FRAUD, TargetFigure("mae", 1.0, False, 2.0, 1.9, 2.1, 100, 86400), 10.0)[0]
    [over] = advance({FRAUD: [period]}, {FRAUD: []}, 20.0)
    assert (over.standing, over.until) == ("missed", 20.0)


def test_what_did_not_change_is_not_written_again() -> None:
    one = TargetFigure("mae", 1.0, False, 2.0, 1.9, 2.1, 100, 86400)
    period = targets.advance(None, FRAUD, one, 10.0)[0]
    assert advance({FRAUD: [period]}, {FRAUD: [one]}, 20.0) == []


def test_the_rule_names_the_figure_and_what_was_agreed() -> None:
    [one] = shortfalls(FRAUD, [TargetFigure("accuracy", 0.9, True, 0.76, 0.74, 0.78, 1000, 86400)], NOW)
    assert one.labels == labels(target="accuracy")
    assert one.value == pytest.approx(0.14)
    assert one.because == (
        "accuracy is 76 % over the last 24 hours (between 74 % and 78 %), agreed: at least 90 %"
    )
