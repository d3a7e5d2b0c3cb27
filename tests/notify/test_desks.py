"""Jira Service Management, Teams, ServiceNow, and events in Datadog and New Relic, against strict stand-ins."""

import json
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from monitor.alerts.notification import Link
from monitor.notify import build
from monitor.notify.channel import Channel
from monitor.notify.channels.jsm import alias
from monitor.notify.channels.teams import LARGEST
from monitor.notify.delivery.test_page import send_test_page
from monitor.notify.failure import AttemptError, FailureKind
from monitor.notify.settings import NotifySettings
from monitor.records import Action
from tests.support.desks import DatadogEventIntake, JsmDesk, NewRelicIntake, ServiceNowDesk, TeamsHook
from tests.support.pages import PAGE, RESOLVE
from tests.support.receiver import Receiver

ACKNOWLEDGE = replace(PAGE, action=Action.ACKNOWLEDGE)
UPDATE = replace(PAGE, sequence=2, note="2 more alerts")
CHANGE = replace(
    PAGE,
    action=Action.CHANGE,
    severity="info",
    alert="Release",
    title="acme/fraud: version 8",
    value="",
    key="k8",
)
LONG = "x" * 20_000
LARGE = replace(
    PAGE, title=LONG, impact=LONG, reason=LONG, note=LONG, client=LONG, model=LONG, alert=LONG, key=LONG,
    members=tuple(f"{LONG}{n}" for n in range(50)), count=80, causes=(LONG,) * 9, checks=(LONG,) * 9,
    commands=(LONG,) * 9, links=tuple(Link(LONG, f"https://h/{n}") for n in range(20)),
)  # fmt: skip


def made(name: str, server: Receiver, **more: Any) -> Channel:
    sections: dict[str, dict[str, Any]] = {
        "jsm": {"api_key": "K", "url": f"{server.url}/alerts"},
        "teams": {"webhook_url": f"{server.url}/workflows/x"},
        "servicenow": {"url": server.url, "token": "T"},
        "datadog": {"api_key": "K", "url": f"{server.url}/api/v1/events"},
        "newrelic": {"api_key": "K", "account_id": "12", "url": f"{server.url}/v1/accounts/12/events"},
    }
    section = {**sections[name], **more}
    return build(NotifySettings.model_validate({"console": False, name: section}))[name]


def test_jsm_opens_acknowledges_and_closes_one_alert() -> None:
    with JsmDesk() as desk, closing(made("jsm", desk, tags=["ml"])) as channel:
        for notification in (PAGE, PAGE):
            assert channel.send(notification) == "answered 202"
        (alert,) = desk.alerts.values()
        assert (alert["state"], alert["count"], alert["priority"]) == ("open", 2, "P1")
        assert alert["message"].startswith("CRITICAL acme/fraud")
        assert alert["tags"] == ["acme", "fraud", "production", "ml"]
        assert alert["details"]["Runbook"] == "https://example.org/HighErrorRate"
        assert "Is it one version?" in alert["description"]
        channel.send(ACKNOWLEDGE)
        assert desk.alerts[alias(PAGE.key)]["state"] == "acknowledged"
        channel.send(RESOLVE)
        assert desk.alerts[alias(PAGE.key)]["state"] == "closed"
    assert "Duration: 1m30s" in json.loads(desk.requests[-1].body)["note"]


def test_jsm_has_keys_of_single_clients() -> None:
    with JsmDesk() as desk, closing(made("jsm", desk, clients={"other": "wrong"})) as channel:
        channel.send(PAGE)
        with pytest.raises(AttemptError) as caught:
            channel.send(replace(PAGE, client="other"))
    assert caught.value.kind is FailureKind.MISCONFIGURED
    assert "wrong" not in caught.value.message


def test_teams_shows_a_card_with_figures_checks_and_links() -> None:
    with TeamsHook() as hook, closing(made("teams", hook)) as channel:
        channel.send(PAGE)
        channel.send(RESOLVE)
    page, end = hook.cards
    texts = [block["text"] for block in page["body"] if block["type"] == "TextBlock"]
    assert texts[0] == "CRITICAL acme/fraud production: 31 % of predictions fail (limit 5 %)"
    assert page["body"][0]["color"] == "Attention"
    (table,) = [block["facts"] for block in page["body"] if block["type"] == "FactSet"]
    assert {"title": "value", "value": "31 %, limit 5 %"} in table
    assert "3. Is it one version?" in texts
    commands = [block["text"] for block in page["body"] if block.get("fontType") == "Monospace"]
    assert commands == list(PAGE.commands), "a command can be copied as it is"
    assert page["actions"] == [
        {"type": "Action.OpenUrl", "title": "Runbook", "url": "https://example.org/HighErrorRate"}
    ]
    assert end["body"][0]["color"] == "Good"
    assert "Duration: 1m30s, since 2027-01-15T08:00:00Z." in [block["text"] for block in end["body"]]


@pytest.mark.parametrize(
    ("code", "kind"),
    [(429, FailureKind.LIMITED), (413, FailureKind.MALFORMED), (502, FailureKind.UNREACHABLE)],
)
def test_a_connector_that_failed_behind_a_200_is_a_failed_attempt(code: int, kind: FailureKind) -> None:
    says = f"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error {code} with"
    with (
        TeamsHook(says=says.encode()) as hook,
        closing(made("teams", hook)) as channel,
        pytest.raises(AttemptError) as caught,
    ):
        channel.send(PAGE)
    assert caught.value.kind is kind


def test_servicenow_has_one_incident_that_is_changed_and_resolved() -> None:
    fields = {"assignment_group": "ML on-call", "caller_id": "watchkeeper", "short_description": "no"}
    account = {"token": "", "user": "user", "password": "pass"}
    with ServiceNowDesk() as desk, closing(made("servicenow", desk, fields=fields, **account)) as channel:
        assert channel.send(PAGE) == "created INC0000001"
        assert channel.send(PAGE) == "INC0000001 already exists"
        channel.send(ACKNOWLEDGE)
        assert desk.incidents[0]["state"] == "2"
        channel.send(UPDATE)
        assert "2 more alerts" in desk.incidents[0]["work_notes"]
        assert channel.send(RESOLVE) == "changed INC0000001"
        assert channel.send(RESOLVE) == "there is no open incident"
        assert channel.send(PAGE) == "created INC0000002", "it is opened again"
    (incident, _) = desk.incidents
    assert (incident["impact"], incident["urgency"], incident["state"]) == ("1", "1", "6")
    assert incident["close_code"] == "Solution provided"
    assert incident["assignment_group"] == "ML on-call"
    assert incident["short_description"].startswith("CRITICAL acme/fraud")


def test_an_incident_whose_answer_was_lost_is_not_made_twice() -> None:
    with ServiceNowDesk(loses=1) as desk, closing(made("servicenow", desk)) as channel:
        with pytest.raises(AttemptError) as caught:
            channel.send(PAGE)
        assert caught.value.kind is FailureKind.UNREACHABLE
        assert channel.send(PAGE) == "INC0000001 already exists"
    assert len(desk.incidents) == 1


@pytest.mark.parametrize(
    "content", [b"<html>sign in</html>", b'{"result": {}}', b'{"result": [{"x": 1}]}', b"\xff"]
)
def test_a_page_in_place_of_a_record_is_a_failed_attempt(content: bytes) -> None:
    class Page(Receiver):
        def reply(self) -> bytes:
            return content

    with (
        Page() as server,
        closing(made("servicenow", server)) as channel,
        pytest.raises(AttemptError, match="did not return a record"),
    ):
        channel.send(PAGE)


def test_datadog_gets_an_event_for_each_notification() -> None:
    with (
        DatadogEventIntake(now=PAGE.started_at) as intake,
        closing(made("datadog", intake, tags=["team:ml"])) as channel,
    ):
        for notification in (PAGE, RESOLVE, CHANGE):
            channel.send(notification)
        channel.send(replace(PAGE, started_at=PAGE.started_at - 30 * 86_400))
    page, end, change, old = intake.events
    assert (page["alert_type"], end["alert_type"], change["alert_type"]) == ("error", "success", "info")
    assert page["aggregation_key"] == end["aggregation_key"] != change["aggregation_key"]
    assert end["date_happened"] - page["date_happened"] == 90
    assert old["date_happened"] == PAGE.said_at
    assert {"service:watchkeeper", "action:trigger", "client:acme", "model:fraud", "team:ml"} <= set(
        page["tags"]
    )
    assert change["title"] == "CHANGE acme/fraud: version 8"


def test_newrelic_gets_an_event_for_each_notification() -> None:
    with NewRelicIntake(now=PAGE.started_at) as intake, closing(made("newrelic", intake)) as channel:
        for notification in (PAGE, RESOLVE, CHANGE):
            channel.send(notification)
        channel.send(replace(PAGE, started_at=PAGE.started_at - 30 * 86_400))
    page, end, change, _old = intake.events
    assert page["eventType"] == "WatchkeeperEvent"
    assert (page["action"], end["action"], change["action"]) == ("trigger", "resolve", "change")
    assert page["dedupKey"] == end["dedupKey"] == PAGE.key
    assert (page["current"], page["threshold"]) == ("31 %", "5 %")
    assert end["durationSeconds"] == 90
    assert intake.requests[0].path == "/v1/accounts/12/events"


SERVERS: dict[str, type[Receiver]] = {
    "jsm": JsmDesk,
    "teams": TeamsHook,
    "servicenow": ServiceNowDesk,
    "datadog": DatadogEventIntake,
    "newrelic": NewRelicIntake,
}


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("action", [Action.TRIGGER, Action.RESOLVE])
def test_law_whatever_a_page_holds_it_is_accepted_whole_or_cut(name: str, action: Action) -> None:
    nasty = "\r\nx\u2028\x00\ud800\x1b[2J\u202e```@here](http://evil)[a](b)<at>all</at>%s{{1}}\x85"
    hostile = replace(
        PAGE, **dict.fromkeys(("title", "impact", "client", "model", "alert", "key", "note", "reason", "value"), nasty),
        links=(Link(nasty, "javascript:x"), Link("", "https://h/x y")), members=(nasty,), count=2,
        causes=(nasty,), commands=(nasty,), checks=(nasty,),
    )  # fmt: skip
    with SERVERS[name]() as server, closing(made(name, server)) as channel:
        for page in (hostile, LARGE, replace(LARGE, is_small=True)):
            moved = (
                replace(page, started_at=server.now, said_at=server.now) if hasattr(server, "now") else page
            )
            channel.send(replace(moved, action=action, ended_at=moved.said_at + 60))
    assert all(len(request.body) < 100_000 for request in server.requests)
    if name == "teams":
        assert max(len(request.body) for request in server.requests) <= LARGEST


@pytest.mark.parametrize("name", SERVERS)
def test_each_can_be_tried_from_the_command_line(name: str) -> None:
    with SERVERS[name]() as server, closing(made(name, server)) as channel:
        lines = list(send_test_page(channel, 1_900_000_000.0))
    assert len(lines) >= 2
    assert server.requests


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"jsm": {"api_key": ""}}, "is empty"),
        ({"jsm": {"api_key": "k", "url": "api.atlassian.com"}}, "not a web address"),
        ({"teams": {"webhook_url": "prod-01.logic.azure.com"}}, "not a web address"),
        (
            {"servicenow": {"url": "https://x.service-now.com", "user": "u"}},
            "`user` and `password`, or `token`",
        ),
        ({"servicenow": {"url": "https://x", "token": "t", "fields": {"a b": "c"}}}, "not a field"),
        ({"datadog": {"api_key": "k", "site": "https://app"}}, "site"),
        ({"newrelic": {"api_key": "k", "account_id": "12/3"}}, "account_id"),
    ],
)
def test_a_wrong_section_is_told_without_its_secrets(section: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        NotifySettings.model_validate(section)


def test_addresses_follow_the_region() -> None:
    settings = NotifySettings.model_validate(
        {
            "datadog": {"api_key": "k", "site": "datadoghq.eu"},
            "newrelic": {"api_key": "k", "account_id": "12", "region": "eu"},
        }
    )
    assert settings.datadog
    assert settings.datadog.address == "https://api.datadoghq.eu/api/v1/events"
    assert settings.newrelic
    assert settings.newrelic.address == "https://insights-collector.eu01.nr-data.net/v1/accounts/12/events"
