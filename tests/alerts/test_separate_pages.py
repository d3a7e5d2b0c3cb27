"""Each alert is told by itself: laws over any sequence of alerts that begin, end, become critical or are taken up."""

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alerts.notification import Notification
from monitor.alerts.settings import AlertSettings
from monitor.records import Action, Alert, Diagnosis, Labels, Severity, State, Stream, labels
from tests.support.planning import Ledger

ONE, TWO = Stream("acme", "fraud"), Stream("acme", "churn")
AMOUNT, AGE = labels(feature="amount"), labels(feature="age")
KINDS: tuple[tuple[str, Severity, Labels], ...] = (
    ("HighLatency", Severity.WARNING, ()),
    ("Drift", Severity.WARNING, AMOUNT),
    ("Drift", Severity.WARNING, AGE),
    ("LowAccuracy", Severity.WARNING, ()),
    ("HighErrorRate", Severity.CRITICAL, ()),
    ("NoPredictions", Severity.CRITICAL, ()),
    ("NoPredictions", Severity.CRITICAL, AMOUNT),
)
UPDATE = 300.0
STEP = 10.0
WARNING = {"channels": ["pagerduty"], "group_by": ["client", "model", "environment"]}

Move = tuple[str, int, Stream, float]
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["fire", "fire", "fire", "end", "recover", "escalate", "acknowledge", "wait"]),
        st.integers(0, len(KINDS) - 1),
        st.sampled_from([ONE, TWO]),
        st.sampled_from([0.0, STEP, 3 * STEP, UPDATE + STEP]),
    ),
    min_size=1,
    max_size=16,
)


@dataclass
class Story:
    """A sequence of moves, and what must have been told because of it."""

    ledger: Ledger
    fired: dict[str, tuple[Alert, float]] = field(default_factory=dict)
    escalated: set[str] = field(default_factory=set)
    acknowledged: list[tuple[str, float]] = field(default_factory=list)

    def move(self, move: Move) -> None:
        what, kind, stream, seconds = move
        rule, severity, instance = KINDS[kind]
        ledger = self.ledger
        mine = [
            a for a in ledger.alerts.values() if (a.rule, a.stream, a.instance) == (rule, stream, instance)
        ]
        if what == "fire":
            alert = ledger.fire(rule, severity, stream, instance)
            self.fired.setdefault(alert.annotation("summary"), (alert, ledger.now))
        elif what == "acknowledge":
            for incident in ledger.open()[kind : kind + 1]:
                ledger.acknowledge(incident.key)
                self.acknowledged.append((incident.key, ledger.now))
        for alert in mine:
            if what == "end" and alert.is_open:
                ledger.end(alert)
            elif what == "recover" and alert.state is State.FIRING:
                ledger.change(alert, state=State.RECOVERING)
            elif what == "escalate" and alert.is_open and alert.state is State.FIRING:
                self.escalated.add(alert.annotation("summary"))
                ledger.change(alert, severity=Severity.CRITICAL)
        ledger.run(seconds, STEP)

    def settle(self) -> None:
        """All that fires goes on for as long as an update may take, then everything ends."""
        self.ledger.run(2 * UPDATE, STEP)
        self.firing = {
            a.annotation("summary") for a in self.ledger.alerts.values() if a.state is State.FIRING
        }
        for alert in list(self.ledger.alerts.values()):
            if alert.is_open:
                self.ledger.end(alert)
        self.ledger.run(2 * STEP, STEP)


def said(notification: Notification) -> str:
    return " | ".join((notification.title, *notification.members))


def played(moves: list[Move], more_than: int = 100) -> Story:
    story = Story(
        Ledger(
            AlertSettings.model_validate(
                {"warning": WARNING, "inhibitions": [], "storm": {"more_than": more_than}}
            )
        )
    )
    for move in moves:
        story.move(move)
    story.settle()
    return story


@given(moves=MOVES, more_than=st.sampled_from([1, 100]))
@settings(max_examples=40)
def test_each_alert_is_told_in_its_own_words_once_and_resolved(moves: list[Move], more_than: int) -> None:
    story = played(moves, more_than)
    triggers = [one for _, one in story.ledger.sent if one.action is Action.TRIGGER]
    opened = [one for one in triggers if not one.is_update]
    for summary in story.firing:
        assert any(summary in said(one) for one in triggers), f"nobody was told: {summary}"
    times = Counter(summary for one in opened for summary in story.fired if summary in said(one))
    for summary, count in times.items():
        assert count <= 1 + (summary in story.escalated), f"told {count} times: {summary}"
    ends = Counter(one.key for _, one in story.ledger.sent if one.action is Action.RESOLVE)
    assert ends == Counter({one.key: 1 for one in opened}), "each incident ends once"
    assert story.ledger.open() == []
    for _, one in story.ledger.sent:
        if one.action is Action.RESOLVE and one.count == 1:
            assert "0.2 % now, 30 % at worst" in one.title or one.note, one.title


@given(moves=MOVES)
@settings(max_examples=40)
def test_a_kind_of_problem_that_begins_opens_an_incident_of_its_own_at_once(moves: list[Move]) -> None:
    """Whatever is open already: only an unanswered incident of the same rule and model may be joined."""
    story = played(moves)
    opened = [one for _, one in story.ledger.sent if one.action is Action.TRIGGER and not one.is_update]
    for one in opened:
        rules = {alert.rule for text, (alert, _) in story.fired.items() if text in said(one)}
        assert rules == {one.alert}, one
    for summary, (alert, at) in story.fired.items():
        own = [i for i in story.ledger.incidents.values() if (alert.fingerprint, alert.episode) in i.members]
        for incident in own:
            taken = [when for key, when in story.acknowledged if key == incident.key and when < at]
            assert not taken, f"{summary} joined an incident that was acknowledged before it began"
        if own and min(i.opened_at for i in own) >= at:
            assert min(i.opened_at for i in own) <= at + STEP


@given(moves=MOVES)
@settings(max_examples=25)
def test_what_fires_is_named_before_what_recovers_and_what_recovers_before_what_has_ended(
    moves: list[Move],
) -> None:
    story = played(moves)
    for _, one in story.ledger.sent:
        ranks = [{"recovering": 1, "ended": 2}.get(member.split(":")[0], 0) for member in one.members]
        assert ranks == sorted(ranks), one.members


def test_an_acknowledgement_covers_what_was_there() -> None:
    ledger = Ledger()
    first = ledger.fire("Drift", instance=AMOUNT)
    ledger.step()
    (incident,) = ledger.open()
    ledger.acknowledge(incident.key)
    ledger.step()
    assert ledger.alerts[first.fingerprint].acknowledged_by == "ann"
    second = ledger.fire("Drift", instance=AGE)
    ledger.run(2 * UPDATE)
    assert ledger.alerts[second.fingerprint].acknowledged_at is None
    assert [i.members for i in ledger.open()] == [((first.fingerprint, 1),), ((second.fingerprint, 1),)]
    assert ledger.titles() == [
        "acme/fraud: Drift of amount is bad (1)",
        "acme/fraud: Drift of age is bad (1)",
    ]


def test_what_joined_and_was_not_told_when_somebody_took_the_incident_up_is_told_by_itself() -> None:
    ledger = Ledger()
    ledger.fire("Drift", instance=AMOUNT)
    ledger.step()
    ledger.fire("Drift", instance=AGE)
    assert ledger.step() == [], "it joins, and an update follows within five minutes"
    ledger.acknowledge(ledger.open()[0].key)
    assert [one.title for one in ledger.step()] == ["acme/fraud: Drift of age is bad (1)"]


def test_the_acknowledgement_of_a_warning_does_not_cover_that_it_becomes_critical() -> None:
    ledger = Ledger()
    alert = ledger.fire("HighLatency")
    ledger.step()
    ledger.acknowledge(ledger.open()[0].key)
    ledger.change(alert, severity=Severity.CRITICAL)
    (page,) = ledger.step()
    assert (page.severity, page.is_update) == ("critical", False)
    ledger.step()
    assert ledger.alerts[alert.fingerprint].acknowledged_at is None


def test_a_later_kind_of_problem_is_not_swallowed_by_a_storm() -> None:
    ledger = Ledger(AlertSettings.model_validate({"storm": {"more_than": 2}}))
    for number in range(5):
        ledger.fire("HighErrorRate", Severity.CRITICAL, Stream("acme", f"m{number}"))
    (storm,) = ledger.step()
    assert storm.title == "acme production: 5 alerts on 5 models (HighErrorRate 5)"
    ledger.fire("HighErrorRate", Severity.CRITICAL, Stream("acme", "m9"))
    assert ledger.step() == [], "it is the same kind: it joins"
    ledger.fire("NoPredictions", Severity.CRITICAL, ONE)
    assert [one.title for one in ledger.step()] == ["acme/fraud: NoPredictions is bad (1)"]


def test_a_storm_names_each_rule_before_a_second_alert_of_one() -> None:
    ledger = Ledger(AlertSettings.model_validate({"storm": {"more_than": 2}}))
    for number in range(80):
        ledger.fire("HighErrorRate", Severity.CRITICAL, Stream("acme", f"m{number}"))
    ledger.now += 1
    ledger.fire("NoPredictions", Severity.CRITICAL, ONE)
    (storm,) = ledger.step()
    assert storm.count == 81
    assert any("NoPredictions" in member for member in storm.members)


def test_the_end_of_one_alert_is_told_while_another_of_its_group_goes_on() -> None:
    ledger = Ledger()
    first = ledger.fire("Drift", instance=AMOUNT)
    ledger.fire("Drift", instance=AGE)
    ledger.run(UPDATE + STEP)
    ledger.sent.clear()
    ledger.end(first)
    (update,) = ledger.run(UPDATE + STEP)
    assert update.note == "1 fewer alert since the last notification"
    assert update.members == (
        "acme/fraud: Drift of age is bad (1)",
        "ended: acme/fraud production: Drift of amount: 0.2 % now, 30 % at worst",
    )
    assert ledger.run(2 * UPDATE) == [], "and it is told once"


def kinds(ledger: Ledger, alert: Alert, *names: str) -> None:
    found = tuple((name, f"{name} in version 7") for name in names)
    ledger.change(alert, diagnosis=Diagnosis(ledger.now, ledger.now, "timeout in version 7", (), found))


@pytest.mark.parametrize("severity", [Severity.CRITICAL, Severity.WARNING])
def test_another_kind_of_problem_within_an_open_alert_is_told_by_itself(severity: Severity) -> None:
    ledger = Ledger()
    alert = ledger.fire("HighErrorRate", severity)
    kinds(ledger, alert, "timeout")
    ledger.step()
    ledger.acknowledge(ledger.open()[0].key)
    ledger.run(2 * UPDATE)
    assert len(ledger.sent) == 1
    kinds(ledger, alert, "timeout", "OOM")
    (page,) = ledger.run(2 * UPDATE)
    assert page.title == "acme/fraud: HighErrorRate is bad (1): now also OOM in version 7"
    assert not page.is_update
    ledger.end(ledger.alerts[alert.fingerprint])
    ledger.step()
    assert ledger.open() == []
    assert len({one.key for _, one in ledger.sent if one.action is Action.RESOLVE}) == 2


def test_kinds_that_join_one_after_another_are_told_together_after_longer_and_longer_waits() -> None:
    ledger = Ledger()
    alert = ledger.fire("Drift")
    names = [f"column_{number}" for number in range(100)]
    kinds(ledger, alert, names[0])
    ledger.step()
    for number in range(1, 100):
        kinds(ledger, alert, *names[: number + 1])
        ledger.run(60.0)
    ledger.run(86400.0, 300.0)
    triggers = ledger.titles()
    assert len(triggers) <= 8
    for name in names[1:]:
        assert sum(f"{name} in" in title for title in triggers) == 1, name


def test_kinds_that_are_known_only_after_the_page_are_not_told_as_new() -> None:
    ledger = Ledger()
    alert = ledger.fire("HighErrorRate", Severity.CRITICAL)
    ledger.step()
    kinds(ledger, alert, "timeout")
    assert ledger.run(3 * UPDATE) == []
