"""A warning beside a critical alert of its model is held back, shown as such, and told once the critical has ended."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import status
from monitor.alerts.explain import explain, find
from monitor.alerts.inhibition import suppressed
from monitor.alerts.settings import AlertSettings
from monitor.records import Action, DataState, Severity, State, Stream, labels
from monitor.rules.rule import RuleSet
from monitor.store import alerts, streams
from monitor.store.db import Store
from tests.alerts.test_separate_pages import KINDS, MOVES, STEP, UPDATE, WARNING, Move, Story, said
from tests.support import clients, schema
from tests.support.clients import fire
from tests.support.planning import Ledger
from tests.support.server import serving

SETTINGS = AlertSettings.model_validate({"warning": WARNING})


@given(moves=MOVES)
@settings(max_examples=60)
def test_what_still_fires_when_the_critical_has_ended_is_told_and_nothing_before(moves: list[Move]) -> None:
    story = Story(Ledger(SETTINGS))
    for move in moves:
        before = len(story.ledger.sent)
        open_before = _criticals(story.ledger)
        story.move(move)
        held = open_before & _criticals(story.ledger)  # open during the whole move
        for _, one in story.ledger.sent[before:]:
            is_new = one.action is Action.TRIGGER and not one.is_update and one.severity == "warning"
            assert not (is_new and Stream(one.client, one.model) in held), one.title
    for alert in list(story.ledger.alerts.values()):
        if alert.is_open and alert.severity is Severity.CRITICAL:
            story.ledger.end(alert)
    story.ledger.run(2 * UPDATE, STEP)
    triggers = [one for _, one in story.ledger.sent if one.action is Action.TRIGGER]
    for alert in story.ledger.alerts.values():
        if alert.state is State.FIRING:
            assert any(alert.annotation("summary") in said(one) for one in triggers), alert.rule


def _criticals(ledger: Ledger) -> set[Stream]:
    found = [a for a in ledger.alerts.values() if a.is_open and a.severity is Severity.CRITICAL]
    return {alert.stream for alert in found}


def test_the_warning_waits_while_the_critical_recovers_and_comes_when_it_has_ended() -> None:
    ledger = Ledger()
    critical = ledger.fire("HighErrorRate", Severity.CRITICAL)
    ledger.fire("HighLatency")
    ledger.run(60)
    ledger.change(critical, state=State.RECOVERING)
    ledger.run(60)
    assert ledger.titles() == ["acme/fraud: HighErrorRate is bad (1)"]
    ledger.end(critical)
    ledger.run(20)
    assert ledger.titles() == ["acme/fraud: HighErrorRate is bad (1)", "acme/fraud: HighLatency is bad (1)"]


def test_a_critical_that_cannot_be_evaluated_holds_nothing_back() -> None:
    ledger = Ledger()
    critical = ledger.fire("HighErrorRate", Severity.CRITICAL)
    ledger.fire("HighLatency")
    ledger.step()
    ledger.change(critical, data=DataState.NO_DATA)
    ledger.run(20)
    assert ledger.titles()[-1] == "acme/fraud: HighLatency is bad (1)"


@given(
    chosen=st.lists(st.tuples(st.integers(0, len(KINDS) - 1), st.sampled_from(list(State))), max_size=6),
)
def test_only_what_fires_beside_a_critical_is_said_to_be_inhibited(chosen: list[tuple[int, State]]) -> None:
    ledger = Ledger()
    for kind, state in chosen:
        rule, severity, instance = KINDS[kind]
        ledger.change(ledger.fire(rule, severity, Stream("acme", "fraud"), instance), state=state)
    found = list(ledger.alerts.values())
    criticals = {a.rule for a in found if a.is_open and a.severity is Severity.CRITICAL}
    reasons = suppressed(found, (), ledger.now, ledger.settings)
    for alert in found:
        expected = alert.severity is Severity.WARNING and alert.state is State.FIRING and bool(criticals)
        assert (alert.fingerprint in reasons) is expected
    assert {reason.removeprefix("inhibited by ") for reason in reasons.values()} <= criticals


def test_status_and_explain_say_what_a_warning_is_inhibited_by(tmp_path: Path) -> None:
    ledger, stream = Ledger(), Stream("acme", "fraud")
    ledger.fire("HighErrorRate", Severity.CRITICAL)
    held = ledger.fire("Drift", instance=labels(feature="amount"))
    store = Store(f"sqlite:///{tmp_path}/held.db")
    schema.create(store)
    with store.write() as connection:
        streams.key(connection, stream, ledger.now)
        alerts.put(connection, ledger.alerts.values())
        [line] = status.overview(connection, 60, ledger.now)
        [alert] = find(connection, held.fingerprint)
        lines = explain(connection, alert, RuleSet(), ledger.settings, ledger.now).lines
    assert line.reasons[1].startswith("Drift (amount) (inhibited by HighErrorRate): ")
    assert "inhibited" not in line.reasons[0]
    assert any("suppressed    inhibited by HighErrorRate" in text for text in lines)
    store.close()


def test_the_overview_and_the_api_say_what_a_warning_is_inhibited_by(tmp_path: Path) -> None:
    shop = clients.opened(tmp_path, hours=1)
    fire(shop, rule="HighErrorRate")
    fire(shop, rule="HighLatency", severity=Severity.WARNING)
    fire(shop, clients.CHURN, rule="Drift", severity=Severity.WARNING)
    with serving(shop) as web:
        page = web.get("/staff/").text
        listed = {one["alert"]: one["suppressed"] for one in web.get("/api/v1/clients/acme/alerts").json()}
    assert listed == {"HighErrorRate": "", "HighLatency": "inhibited by HighErrorRate", "Drift": ""}
    assert page.count("inhibited by HighErrorRate") == 1
