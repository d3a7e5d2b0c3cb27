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

from monitor.alerts.route import opening
from monitor.alerts.settings import AlertSettings, Hours
from monitor.notify.http import Http
from monitor.notify.reconcile import fetch, settle
from monitor.records import DataState, State, Status, Stream
from monitor.store import incidents, outbox, silences
from tests.support.judging import STREAM, one_rule
from tests.support.killing import KilledError, Mortal
from tests.support.pagerduty import Fault
from tests.support.paging import World, errors

RULE = "{metric: error_rate, over: open, above: 5%, clear: 4%}"
BAD, GOOD = 0.3, 0.01


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("monitor.notify.pagerduty.ATTEMPT_SECONDS", 1.0)
    with World(tmp_path, one_rule(tmp_path, RULE, keep_firing_for="30s")) as made:
        yield made


def statuses(world: World) -> list[str]:
    return [incident.status for incident in world.pagerduty.incidents]


def test_a_fault_pages_once_and_its_end_resolves(world: World) -> None:
    world.run(GOOD, 10)
    assert world.pagerduty.incidents == []
    world.run(BAD, 60)
    assert statuses(world) == ["triggered"]
    assert len(world.pagerduty.incidents[0].events) == 1
    world.run(GOOD, 40)
    assert statuses(world) == ["resolved"]
    assert world.alert().state is State.RESOLVED


def test_01_killed_after_the_commit_and_before_the_send_the_page_goes_out_once(world: World) -> None:
    world.tick([errors(BAD)])
    world.dispatcher = world.new_dispatcher()
    world.deliver()
    assert len(world.pagerduty.incidents[0].events) == 1


def test_02_killed_after_the_answer_and_before_the_receipt_it_is_the_same_incident(world: World) -> None:
    world.tick([errors(BAD)])
    mortal = world.channels["pagerduty"] = Mortal(world.channels["pagerduty"])
    world.dispatcher = world.new_dispatcher()
    with pytest.raises(KilledError):
        world.deliver()
    world.channels["pagerduty"] = mortal.channel
    world.dispatcher = world.new_dispatcher()
    world.run(BAD, 29)
    assert len(world.pagerduty.incidents[0].events) == 1, "the lease of the dead process still holds"
    world.run(BAD, 5)
    assert len(world.pagerduty.incidents[0].events) == 2
    assert len(world.pagerduty.incidents) == 1


def test_03_killed_between_judging_and_the_commit_the_next_tick_says_the_same(world: World) -> None:
    world.kill_before_commit()
    with pytest.raises(KilledError):
        world.tick([errors(BAD)])
    world.run(BAD, 3)
    assert (world.alert().episode, statuses(world)) == (1, ["triggered"])


def test_04_two_hours_of_503_another_way_within_a_minute_and_the_page_on_return(world: World) -> None:
    world.pagerduty.standing = Fault(503)
    began = world.now + 1
    world.run(BAD, 62)
    assert [told.note for told in world.chat.told] == ["pagerduty has not taken this page (1m)"]
    world.run(BAD, 7200, every=30)
    world.pagerduty.standing = None
    world.run(BAD, 61)
    assert statuses(world) == ["triggered"]
    stamp = world.pagerduty.incidents[0].events[0]["payload"]["timestamp"]
    assert stamp == "2027-01-15T08:00:01+00:00"
    assert began == 1_800_000_001.0


def test_05_a_hanging_pagerduty_does_not_delay_the_others(world: World) -> None:
    world.pagerduty.script([Fault(hang=True)])
    world.settings = AlertSettings.model_validate({"critical": {"channels": ["pagerduty", "slack"]}})
    world.tick([errors(BAD)])
    slack = next(lane for lane in world.dispatcher.lanes if lane.channel.name == "slack")
    assert slack.step()
    assert len(world.chat.told) == 1
    world.deliver()
    world.run(BAD, 3)
    assert statuses(world) == ["triggered"], "tried again after its time limit"


def test_06_under_a_rate_limit_what_is_critical_goes_first_and_the_limit_is_kept(world: World) -> None:
    world.settings = AlertSettings.model_validate({"storm": {"more_than": 1000}})
    many = [errors(BAD, Stream("acme", f"m{number:03}")) for number in range(150)]
    world.tick(many)
    for _ in range(150):
        world.deliver()
        world.tick(many)
    world.deliver()
    assert len(world.pagerduty.incidents) == 150
    assert world.pagerduty.refused == [], "never more than PagerDuty takes"


def test_06_a_429_pauses_the_whole_channel_as_long_as_it_asks(world: World) -> None:
    world.pagerduty.script([Fault(429, headers=(("Retry-After", "90"),))])
    world.run(BAD, 80)
    assert world.pagerduty.requests == 1
    world.run(BAD, 15)
    assert statuses(world) == ["triggered"]


def test_07_a_refused_event_is_made_smaller_and_then_another_way_is_taken(world: World) -> None:
    world.pagerduty.script([Fault(400)])
    world.run(BAD, 2)
    event = world.pagerduty.incidents[0].events[0]
    assert "custom_details" not in event["payload"]
    assert world.chat.told == []


def test_07_what_is_refused_in_its_smallest_form_goes_another_way_at_once(world: World) -> None:
    world.pagerduty.standing = Fault(400)
    world.run(BAD, 3)
    assert world.pagerduty.requests == 2
    assert [told.note for told in world.chat.told] == ["pagerduty refused this page (1s)"]


def test_08_a_revoked_key_goes_another_way_at_once_and_does_not_spin(world: World) -> None:
    world.pagerduty.standing = Fault(401)
    world.run(BAD, 200)
    assert len(world.chat.told) == 1
    assert world.pagerduty.requests == 1
    world.pagerduty.standing = None
    world.run(BAD, 200)
    assert statuses(world) == ["triggered"], "the key was mended"


def test_09_a_line_cut_after_the_event_arrived_is_one_incident(world: World) -> None:
    world.pagerduty.script([Fault(cut=True, after=True), Fault(cut=True)])
    world.run(BAD, 20)
    assert len(world.pagerduty.incidents) == 1
    assert len(world.pagerduty.incidents[0].events) == 2


def test_10_what_clears_before_it_was_ever_sent_is_not_sent_at_all(world: World) -> None:
    world.settings = AlertSettings.model_validate({"critical": {"channels": ["pagerduty"]}})
    world.tick([errors(BAD)])
    for _ in range(40):
        world.tick([errors(GOOD)])
    world.deliver()
    assert (world.pagerduty.requests, world.pagerduty.incidents) == (0, [])
    with world.store.read() as connection:
        assert outbox.waiting(connection) == []


def test_11_what_clears_while_nobody_knows_whether_it_arrived_is_resolved(world: World) -> None:
    world.pagerduty.script([Fault(cut=True, after=True)])
    world.run(BAD, 1)
    for _ in range(40):
        world.tick([errors(GOOD)])
    world.deliver()
    world.run(GOOD, 60)
    assert statuses(world) == ["resolved"]


def test_11_a_retried_page_never_comes_after_its_resolve(world: World) -> None:
    world.pagerduty.standing = Fault(503)
    world.run(BAD, 5)
    world.run(GOOD, 60)
    world.pagerduty.standing = None
    world.run(GOOD, 300)
    assert world.pagerduty.open() == []


def test_12_a_silence_after_the_page_does_not_swallow_the_resolve(world: World) -> None:
    world.run(BAD, 5)
    world.silence('client="acme"')
    world.run(GOOD, 40)
    assert statuses(world) == ["resolved"]


def test_13_a_silence_that_ends_while_it_fires_lets_the_page_out(world: World) -> None:
    silence = world.silence('model="fraud"', seconds=60)
    plan = world.tick([errors(BAD)])
    assert list(plan.held_back.values()) == ["silenced by ann: we know"]
    world.run(BAD, 50)
    assert world.pagerduty.incidents == []
    world.run(BAD, 15)
    assert statuses(world) == ["triggered"]
    with world.store.write() as connection:
        assert not silences.expire(connection, silence.id, world.now), "it is over already"


def test_14_taken_but_no_incident_opened_goes_another_way(world: World) -> None:
    world.confirming = frozenset(["pagerduty"])
    world.pagerduty.opens_nothing = True
    world.run(BAD, 110)
    assert world.chat.told == []
    world.run(BAD, 20)
    assert [told.note for told in world.chat.told] == ["pagerduty took this page and opened no incident"]


def test_14_a_swallowed_resolve_is_sent_again(world: World) -> None:
    world.run(BAD, 5)
    world.pagerduty.swallows_resolves = True
    world.run(GOOD, 60)
    assert statuses(world) == ["triggered"], "maintenance swallowed the resolve"
    world.pagerduty.swallows_resolves = False
    world.run(GOOD, 180)
    reconcile(world)
    world.deliver()
    assert statuses(world) == ["resolved"]
    assert reconcile(world) == []


def test_15_measurements_that_vanish_while_it_fires_resolve_nothing_and_say_so(world: World) -> None:
    world.run(BAD, 5)
    for _ in range(340):
        world.tick([])
        world.deliver()
    by_rule = {alert.rule: alert for alert in world.alerts()}
    assert by_rule["Bad"].state is State.FIRING
    assert by_rule["Bad"].data is DataState.NO_DATA
    assert by_rule["NoData"].state is State.FIRING
    assert [i.summary.split(":")[1] for i in world.pagerduty.incidents][1] == " Bad cannot be judged any more"
    world.run(GOOD, 120)
    assert world.pagerduty.open() == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_16_a_figure_that_is_no_number_freezes_the_alert(world: World, value: float) -> None:
    world.run(BAD, 5)
    world.run(value, 60)
    assert world.alert().state is State.FIRING
    assert world.alert().data is DataState.ERROR


def test_17_a_clock_that_jumps_neither_fires_nor_resolves(world: World) -> None:
    world.run(BAD, 3)
    for jump in (3600.0, -7200.0, 86400.0):
        world.run(GOOD, 1)
        world.clock.advance(jump)
    world.run(GOOD, 1)
    assert statuses(world) == ["triggered"], "four looks in all, whatever the clock says"
    world.run(GOOD, 40)
    assert statuses(world) == ["resolved"]


def test_17_a_clock_that_jumps_while_nothing_is_measured_does_not_say_so_for_hours(world: World) -> None:
    world.run(BAD, 3)
    world.run(None, 5)
    world.clock.advance(86_400)
    world.run(None, 5)
    assert [alert.rule for alert in world.alerts()] == ["Bad"], (
        "ten seconds without data, whatever the clock says"
    )
    world.run(None, 300, every=10)
    assert {alert.rule: alert.state for alert in world.alerts()}["NoData"] is State.FIRING


@pytest.mark.parametrize(("date", "hour"), [("2026-03-29", 9), ("2026-10-25", 9), ("2026-07-01", 9)])
def test_17_office_hours_open_at_local_nine_on_days_of_23_and_25_hours(date: str, hour: int) -> None:
    zone = ZoneInfo("Europe/Berlin")
    hours = Hours(days=("mon", "tue", "wed", "thu", "fri", "sat", "sun"), timezone="Europe/Berlin")
    before = datetime.fromisoformat(f"{date}T01:00:00").replace(tzinfo=zone).timestamp()
    opens = datetime.fromtimestamp(opening(hours, before), zone)
    assert (opens.hour, opens.date().isoformat()) == (hour, date)


def test_18_timers_go_on_after_a_restart_while_pending_and_while_recovering(tmp_path: Path) -> None:
    rules = one_rule(tmp_path, RULE, **{"for": "60s", "keep_firing_for": "60s"})
    with World(tmp_path, rules) as world:
        world.run(BAD, 50)
        world.dispatcher = world.new_dispatcher()  # every look reads its state from the store anyway
        world.run(BAD, 8)
        assert world.alert().state is State.PENDING
        world.run(BAD, 5)
        assert world.alert().state is State.FIRING
        world.run(GOOD, 55)
        assert world.alert().state is State.RECOVERING
        world.run(GOOD, 10)
        assert statuses(world) == ["resolved"]


def test_19_flapping_every_minute_for_an_hour_is_one_incident(tmp_path: Path) -> None:
    with World(tmp_path, one_rule(tmp_path, RULE, keep_firing_for="90s")) as world:
        for _ in range(30):
            world.run(BAD, 60, every=10)
            world.run(GOOD, 60, every=10)
        assert len(world.pagerduty.incidents) == 1
        world.run(GOOD, 1000, every=10)
        assert statuses(world) == ["resolved"]


def test_22_five_thousand_alerts_at_once_are_one_storm(world: World) -> None:
    many = [errors(BAD, Stream("acme", f"model-{number:04}")) for number in range(5000)]
    world.tick(many)
    world.deliver()
    assert len(world.pagerduty.incidents) == 1
    details = world.pagerduty.incidents[0].events[0]["payload"]["custom_details"]
    assert details["alerts"] == 5000
    assert world.pagerduty.incidents[0].summary == "acme production: 5,000 alerts on 5,000 models (Bad 5,000)"
    assert details["first_checks"][0].startswith("What do they share")
    assert len(details["members"]) == 50
    for _ in range(5):
        world.tick([replace(m, value=GOOD) for m in many], after=10)
    world.deliver()
    assert world.pagerduty.open() == []


def test_22_the_first_five_are_told_one_by_one_and_the_storm_takes_the_rest(world: World) -> None:
    streams = [Stream("acme", f"m{number}") for number in range(12)]
    for count in range(1, 13):
        world.tick([errors(BAD, stream) for stream in streams[:count]])
        world.deliver()
    assert len(world.pagerduty.incidents) == 6
    members = {m for incident in world.open_incidents() for m in incident.members}
    assert len(members) == 12, "nothing critical is lost"


def test_a_person_who_closes_the_incident_is_asked_again_after_half_an_hour(world: World) -> None:
    world.run(BAD, 5)
    (incident,) = world.open_incidents()
    with world.store.write() as connection:
        incidents.put(connection, [replace(incident, confirmed_at=world.now, dismissed_at=world.now)])
    world.pagerduty.incidents[0].status = "resolved"
    world.run(BAD, 1700, every=20)
    assert len(world.pagerduty.incidents) == 1
    world.run(BAD, 140, every=20)
    assert statuses(world) == ["resolved", "triggered"]
    world.run(GOOD, 60)
    assert world.pagerduty.open() == []


def test_a_missed_acknowledgement_is_found_by_comparing(world: World) -> None:
    world.run(BAD, 5)
    world.pagerduty.incidents[0].status = "acknowledged"
    assert len(reconcile(world)) == 1
    world.run(BAD, 1)
    assert world.alert().acknowledged_by == "somebody in PagerDuty"
    assert world.alert().stream == STREAM


def test_a_channel_that_never_heard_the_page_does_not_hear_its_end(world: World) -> None:
    world.settings = AlertSettings.model_validate({"critical": {"channels": ["slack"]}})
    world.chat.down = True
    world.tick([errors(BAD)])
    for _ in range(40):
        world.tick([errors(GOOD)])
    world.chat.down = False
    world.deliver()
    assert world.chat.told == []
    with world.store.read() as connection:
        said = outbox.conversation(connection, "slack", world_key(world))
    assert [delivery.status for delivery in said] == [Status.SUPERSEDED, Status.SUPERSEDED]


def reconcile(world: World) -> list[str]:
    http = Http("PagerDuty", world.pagerduty_settings.ca_file)
    try:
        remotes = fetch(world.pagerduty_settings, http)
    finally:
        http.close()
    with world.store.write() as connection:
        return settle(connection, remotes, world.now)


def world_key(world: World) -> str:
    with world.store.read() as connection:
        return incidents.load_since(connection, 0.0)[0].key
