"""`alerts:` in the configuration: routes, grouping, hours, inhibitions, storms and fallback."""

from typing import Annotated, Self

from pydantic import BeforeValidator, ConfigDict, field_validator, model_validator

from monitor.config.sections import Duration, Section, TimeOfDay, WholeNumber
from monitor.config.time_zone import TimeZone
from monitor.rules.language import matchers
from monitor.rules.language.matchers import Matcher

DAY = 24 * 60
"""Minutes of a day."""
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _match(value: object) -> object:
    if isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in value):
        return tuple(matchers.parse(text) for text in value)
    return value


Match = Annotated[tuple[Matcher, ...], BeforeValidator(_match)]


class Hours(Section):
    """Hours in which a team is notified. Hours that end before they start last past midnight."""

    days: tuple[str, ...] = ("mon", "tue", "wed", "thu", "fri")
    """Days of the week on which the hours start."""
    start: TimeOfDay = 540
    """Start, such as 09:00."""
    end: TimeOfDay = 1080
    """End (exclusive), such as 18:00. An end before the start is on the next day."""
    timezone: TimeZone = "UTC"
    """An IANA time zone, such as Europe/Berlin."""

    @field_validator("days")
    @classmethod
    def _are_days(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or set(value) - set(DAYS):
            msg = f"use at least one of {', '.join(DAYS)}"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _last(self) -> Self:
        if self.start == self.end or self.start == DAY:
            msg = "hours must not start and end at the same minute (omit `hours` for all day)"
            raise ValueError(msg)
        return self


class Route(Section):
    """The channels that are notified of a severity, and how soon."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    channels: tuple[str, ...]
    """Names of channels. Channels that are not configured under `notify` are skipped."""
    wait: Duration = 0.0
    """How long to wait for further alerts of the same group before the first notification."""
    group_by: tuple[str, ...] = ()
    """Alerts of one rule with equal values of these labels form one incident. Empty: one incident per alert."""
    hours: Hours | None = None
    """Send only within these hours. Outside them, notifications wait for the next start."""


class RouteOverride(Route):
    """Another route for the alerts that match."""

    match: Match
    """Matchers on alert, severity, client, model, environment and the alert's labels."""


class Inhibition(Section):
    """While a source alert is open, matching target alerts are suppressed. They are sent when it has resolved, if
    they still fire.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    source: Match
    """Matchers of the suppressing alerts."""
    target: Match
    """Matchers of the suppressed alerts."""
    equal: tuple[str, ...] = ("client", "model", "environment")
    """Labels whose values must be equal in both alerts."""


def _could_be(one: tuple[Matcher, ...], other: tuple[Matcher, ...]) -> bool:
    """Whether an alert can match both: not if they require different values of one label."""
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

    more_than: WholeNumber = 5
    """Up to this number, new critical alerts of a client are sent individually."""
    within: Duration = 60.0
    """The period in which they are counted."""


class Fallback(Section):
    """Fallback and escalation when the pager does not accept a page, or accepts it and opens no incident."""

    channels: tuple[str, ...] = ("email", "slack", "teams", "webhook", "apprise")
    """Fallback channels. All that are configured are notified."""
    unaccepted_after: Duration = 60.0
    """Use the fallback if the page has not been accepted for this long."""
    unconfirmed_after: Duration = 120.0
    """Use the fallback if the page was accepted but no incident was opened. Requires PagerDuty's webhooks."""
    all_hands_after: Duration = 300.0
    """Notify all channels if the page has not been accepted for this long."""
    unacknowledged_after: Duration = 900.0
    """Use the fallback again if the page has not been acknowledged for this long. Requires PagerDuty's
    webhooks."""


class AlertSettings(Section):
    """Routing, grouping, inhibition and fallback of notifications."""

    critical: Route = Route(
        channels=(
            *("pagerduty", "alertmanager", "jsm", "servicenow"),
            *("datadog", "newrelic", "console", "file"),
        )
    )
    """Critical alerts: sent at once, at any hour."""
    warning: Route = Route(
        channels=(
            *("pagerduty", "alertmanager", "jsm", "slack", "teams", "email", "webhook", "apprise"),
            *("datadog", "newrelic", "console", "file"),
        ),
        group_by=("client", "model", "environment"),
    )
    """Warnings: sent to the team with low urgency."""
    info: Route = Route(channels=("file",), wait=60.0, group_by=("client", "model", "environment"))
    """Info: for the daily digest."""
    routes: tuple[RouteOverride, ...] = ()
    """Other routes for matching alerts. The first match wins."""
    inhibitions: tuple[Inhibition, ...] = (
        Inhibition.model_validate(
            {"source": ['severity="critical"'], "target": ['severity=~"warning|info"']}
        ),
    )
    """Alerts that suppress other alerts while they are open."""

    @field_validator("inhibitions")
    @classmethod
    def _has_no_loop(cls, value: tuple[Inhibition, ...]) -> tuple[Inhibition, ...]:
        for index, one in enumerate(value):
            for other in value[: index + 1]:
                if _could_be(one.source, other.target) and _could_be(other.source, one.target):
                    msg = (
                        f"inhibitions {value.index(other)} and {index} suppress each other: "
                        "no notification would be sent for alerts that match both"
                    )
                    raise ValueError(msg)
        return value

    storm: Storm = Storm()
    """Many critical alerts at the same time."""
    fallback: Fallback = Fallback()
    """Fallback if the pager fails."""
    update_every: Duration = 300.0
    """Minimum interval between updates of an open group or storm."""
    reopen_after: Duration = 1800.0
    """An incident that was resolved manually while its alert still fires is reopened after this time."""
    runbook_url: str = ""
    """URL of runbooks, such as https://wiki.example.com/{alert}. Empty: the daemon serves them."""
    dashboard_url: str = ""
    """URL of a dashboard. {client}, {model}, {environment}, {start} and {end} (milliseconds) are replaced."""
    public_url: str = ""
    """URL of the daemon's pages for engineers, for links in notifications. Empty: `web.public_url`, or the
    listen address."""


class LocatedAlertSettings(AlertSettings):
    """The settings of a daemon that was started with a configuration file."""

    config_file: str = ""
    """Path of the configuration file, for commands in notifications."""


def located(settings: AlertSettings, config_file: str) -> LocatedAlertSettings:
    """The settings with the path of the configuration file."""
    fields = {name: getattr(settings, name) for name in AlertSettings.model_fields}
    return LocatedAlertSettings.model_construct(**fields, config_file=config_file)
