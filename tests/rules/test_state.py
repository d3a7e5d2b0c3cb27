"""The life of an alert, look by look."""

from pathlib import Path

from monitor.records import DataState, Peak, State
from tests.support.judging import Judge, measured, one_rule, rule_set

ERRORS = "{metric: error_rate, over: open, above: 5%, clear: 4%}"


def test_it_fires_once_the_condition_has_lasted_and_resolves_once_it_has_held(tmp_path: Path) -> None:
    judge = Judge(one_rule(tmp_path, ERRORS, **{"for": "3s", "keep_firing_for": "2s"}))
    seen = []
    for value in (0.01, 0.2, 0.2, 0.2, 0.2, 0.2, 0.01, 0.01, 0.01, 0.01):
        judge.look(measured("error_rate", value))
        seen.append(judge.state)
    pending, firing = State.PENDING, State.FIRING
    assert seen == [
        State.INACTIVE, pending, pending, pending, firing, firing,
        State.RECOVERING, State.RECOVERING, State.RESOLVED, State.RESOLVED,
    ]  # fmt: skip


def test_a_condition_that_goes_away_before_its_time_never_fires(tmp_path: Path) -> None:
    judge = Judge(one_rule(tmp_path, ERRORS, **{"for": "3s"}))
    for value in (0.2, 0.2, 0.01, 0.2, 0.2, 0.01):
        judge.look(measured("error_rate", value))
    assert judge.state is State.INACTIVE
    assert State.FIRING not in [t.to for t in judge.transitions]


def test_between_the_limit_and_the_clear_level_a_firing_alert_goes_on(tmp_path: Path) -> None:
    judge = Judge(one_rule(tmp_path, ERRORS))
    judge.look(measured("error_rate", 0.06))
    judge.look(measured("error_rate", 0.045))
    assert judge.state is State.FIRING
    judge.look(measured("error_rate", 0.039))
    assert judge.state is State.RESOLVED
    judge.look(measured("error_rate", 0.045))
    assert judge.state is State.RESOLVED


def test_what_is_not_measured_freezes_the_alert(tmp_path: Path) -> None:
    judge = Judge(one_rule(tmp_path, ERRORS))
    judge.look(measured("error_rate", 0.2))
    for _ in range(20):
        judge.look(measured("error_rate", None))
        judge.look()
    assert judge.state is State.FIRING
    assert [a.data for a in judge.alerts.values()] == [DataState.NO_DATA]


def test_a_jump_of_the_clock_alone_changes_nothing(tmp_path: Path) -> None:
    judge = Judge(one_rule(tmp_path, ERRORS, **{"for": "5m", "keep_firing_for": "5m"}))
    judge.look(measured("error_rate", 0.2))
    judge.look(measured("error_rate", 0.2), after=3600)
    judge.look(measured("error_rate", 0.2), after=-7200)
    assert judge.state is State.PENDING
    for _ in range(40):
        judge.look(measured("error_rate", 0.2), after=10)
    assert judge.state is State.FIRING
    judge.look(measured("error_rate", 0.0), after=1)
    judge.look(measured("error_rate", 0.0), after=86400)
    assert judge.state is State.RECOVERING


def test_coming_back_while_it_recovers_is_the_same_episode(tmp_path: Path) -> None:
    judge = Judge(one_rule(tmp_path, ERRORS, keep_firing_for="1m"))
    for value in (0.2, 0.01, 0.2):
        judge.look(measured("error_rate", value))
    assert judge.state is State.FIRING
    assert [a.episode for a in judge.alerts.values()] == [1]


def test_flapping_holds_one_episode_open_until_it_is_quiet_for_a_quarter_of_an_hour(tmp_path: Path) -> None:
    judge = Judge(one_rule(tmp_path, ERRORS, keep_firing_for="90s"))
    for _minute in range(30):
        for value in (0.2, 0.01):
            for _ in range(6):
                judge.look(measured("error_rate", value), after=10)
    alert = next(iter(judge.alerts.values()))
    assert alert.flapping
    assert alert.episode == 1
    for _ in range(100):
        judge.look(measured("error_rate", 0.0), after=10)
    assert judge.state is State.RESOLVED


def test_three_of_five_windows_must_be_beyond_the_limit(tmp_path: Path) -> None:
    judge = Judge(one_rule(tmp_path, ERRORS, windows="3 of 5"))
    seen = []
    for minute, value in enumerate((0.2, 0.0, 0.2, 0.0, 0.2, 0.0, 0.0, 0.0)):
        for _ in range(5):
            judge.look(measured("error_rate", value, start=60 * minute))
        seen.append(judge.state)
    assert seen[3] is State.INACTIVE
    assert seen[4] is State.FIRING
    assert seen[-1] is State.RESOLVED


def test_the_end_of_an_alert_is_told_in_the_words_of_its_fault(tmp_path: Path) -> None:
    judge = Judge(one_rule(tmp_path, ERRORS, keep_firing_for="1s"))
    said = []
    for value in (0.31, 0.33, 0.0, 0.0):
        judge.look(measured("error_rate", value))
        (alert,) = judge.alerts.values()
        said.append((alert.state, alert.annotation("summary"), alert.value))
    assert said == [
        (State.FIRING, "acme/fraud: 31 %", 0.31),
        (State.FIRING, "acme/fraud: 33 %", 0.33),
        (State.RECOVERING, "acme/fraud: 33 %", 0.0),
        (State.RESOLVED, "acme/fraud: 33 %", 0.0),
    ]


def test_an_alert_knows_what_it_judged_and_its_worst_moment(tmp_path: Path) -> None:
    text = f"groups:\n- name: g\n  labels: {{severity: critical}}\n  rules:\n  - alert: Bad\n    when: {ERRORS}\n"
    words = "    annotations: {summary: s, impact: i, client: '{value} fail; {limit} is agreed.'}\n"
    judge = Judge(rule_set(tmp_path, text + words))
    for value in (0.06, 0.3, 0.045):
        judge.look(measured("error_rate", value))
    (alert,) = judge.alerts.values()
    assert (alert.state, alert.metric) == (State.FIRING, "error_rate")
    assert alert.at_worst.startswith("30")
    assert alert.peak == Peak(0.3, "error_rate", "share")
    for value in (0.0, 0.06):
        judge.look(measured("error_rate", value))
    (alert,) = judge.alerts.values()
    assert (alert.state, alert.episode) == (State.FIRING, 2)
    assert alert.at_worst.startswith("6")
    assert alert.peak == Peak(0.06, "error_rate", "share")
