"""What can go wrong between a measurement and a person, each as a timeline.

The rule fires at once above 5 % and resolves after 30 s below 4 %. Numbers are those of the list of faults in
docs/faults.md.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from monitor.alerts.routing import opening
from monitor.alerts.settings import AlertSettings, Hours
from monitor.notify.http import Http
from monitor.notify.reconcile import fetch, settle
from monitor.records import DataState, State, Status, Stream
from monitor.store import incidents, outbox, silences
from tests.support.judging import STREAM, one_rule
from tests.support.killing import KilledError, Mortal
from tests.support.pagerduty import Fault
from tests.support.paging import PagingDaemon, errors

RULE = "{metric: error_rate, over: open, above: 5%, clear: 4%}"
BAD, GOOD = 0.3, 0.01


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PagingDaemon]:
    monkeypatch.setattr("monitor.notify.channels.pagerduty.ATTEMPT_SECONDS", 1.0)
    with PagingDaemon(tmp_path, one_rule(tmp_path, RULE, keep_firing_for="30s")) as made:
        yield made


def statuses(daemon: PagingDaemon) -> list[str]:
    return [incident.status for incident in daemon.pagerduty.incidents]


def test_a_fault_pages_once_and_its_end_resolves(daemon: PagingDaemon) -> None:
    daemon.run(GOOD, 10)
    assert daemon.pagerduty.incidents == []
    daemon.run(BAD, 60)
    assert statuses(daemon) == ["triggered"]
    assert len(daemon.pagerduty.incidents[0].events) == 1
    daemon.run(GOOD, 40)
    assert statuses(daemon) == ["resolved"]
    assert daemon.alert().state is State.RESOLVED


def test_01_killed_after_the_commit_and_before_the_send_the_page_goes_out_once(daemon: PagingDaemon) -> None:
    daemon.tick([errors(BAD)])
    daemon.dispatcher = daemon.new_dispatcher()
    daemon.deliver()
    assert len(daemon.pagerduty.incidents[0].events) == 1


def test_02_killed_after_the_answer_and_before_the_receipt_it_is_the_same_incident(
    daemon: PagingDaemon,
) -> None:
    daemon.tick([errors(BAD)])
    mortal = daemon.channels["pagerduty"] = Mortal(daemon.channels["pagerduty"])
    daemon.dispatcher = daemon.new_dispatcher()
    with pytest.raises(KilledError):
        daemon.deliver()
    daemon.channels["pagerduty"] = mortal.channel
    daemon.dispatcher = daemon.new_dispatcher()
    daemon.run(BAD, 29)
    assert len(daemon.pagerduty.incidents[0].events) == 1, "the lease of the dead process still holds"
    daemon.run(BAD, 5)
    assert len(daemon.pagerduty.incidents[0].events) == 2
    assert len(daemon.pagerduty.incidents) == 1


def test_03_killed_between_judging_and_the_commit_the_next_tick_says_the_same(daemon: PagingDaemon) -> None:
    daemon.kill_before_commit()
    with pytest.raises(KilledError):
        daemon.tick([errors(BAD)])
    daemon.run(BAD, 3)
    assert (daemon.alert().episode, statuses(daemon)) == (1, ["triggered"])


def test_04_two_hours_of_503_another_way_within_a_minute_and_the_page_on_return(daemon: PagingDaemon) -> None:
    daemon.pagerduty.standing = Fault(503)
    began = daemon.now + 1
    daemon.run(BAD, 62)
    assert [told.note for told in daemon.chat.notifications] == [
        "pagerduty has not accepted this page for 1m"
    ]
    daemon.run(BAD, 7200, every=30)
    daemon.pagerduty.standing = None
    daemon.run(BAD, 61)
    assert statuses(daemon) == ["triggered"]
    stamp = daemon.pagerduty.incidents[0].events[0]["payload"]["timestamp"]
    assert stamp == "2027-01-15T08:00:01+00:00"
    assert began == 1_800_000_001.0


def test_05_a_hanging_pagerduty_does_not_delay_the_others(daemon: PagingDaemon) -> None:
    daemon.pagerduty.script([Fault(hang=True)])
    daemon.settings = AlertSettings.model_validate({"critical": {"channels": ["pagerduty", "slack"]}})
    daemon.tick([errors(BAD)])
    slack = next(worker for worker in daemon.dispatcher.workers if worker.channel.name == "slack")
    assert slack.step()
    assert len(daemon.chat.notifications) == 1
    daemon.deliver()
    daemon.run(BAD, 3)
    assert statuses(daemon) == ["triggered"], "tried again after its time limit"


def test_06_under_a_rate_limit_what_is_critical_goes_first_and_the_limit_is_kept(
    daemon: PagingDaemon,
) -> None:
    daemon.settings = AlertSettings.model_validate({"storm": {"more_than": 1000}})
    many = [errors(BAD, Stream("acme", f"m{number:03}")) for number in range(150)]
    daemon.tick(many)
    for _ in range(150):
        daemon.deliver()
        daemon.tick(many)
    daemon.deliver()
    assert len(daemon.pagerduty.incidents) == 150
    assert daemon.pagerduty.refused == [], "never more than PagerDuty takes"


def test_06_a_429_pauses_the_whole_channel_as_long_as_it_asks(daemon: PagingDaemon) -> None:
    daemon.pagerduty.script([Fault(429, headers=(("Retry-After", "90"),))])
    daemon.run(BAD, 80)
    assert daemon.pagerduty.requests == 1
    daemon.run(BAD, 15)
    assert statuses(daemon) == ["triggered"]


def test_07_a_refused_event_is_made_smaller_and_then_another_way_is_taken(daemon: PagingDaemon) -> None:
    daemon.pagerduty.script([Fault(400)])
    daemon.run(BAD, 2)
    event = daemon.pagerduty.incidents[0].events[0]
    assert "custom_details" not in event["payload"]
    assert daemon.chat.notifications == []


def test_07_what_is_refused_in_its_smallest_form_goes_another_way_at_once(daemon: PagingDaemon) -> None:
    daemon.pagerduty.standing = Fault(400)
    daemon.run(BAD, 3)
    assert daemon.pagerduty.requests == 2
    assert [told.note for told in daemon.chat.notifications] == ["pagerduty rejected this page"]


def test_08_a_revoked_key_goes_another_way_at_once_and_does_not_spin(daemon: PagingDaemon) -> None:
    daemon.pagerduty.standing = Fault(401)
    daemon.run(BAD, 200)
    assert len(daemon.chat.notifications) == 1
    assert daemon.pagerduty.requests == 1
    daemon.pagerduty.standing = None
    daemon.run(BAD, 200)
    assert statuses(daemon) == ["triggered"], "the key was mended"


def test_09_a_line_cut_after_the_event_arrived_is_one_incident(daemon: PagingDaemon) -> None:
    daemon.pagerduty.script([Fault(cut=True, after=True), Fault(cut=True)])
    daemon.run(BAD, 20)
    assert len(daemon.pagerduty.incidents) == 1
    assert len(daemon.pagerduty.incidents[0].events) == 2


def test_10_what_clears_before_it_was_ever_sent_is_not_sent_at_all(daemon: PagingDaemon) -> None:
    daemon.settings = AlertSettings.model_validate({"critical": {"channels": ["pagerduty"]}})
    daemon.tick([errors(BAD)])
    for _ in range(40):
        daemon.tick([errors(GOOD)])
    daemon.deliver()
    assert (daemon.pagerduty.requests, daemon.pagerduty.incidents) == (0, [])
    with daemon.store.read() as connection:
        assert outbox.waiting(connection) == []


def test_11_what_clears_while_nobody_knows_whether_it_arrived_is_resolved(daemon: PagingDaemon) -> None:
    daemon.pagerduty.script([Fault(cut=True, after=True)])
    daemon.run(BAD, 1)
    for _ in range(40):
        daemon.tick([errors(GOOD)])
    daemon.deliver()
    daemon.run(GOOD, 60)
    assert statuses(daemon) == ["resolved"]


def test_11_a_retried_page_never_comes_after_its_resolve(daemon: PagingDaemon) -> None:
    daemon.pagerduty.standing = Fault(503)
    daemon.run(BAD, 5)
    daemon.run(GOOD, 60)
    daemon.pagerduty.standing = None
    daemon.run(GOOD, 300)
    assert daemon.pagerduty.open() == []


def test_12_a_silence_after_the_page_does_not_swallow_the_resolve(daemon: PagingDaemon) -> None:
    daemon.run(BAD, 5)
    daemon.silence('client="acme"')
    daemon.run(GOOD, 40)
    assert statuses(daemon) == ["resolved"]


def test_13_a_silence_that_ends_while_it_fires_lets_the_page_out(daemon: PagingDaemon) -> None:
    silence = daemon.silence('model="fraud"', seconds=60)
    plan = daemon.tick([errors(BAD)])
    assert list(plan.suppressed.values()) == ["silenced by ann: we know"]
    daemon.run(BAD, 50)
    assert daemon.pagerduty.incidents == []
    daemon.run(BAD, 15)
    assert statuses(daemon) == ["triggered"]
    with daemon.store.write() as connection:
        assert not silences.expire(connection, silence.id, daemon.now), "it is over already"


def test_14_taken_but_no_incident_opened_goes_another_way(daemon: PagingDaemon) -> None:
    daemon.confirming = frozenset(["pagerduty"])
    daemon.pagerduty.opens_nothing = True
    daemon.run(BAD, 110)
    assert daemon.chat.notifications == []
    daemon.run(BAD, 20)
    assert [told.note for told in daemon.chat.notifications] == [
        "pagerduty accepted this page but opened no incident"
    ]


def test_14_a_swallowed_resolve_is_sent_again(daemon: PagingDaemon) -> None:
    daemon.run(BAD, 5)
    daemon.pagerduty.swallows_resolves = True
    daemon.run(GOOD, 60)
    assert statuses(daemon) == ["triggered"], "maintenance swallowed the resolve"
    daemon.pagerduty.swallows_resolves = False
    daemon.run(GOOD, 180)
    reconcile(daemon)
    daemon.deliver()
    assert statuses(daemon) == ["resolved"]
    assert reconcile(daemon) == []


def test_15_measurements_that_vanish_while_it_fires_resolve_nothing_and_say_so(daemon: PagingDaemon) -> None:
    daemon.run(BAD, 5)
    for _ in range(340):
        daemon.tick([])
        daemon.deliver()
    by_rule = {alert.rule: alert for alert in daemon.alerts()}
    assert by_rule["Bad"].state is State.FIRING
    assert by_rule["Bad"].data is DataState.NO_DATA
    assert by_rule["NoData"].state is State.FIRING
    assert [i.summary.split(":")[1] for i in daemon.pagerduty.incidents][
        1
    ] == " Bad can no longer be evaluated"
    daemon.run(GOOD, 120)
    assert daemon.pagerduty.open() == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_16_a_figure_that_is_no_number_freezes_the_alert(daemon: PagingDaemon, value: float) -> None:
    daemon.run(BAD, 5)
    daemon.run(value, 60)
    assert daemon.alert().state is State.FIRING
    assert daemon.alert().data is DataState.ERROR


def test_17_a_clock_that_jumps_neither_fires_nor_resolves(daemon: PagingDaemon) -> None:
    daemon.run(BAD, 3)
    for jump in (3600.0, -7200.0, 86400.0):
        daemon.run(GOOD, 1)
        daemon.clock.advance(jump)
    daemon.run(GOOD, 1)
    assert statuses(daemon) == ["triggered"], "four looks in all, whatever the clock says"
    daemon.run(GOOD, 40)
    assert statuses(daemon) == ["resolved"]


def test_17_a_clock_that_jumps_while_nothing_is_measured_does_not_say_so_for_hours(
    daemon: PagingDaemon,
) -> None:
    daemon.run(BAD, 3)
    daemon.run(None, 5)
    daemon.clock.advance(86_400)
    daemon.run(None, 5)
    assert [alert.rule for alert in daemon.alerts()] == ["Bad"], (
        "ten seconds without data, whatever the clock says"
    )
    daemon.run(None, 300, every=10)
    assert {alert.rule: alert.state for alert in daemon.alerts()}["NoData"] is State.FIRING


@pytest.mark.parametrize(("date", "hour"), [("2026-03-29", 9), ("2026-10-25", 9), ("2026-07-01", 9)])
def test_17_office_hours_open_at_local_nine_on_days_of_23_and_25_hours(date: str, hour: int) -> None:
    zone = ZoneInfo("Europe/Berlin")
    hours = Hours(days=("mon", "tue", "wed", "thu", "fri", "sat", "sun"), timezone="Europe/Berlin")
    before = datetime.fromisoformat(f"{date}T01:00:00").replace(tzinfo=zone).timestamp()
    opens = datetime.fromtimestamp(opening(hours, before), zone)
    assert (opens.hour, opens.date().isoformat()) == (hour, date)


def test_18_timers_go_on_after_a_restart_while_pending_and_while_recovering(tmp_path: Path) -> None:
    rules = one_rule(tmp_path, RULE, **{"for": "60s", "keep_firing_for": "60s"})
    with PagingDaemon(tmp_path, rules) as daemon:
        daemon.run(BAD, 50)
        daemon.dispatcher = daemon.new_dispatcher()  # every look reads its state from the store anyway
        daemon.run(BAD, 8)
        assert daemon.alert().state is State.PENDING
        daemon.run(BAD, 5)
        assert daemon.alert().state is State.FIRING
        daemon.run(GOOD, 55)
        assert daemon.alert().state is State.RECOVERING
        daemon.run(GOOD, 10)
        assert statuses(daemon) == ["resolved"]


def test_19_flapping_every_minute_for_an_hour_is_one_incident(tmp_path: Path) -> None:
    with PagingDaemon(tmp_path, one_rule(tmp_path, RULE, keep_firing_for="90s")) as daemon:
        for _ in range(30):
            daemon.run(BAD, 60, every=10)
            daemon.run(GOOD, 60, every=10)
        assert len(daemon.pagerduty.incidents) == 1
        daemon.run(GOOD, 1000, every=10)
        assert statuses(daemon) == ["resolved"]


def test_22_five_thousand_alerts_at_once_are_one_storm(daemon: PagingDaemon) -> None:
    many = [errors(BAD, Stream("acme", f"model-{number:04}")) for number in range(5000)]
    daemon.tick(many)
    daemon.deliver()
    assert len(daemon.pagerduty.incidents) == 1
    details = daemon.pagerduty.incidents[0].events[0]["payload"]["custom_details"]
    assert details["alerts"] == 5000
    assert (
        daemon.pagerduty.incidents[0].summary == "acme production: 5,000 alerts on 5,000 models (Bad 5,000)"
    )
    assert details["first_checks"][0] == "watchkeeper alerts --client acme"
    assert details["first_checks"][1].startswith("What do they have in common")
    assert len(details["members"]) == 50
    for _ in range(5):
        daemon.tick([replace(m, value=GOOD) for m in many], after=10)
    daemon.deliver()
    assert daemon.pagerduty.open() == []


def test_22_the_first_five_are_told_one_by_one_and_the_storm_takes_the_rest(daemon: PagingDaemon) -> None:
    streams = [Stream("acme", f"m{number}") for number in range(12)]
    for count in range(1, 13):
        daemon.tick([errors(BAD, stream) for stream in streams[:count]])
        daemon.deliver()
    assert len(daemon.pagerduty.incidents) == 6
    members = {m for incident in daemon.open_incidents() for m in incident.members}
    assert len(members) == 12, "nothing critical is lost"


def test_a_person_who_closes_the_incident_is_asked_again_after_half_an_hour(daemon: PagingDaemon) -> None:
    daemon.run(BAD, 5)
    (incident,) = daemon.open_incidents()
    with daemon.store.write() as connection:
        incidents.put(connection, [replace(incident, confirmed_at=daemon.now, dismissed_at=daemon.now)])
    daemon.pagerduty.incidents[0].status = "resolved"
    daemon.run(BAD, 1700, every=20)
    assert len(daemon.pagerduty.incidents) == 1
    daemon.run(BAD, 140, every=20)
    assert statuses(daemon) == ["resolved", "triggered"]
    daemon.run(GOOD, 60)
    assert daemon.pagerduty.open() == []


def test_a_missed_acknowledgement_is_found_by_comparing(daemon: PagingDaemon) -> None:
    daemon.run(BAD, 5)
    daemon.pagerduty.incidents[0].status = "acknowledged"
    assert len(reconcile(daemon)) == 1
    daemon.run(BAD, 1)
    assert daemon.alert().acknowledged_by == "a user in PagerDuty"
    assert daemon.alert().stream == STREAM


def test_a_channel_that_never_heard_the_page_does_not_hear_its_end(daemon: PagingDaemon) -> None:
    daemon.settings = AlertSettings.model_validate({"critical": {"channels": ["slack"]}})
    daemon.chat.down = True
    daemon.tick([errors(BAD)])
    for _ in range(40):
        daemon.tick([errors(GOOD)])
    daemon.chat.down = False
    daemon.deliver()
    assert daemon.chat.notifications == []
    with daemon.store.read() as connection:
        said = outbox.conversation(connection, "slack", world_key(daemon))
    assert [delivery.status for delivery in said] == [Status.SUPERSEDED, Status.SUPERSEDED]


def reconcile(daemon: PagingDaemon) -> list[str]:
    http = Http("PagerDuty", daemon.pagerduty_settings.ca_file)
    try:
        remotes = fetch(daemon.pagerduty_settings, http)
    finally:
        http.close()
    with daemon.store.write() as connection:
        return settle(connection, remotes, daemon.now)


def world_key(daemon: PagingDaemon) -> str:
    with daemon.store.read() as connection:
        return incidents.load_since(connection, 0.0)[0].key
