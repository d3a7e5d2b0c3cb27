"""No text makes a channel call people, show links of its own, obey markup or hide characters, at any length."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.alerts.notification import Link, Notification, printable
from monitor.notify.channels import alertmanager, datadog, jsm, newrelic, pagerduty, servicenow, slack, teams
from monitor.records import Action
from monitor.visible import JOINERS, visible
from tests.support.pages import PAGE

HOSTILE = (
    "<!channel>", "<!here|x>", "<@U012AB>", "@here", "@all", "<https://evil.example|click>",
    "[click](https://evil.example)",
    "<at>all</at>", "[code]<script>alert(1)</script>[/code]", "%%% \n[x](https://evil.example)\n %%%", "@slack-ops",
    "```",
    "\u202eexe.gpj", "\x00", "\x1b[2J", "\r\nX: y", "\u2066", "*_~`", "x" * 10_000,
)  # fmt: skip
CHANNELS: Mapping[str, Callable[[Notification], Any]] = {
    "alertmanager": lambda page: alertmanager.alert(page, 60.0)["annotations"],
    "datadog": datadog.event,
    "jsm": lambda page: jsm.alert(printable(page)),
    "newrelic": newrelic.event,
    "pagerduty": pagerduty.event,
    "pagerduty changes": pagerduty.change,
    "servicenow": lambda page: servicenow.incident(printable(page), {}),
    "servicenow changes": lambda page: servicenow.change(printable(page), "done"),
    "slack": slack.message,
    "teams": teams.message,
}
OBEYED = {
    "datadog": re.compile(r"%%%|@\w"),
    "servicenow": re.compile(r"\[/?code\]"),
    "servicenow changes": re.compile(r"\[/?code\]"),
    "slack": re.compile(r"<[!@#h]|@(here|channel|everyone|all)|```[^\n]*```"),
    "teams": re.compile(r"\]\(|<at"),
}
"""What a channel takes for a call of people, a link or markup."""
OWN = ("dedup_key", "alias", "url", "href", "correlation_id", "$schema", "key", "tags")
"""Fields that no person reads, and tags, which nothing obeys."""


def page_of(text: str, action: Action = Action.TRIGGER) -> Notification:
    names = (
        "title",
        "impact",
        "client",
        "model",
        "alert",
        "value",
        "limit",
        "baseline",
        "sample",
        "reason",
        "note",
    )
    return replace(
        PAGE, action=action, **dict.fromkeys(names, text), members=(text,), count=2, causes=(text,), checks=(text,),
        commands=(text,), links=(Link(text, "https://example.org/x"),),
        labels=(("client", text), ("model", text)), ended_at=PAGE.started_at + 60,
    )  # fmt: skip


def texts(made: Any, name: str = "") -> Iterator[str]:
    if isinstance(made, dict):
        if made.get("type") == "plain_text":  # Slack shows it as it is
            return
        for key, value in made.items():
            yield from texts(value, key)
    elif isinstance(made, list | tuple):
        for value in made:
            yield from texts(value, name)
    elif isinstance(made, str) and name not in OWN:
        yield made


@pytest.mark.parametrize("channel", CHANNELS)
@example(text=" ".join(HOSTILE))
@example(text="".join(HOSTILE))
@given(text=st.lists(st.sampled_from(HOSTILE[:-1]) | st.text(max_size=5), max_size=4).map("".join))
def test_law_a_channel_shows_texts_and_obeys_none(channel: str, text: str) -> None:
    for action in (Action.TRIGGER, Action.RESOLVE):
        shown = list(texts(CHANNELS[channel](page_of(text, action))))
        for one in shown:
            assert visible(one, keep="\n\u200b" + JOINERS) == one.encode("utf-8", "replace").decode(), channel
            assert channel not in OBEYED or not OBEYED[channel].search(one), (channel, one)
        assert sum(map(len, shown)) < 400_000
