"""The verdict: the worst first, waiting never fine, words instead of statistics."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.health import model_state, wording
from monitor.health.attainment import within_limits
from monitor.health.model_state import (
    ClientIncident,
    Health,
    ModelHealth,
    end_sentence,
    headline,
    model_health,
    past_sentence,
    state_sentence,
)
from monitor.records import Alert, Severity, State, Stream, labels
from monitor.store.targets import TargetPeriod

FRAUD = Stream("acme", "fraud")
NOW = 1_000_000.0


def alert(severity: Severity, state: State = State.FIRING, text: str = "") -> Alert:
    return Alert(
        "f" * 16, "Rule", severity, FRAUD, state=state, fired_at=NOW - 60, annotations=labels(client=text)
    )


def state(*alerts: Alert, last: float | None = NOW - 10) -> Health:
    return model_health(FRAUD, "Fraud", alerts, last, now=NOW, stale_after=3600).health


@pytest.mark.parametrize("firing", [Severity.CRITICAL, Severity.WARNING])
def test_what_fires_is_told_before_what_recovers(firing: Severity) -> None:
    over = alert(Severity.CRITICAL, State.RECOVERING, "Requests fail.")
    bad = replace(alert(firing, text="Answers are slow."), fired_at=NOW)
    for order in ([over, bad], [bad, over]):
        found = model_health(FRAUD, "Fraud", order, NOW, now=NOW, stale_after=3600)
        assert (found.health, found.sentence) == (Health.ATTENTION, "Fraud: answers are slow.")


def test_the_worst_alert_decides() -> None:
    assert state() is Health.WORKING
    assert state(alert(Severity.INFO)) is Health.WORKING
    assert state(alert(Severity.WARNING)) is Health.WATCH
    assert state(alert(Severity.WARNING), alert(Severity.CRITICAL)) is Health.ATTENTION


@pytest.mark.parametrize("inner", [State.INACTIVE, State.PENDING, State.RESOLVED])
def test_what_does_not_fire_changes_nothing(inner: State) -> None:
    assert state(alert(Severity.CRITICAL, inner)) is Health.WORKING


def test_recovering_is_not_over() -> None:
    assert state(alert(Severity.CRITICAL, State.RECOVERING)) is Health.ATTENTION


@given(st.one_of(st.none(), st.floats(NOW - 1e6, NOW - 3601)))
def test_without_fresh_data_a_model_never_works(last: float | None) -> None:
    assert state(last=last) is Health.WAITING


def test_a_broken_limit_is_told_also_when_data_stays_away() -> None:
    assert state(alert(Severity.CRITICAL), last=None) is Health.ATTENTION


def test_the_rule_s_own_words_are_used_and_name_the_model_once() -> None:
    assert (
        state_sentence(alert(Severity.WARNING, text="Answers take longer."), "Fraud")
        == "Fraud: answers take longer."
    )
    assert state_sentence(alert(Severity.WARNING, text="Fraud is slow."), "Fraud") == "Fraud is slow."
    assert (
        state_sentence(alert(Severity.CRITICAL), "Fraud")
        == "Fraud has a serious problem; we are looking into it."
    )


@pytest.mark.parametrize(
    ("states", "text"),
    [
        ([], "No model has sent data yet."),
        (["working"], "The model is working normally."),
        (["working"] * 6, "All 6 models are working normally."),
        (["working", "attention"], "1 of 2 models needs attention."),
        (["attention"] * 2, "All 2 models need attention."),
        (
            ["working", "watch", "waiting"],
            "1 of 3 models is being watched closely; nothing needs your attention.",
        ),
        (["working", "waiting"], "1 of 2 models is waiting for data; 1 model working."),
        (["waiting"], "The model is waiting for data."),
    ],
)
def test_the_headline_says_the_worst_and_how_many(states: list[str], text: str) -> None:
    models = [ModelHealth(FRAUD, "Fraud", Health(name), "") for name in states]
    assert headline(models)[0] == text


@pytest.mark.parametrize(
    ("standings", "text"),
    [
        (["kept", "kept"], "All 2 models are working as agreed."),
        (["kept", ""], "All 2 models are working normally."),
        (
            ["unknown", ""],
            "All 2 models are working; not every agreed target of 1 model can be measured yet.",
        ),
    ],
)
def test_only_what_was_agreed_can_be_kept(standings: list[str], text: str) -> None:
    models = [
        ModelHealth(FRAUD, "Fraud", Health.WORKING, "", targets=(period(name),) if name else ())
        for name in standings
    ]
    assert headline(models)[0] == text
    for name, model in zip(standings, models, strict=True):
        told = model_health(FRAUD, "Fraud", (), NOW, now=NOW, stale_after=3600, targets=model.targets)
        assert ("as agreed" in told.sentence) == (name == "kept")


def period(standing: str) -> TargetPeriod:
    return TargetPeriod(
        "accuracy", 0.9, is_least=True, reason="no truth yet", stream=FRAUD, since=NOW, until=None,
        standing=standing, worst=None,
    )  # fmt: skip


incidents = st.lists(
    st.tuples(st.floats(0, 1000), st.floats(0, 500), st.sampled_from(["a", "b"]), st.booleans()), max_size=12
)


@given(incidents)
def test_time_within_limits_is_what_a_clock_would_count(found: list[tuple[float, float, str, bool]]) -> None:
    made = [
        ClientIncident(
            Stream("c", model),
            model,
            "R",
            Severity.CRITICAL if bad else Severity.WARNING,
            "",
            start,
            start + length,
        )
        for start, length, model, bad in found
    ]
    share = within_limits(made, 2, 0.0, 1000.0)
    assert share is not None
    lost = 0
    for model in ("a", "b"):
        for tick in range(1000):
            moment = tick + 0.5
            lost += any(
                i.stream.model == model and i.severity == "critical" and i.started <= moment < (i.ended or 0)
                for i in made
            )
    assert share == pytest.approx(1 - lost / 2000, abs=0.02)


def test_each_state_has_its_own_sign_and_word() -> None:
    assert len({health.icon for health in Health}) == len({health.word for health in Health}) == 4
    assert max(Health, key=lambda health: health.code) is Health.ATTENTION


def test_the_worst_model_comes_first() -> None:
    models = [
        ModelHealth(FRAUD, title, health, "")
        for title, health in (("b", Health.WORKING), ("a", Health.WORKING))
    ]
    models.append(replace(models[0], title="z", health=Health.ATTENTION))
    assert [model.title for model in model_state.worst_first(models)] == ["z", "a", "b"]


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("accuracy", 0.714, "71 %"),
        ("accuracy", 1.0, "100 %"),
        ("accuracy", 0.9951, "99.5 %"),
        ("error_rate", 0.004, "0.4 %"),
        ("error_rate", 0.0, "0 %"),
        ("error_rate", 0.0001, "under 0.1 %"),
        ("volume", 1_240_000.0, "1.24 M"),
        ("volume", 9_500.0, "9 500"),
        ("latency_p50", 0.0417, "42 ms"),
        ("latency_p50", 2.0, "2.0 s"),
        ("accuracy", None, "—"),
    ],
)
def test_figures_are_short(metric: str, value: float | None, text: str) -> None:
    assert wording.figure(metric, value) == text


@given(st.floats(0, 1), st.floats(1e-6, 1))
def test_two_marks_of_an_axis_never_read_the_same(value: float, step: float) -> None:
    assert wording.tick("accuracy", value, step) != wording.tick("accuracy", value + step * 1.5, step)


def test_changes_are_told_in_the_figure_s_own_terms() -> None:
    assert wording.change(0.71, 0.75, "accuracy") == "▼ 4 points"
    assert wording.change(0.75, 0.74, "accuracy") == "▲ 1 point"
    assert wording.change(103.0, 100.0, "volume") == "▲ 3 %"
    assert wording.change(100.0, 100.0, "volume") == "no change"
    assert wording.change(0.8346, 0.8354, "accuracy") == "▼ < 1 point"  # 83 % after 84 %
    assert wording.change(0.3 - 0.1, 0.2, "accuracy") == "no change"
    assert wording.change(3500.0, 3499.0, "volume") == "▲ < 1 %"
    assert wording.change(0.85, 0.84, "accuracy") == "▲ 1 point"
    assert wording.change(0.8, 0.84, "accuracy") == "▼ 4 points"
    assert wording.change(5.0, 0.0, "volume") == wording.change(None, 1.0, "volume") == "—"


FIRING = Alert(
    "f" * 16, "HighErrorRate", Severity.CRITICAL, FRAUD, state=State.FIRING, episode=2, fired_at=0.0
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 % of requests to this model fail; at most 5 % is agreed.", "Fraud had a serious problem."),
        ("Answers take longer than usual: 63 ms instead of 27 ms.", "Fraud: answers take longer than usual."),
        ("Many of the inputs look different.", "Fraud: many of the inputs look different."),
        ("", "Fraud had a serious problem."),
    ],
)
def test_what_is_over_is_told_without_the_figures_of_now(text: str, said: str) -> None:
    alert = replace(FIRING, annotations=labels(client=text))
    assert past_sentence(alert, Severity.CRITICAL, "Fraud") == said


def test_what_recovers_is_not_told_by_figures_that_are_fine() -> None:
    alert = replace(
        FIRING, annotations=labels(client="0 % of requests to this model fail."), state=State.RECOVERING
    )
    judged = model_health(FRAUD, "Fraud", [alert], 100.0, now=100.0, stale_after=60.0)
    assert judged.health is Health.ATTENTION
    assert judged.sentence == "Fraud is back within its limits; we keep watching until it is stable."


@pytest.mark.parametrize(
    ("value", "said"),
    [(1.0, "100 %"), (0.9999, "99.9 %"), (0.994, "99.4 %"), (0.0001, "under 0.1 %"), (0.0, "0 %")],
)
def test_almost_all_is_not_all(value: float, said: str) -> None:
    assert wording.share(value) == said


def test_what_is_over_is_told_as_it_was_at_its_worst_where_it_had_figures() -> None:
    over = replace(
        alert(Severity.CRITICAL, State.RESOLVED), at_worst="30 % of requests fail; at most 5 % is agreed."
    )
    assert end_sentence(over, "Fraud") == "Fraud, at its worst: 30 % of requests fail; at most 5 % is agreed."
    assert end_sentence(replace(over, at_worst="This model does not answer."), "Fraud") == ""
