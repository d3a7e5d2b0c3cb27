"""PagerDuty's channel against the strict stand-in, over real TLS."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.alerts.notification import Notification
from monitor.notify.channels.pagerduty import PagerDuty, PagerDutySettings
from monitor.notify.failure import AttemptError, FailureKind
from monitor.records import Action
from tests.support.pagerduty import Fault, PagerDutyStandIn
from tests.support.pages import PAGE


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[PagerDutyStandIn]:
    with PagerDutyStandIn(tmp_path, lambda: 0.0) as server:
        yield server


@pytest.fixture
def channel(stand_in: PagerDutyStandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[PagerDuty]:
    monkeypatch.setattr("monitor.notify.channels.pagerduty.ATTEMPT_SECONDS", 1.0)
    made = PagerDuty(
        PagerDutySettings.model_validate(
            {
                "routing_key": stand_in.routing_key,
                "events_url": stand_in.url,
                "ca_file": str(stand_in.ca_file),
            }
        )
    )
    yield made
    made.close()


def refused(channel: PagerDuty, page: Notification = PAGE) -> AttemptError:
    with pytest.raises(AttemptError) as caught:
        channel.send(page)
    return caught.value


def test_a_page_names_what_the_woken_person_needs(channel: PagerDuty, stand_in: PagerDutyStandIn) -> None:
    assert channel.send(PAGE) == f"accepted as {PAGE.key}"
    event = stand_in.open()[0].events[0]
    assert event["payload"]["summary"] == PAGE.title
    assert event["payload"]["severity"] == "critical"
    assert event["payload"]["timestamp"] == "2027-01-15T08:00:00+00:00"
    assert list(event["payload"]["custom_details"])[:3] == ["impact", "value", "limit"]
    details = event["payload"]["custom_details"]
    assert details["first_checks"][:2] == [*PAGE.commands, "Which errors?"]
    assert details["possible_causes"] == list(PAGE.causes)
    assert event["links"] == [{"href": "https://example.org/HighErrorRate", "text": "Runbook"}]


def test_one_key_is_one_incident_until_it_is_resolved(channel: PagerDuty, stand_in: PagerDutyStandIn) -> None:
    channel.send(PAGE)
    channel.send(PAGE)
    channel.send(replace(PAGE, action=Action.ACKNOWLEDGE))
    assert [incident.status for incident in stand_in.incidents] == ["acknowledged"]
    channel.send(replace(PAGE, action=Action.RESOLVE))
    assert stand_in.open() == []
    channel.send(PAGE)
    assert len(stand_in.incidents) == 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, FailureKind.MALFORMED),
        (413, FailureKind.MALFORMED),
        (401, FailureKind.MISCONFIGURED),
        (403, FailureKind.MISCONFIGURED),
        (404, FailureKind.MISCONFIGURED),
        (301, FailureKind.MISCONFIGURED),
        (429, FailureKind.LIMITED),
        (408, FailureKind.UNREACHABLE),
        (500, FailureKind.UNREACHABLE),
        (502, FailureKind.UNREACHABLE),
        (503, FailureKind.UNREACHABLE),
        (504, FailureKind.UNREACHABLE),
        (200, FailureKind.UNREACHABLE),
    ],
)
def test_every_status_but_202_is_one_attempt_and_has_its_meaning(
    channel: PagerDuty, stand_in: PagerDutyStandIn, status: int, kind: FailureKind
) -> None:
    stand_in.standing = Fault(status)
    error = refused(channel)
    assert (error.kind, error.code, stand_in.requests) == (kind, status, 1)


def test_retry_after_is_handed_on(channel: PagerDuty, stand_in: PagerDutyStandIn) -> None:
    stand_in.script([Fault(429, headers=(("Retry-After", "17"),))])
    assert refused(channel).retry_after == 17


def test_a_hanging_and_a_cut_line_are_tried_once_and_end_in_time(
    channel: PagerDuty, stand_in: PagerDutyStandIn
) -> None:
    stand_in.script([Fault(hang=True), Fault(cut=True)])
    assert refused(channel).kind is FailureKind.UNREACHABLE
    assert refused(channel).kind is FailureKind.UNREACHABLE
    assert stand_in.requests == 2


def test_an_acceptance_without_a_key_may_be_one_or_none(
    channel: PagerDuty, stand_in: PagerDutyStandIn
) -> None:
    stand_in.script([Fault(202)])
    assert refused(channel).kind is FailureKind.UNREACHABLE


def test_a_certificate_that_is_not_trusted_is_a_mistake_of_the_configuration(
    stand_in: PagerDutyStandIn,
) -> None:
    values = {"routing_key": stand_in.routing_key, "events_url": stand_in.url}
    channel = PagerDuty(PagerDutySettings.model_validate(values))
    assert refused(channel).kind is FailureKind.MISCONFIGURED
    channel.close()


def test_09_a_host_that_does_not_exist_may_pass() -> None:
    values = {"routing_key": "R" * 32, "events_url": "https://events.pagerduty.invalid"}
    channel = PagerDuty(PagerDutySettings.model_validate(values))
    assert refused(channel).kind is FailureKind.UNREACHABLE
    channel.close()


def test_09_an_expired_certificate_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with PagerDutyStandIn(tmp_path, lambda: 0.0, expires=yesterday) as server:
        values = {"routing_key": "R" * 32, "events_url": server.url, "ca_file": str(server.ca_file)}
        channel = PagerDuty(PagerDutySettings.model_validate(values))
        error = refused(channel)
        channel.close()
    assert error.kind is FailureKind.MISCONFIGURED
    assert "expired" in error.message


def test_nobody_listening_may_pass(tmp_path: Path) -> None:
    values = {"routing_key": "R" * 32, "events_url": "https://127.0.0.1:9"}
    channel = PagerDuty(PagerDutySettings.model_validate(values))
    assert refused(channel).kind is FailureKind.UNREACHABLE
    channel.close()


def test_a_title_and_members_of_any_length_fit(channel: PagerDuty, stand_in: PagerDutyStandIn) -> None:
    members = tuple("x" * 20_000 for _ in range(50))
    channel.send(replace(PAGE, title="y" * 5000, key="k" * 400, members=members, count=50))
    assert stand_in.refused == []
    assert len(stand_in.open()) == 1


def test_the_smallest_form_has_only_what_is_required(channel: PagerDuty, stand_in: PagerDutyStandIn) -> None:
    channel.send(replace(PAGE, is_small=True))
    event = stand_in.open()[0].events[0]
    assert set(event["payload"]) == {"summary", "source", "severity", "timestamp"}
    assert "links" not in event


def test_the_stand_in_refuses_what_the_real_one_refuses(
    channel: PagerDuty, stand_in: PagerDutyStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(channel.__init__.__globals__["SEVERITIES"], "critical", "CRITICAL")
    assert refused(channel).kind is FailureKind.MALFORMED
    monkeypatch.undo()


def test_a_change_event_carries_its_time_and_reason(channel: PagerDuty, stand_in: PagerDutyStandIn) -> None:
    changed = replace(PAGE, action=Action.CHANGE, reason="a pass: 0.9% fail", labels=(("version", "8"),))
    channel.send(changed)
    payload = stand_in.changes[0]["payload"]
    assert payload["timestamp"] == "2027-01-15T08:00:00+00:00"
    assert payload["custom_details"] == {"reason": "a pass: 0.9% fail", "version": "8"}
    assert stand_in.incidents == []
