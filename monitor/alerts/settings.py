"""`alerts:` in the configuration: who is told what, when, and what is held back."""

import re
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, ConfigDict, field_validator

from monitor.rules import matchers
from monitor.rules.matchers import Matcher
from monitor.settings import Duration, Section

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")


def _match(value: object) -> object:
    if isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in value):
        return tuple(matchers.parse(text) for text in value)
    return value


def _minutes(value: object) -> int:
    if isinstance(value, int):
        return value
    text = str(value)
    if _TIME.fullmatch(text) is None:
        msg = f"{value!r} is not a time of day (use 09:00)"
        raise ValueError(msg)
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


Match = Annotated[tuple[Matcher, ...], BeforeValidator(_match)]
Minutes = Annotated[int, BeforeValidator(_minutes)]


class Hours(Section):
    """When people of a team want to be told."""

    days: tuple[str, ...] = ("mon", "tue", "wed", "thu", "fri")
    """Days of the week."""
    start: Minutes = 540
    """First minute of the day, as 09:00."""
    end: Minutes = 1080
    """The minute after the last, as 18:00."""
    timezone: str = "UTC"
    """An IANA time zone, such as Europe/Berlin."""

    @field_validator("days")
    @classmethod
    def _are_days(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or set(value) - set(DAYS):
            msg = f"days are some of {', '.join(DAYS)}"
            raise ValueError(msg)
        return value

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            msg = f"{value!r} is not a time zone (use Europe/Berlin)"
            raise ValueError(msg) from error
        return value


class Route(Section):
    """Who is told about a tier, and how soon."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    channels: tuple[str, ...]
    """Channels by name; one that is not configured under `notify` is passed over."""
    wait: Duration = 0.0
    """How long to wait for others of the same group before the first word."""
    group_by: tuple[str, ...] = ()
    """Labels that make one incident of several alerts; none: each alert is one."""
    hours: Hours | None = None
    """Only within these hours; outside them the page waits for the next opening."""


class RouteOverride(Route):
    """Another route for the alerts that match."""

    match: Match
    """Matchers on alert, severity, client, model, environment and the alert's own labels."""


class Inhibition(Section):
    """While a source fires, matching targets are held back."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    source: Match
    """What fires."""
    target: Match
    """What is held back."""
    equal: tuple[str, ...] = ("client", "model", "environment")
    """Labels that both must have, with the same value."""


def _could_be(one: tuple[Matcher, ...], other: tuple[Matcher, ...]) -> bool:
    """Whether some alert might match both: not, where they ask for different values of one label."""
    for mine in one:
        for theirs in other:
            if mine.name != theirs.name:
                continue
            if mine.operator == "=" and not theirs.matches({mine.name: mine.value}):
                return False
            if theirs.operator == "=" and not mine.matches({theirs.name: theirs.value}):
                return False
    return True


class Storm(Section):
    """When many critical alerts fire at once, one incident lists them."""

    more_than: int = 5
    """How many new ones are still told one by one."""
    within: Duration = 60.0
    """The time in which they are counted."""


class Fallback(Section):
    """What to do when the pager does not take a page, or takes it and opens no incident."""

    channels: tuple[str, ...] = ("email", "slack", "webhook", "apprise")
    """The second route; those that are configured are all told."""
    unaccepted_after: Duration = 60.0
    """The page was not accepted for so long."""
    unconfirmed_after: Duration = 120.0
    """It was accepted, but no incident was seen to open; judged only where PagerDuty's webhooks come in."""
    all_hands_after: Duration = 300.0
    """Still not accepted: every channel is told."""
    unacknowledged_after: Duration = 900.0
    """Nobody took it: the second route is told again; needs PagerDuty's webhooks."""


class AlertSettings(Section):
    """Who is told what, when, and what is held back."""

    critical: Route = Route(channels=("pagerduty", "alertmanager", "console", "file"))
    """Somebody is woken: at once, at any hour."""
    warning: Route = Route(
        channels=("pagerduty", "alertmanager", "slack", "email", "webhook", "apprise", "console", "file"),
        group_by=("client", "model", "environment"),
    )
    """The team is told, with low urgency."""
    info: Route = Route(channels=("file",), wait=60.0, group_by=("client", "model", "environment"))
    """Read in the daily digest."""
    routes: tuple[RouteOverride, ...] = ()
    """Other routes for some alerts; the first that matches counts."""
    inhibitions: tuple[Inhibition, ...] = (
        Inhibition.model_validate(
            {"source": ['severity="critical"'], "target": ['severity=~"warning|info"']}
        ),
    )
    """What holds back what."""

    @field_validator("inhibitions")
    @classmethod
    def _hold_back_no_loop(cls, value: tuple[Inhibition, ...]) -> tuple[Inhibition, ...]:
        for index, one in enumerate(value):
            for other in value[: index + 1]:
                if _could_be(one.source, other.target) and _could_be(other.source, one.target):
                    msg = (
                        f"inhibitions {value.index(other)} and {index} hold each other back: "
                        "what matches both would never be told"
                    )
                    raise ValueError(msg)
        return value

    storm: Storm = Storm()
    """Many critical alerts at once."""
    fallback: Fallback = Fallback()
    """When the pager fails."""
    update_every: Duration = 300.0
    """How often an open group or storm is told of its new members at most."""
    reopen_after: Duration = 1800.0
    """When somebody closed an incident by hand while it still fires, it is opened again after this time."""
    runbook_url: str = "https://github.com/watchkeeper/watchkeeper/blob/main/docs/runbooks/{alert}.md"
    """Where runbooks are; {alert} is the rule's name."""
    dashboard_url: str = ""
    """Link to a dashboard; {client}, {model}, {environment}, {start}, {end} (milliseconds) are filled in."""
    public_url: str = ""
    """Where engineers reach this daemon's pages, for links in notifications; empty: `web.public_url`."""
