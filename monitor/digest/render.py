"""A digest as a mail (text and HTML, each complete on its own) and as a chat message within Slack's limits."""

import base64
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from monitor.alerts.notification import Enclosure, Message
from monitor.digest.compose import Digest, Picture
from monitor.digest.email_delivery import list_headers
from monitor.digest.section import ModelSection
from monitor.health import wording
from monitor.health.model_state import Health

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(enabled_extensions=("html",), disabled_extensions=("txt",)),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    auto_reload=False,
)
_TEXT = {
    Health.ATTENTION: ("#b03a00", "bad"),
    Health.WATCH: ("#8a5a00", "watch"),
    Health.WAITING: ("#5f6670", "none"),
    Health.WORKING: ("#007a5a", "ok"),
}
"""Colour and class of each state as text."""
_TEMPLATES.filters["joined"] = wording.joined
SLACK_HEADER, SLACK_SECTION, SLACK_BLOCKS, SLACK_TOTAL = 150, 3000, 50, 10_000
_COLOURS = {
    Health.ATTENTION: "#c4400a",
    Health.WATCH: "#e69f00",
    Health.WAITING: "#9aa1a9",
    Health.WORKING: "#009e73",
}
MOST_BYTES = 95_000
"""Of the HTML: some mail programs cut a mail at 100 kB."""
_MOST_MODELS = (40, 20, 10, 5, 2)
"""Models in a mail; the rest is on the page. The first number that fits is used."""
_SHORT_LISTS = 40
_MOST_PLAIN = 200
"""Working models that are named without figures."""


@dataclass(frozen=True, slots=True)
class _Group:
    """The models in one state, and how many of them the page has more."""

    title: str
    icon: str
    kind: str
    colour: str
    sections: tuple[ModelSection, ...]
    more: int
    plain: tuple[str, ...] = ()


def text(digest: Digest, version: str, unsubscribe: str = "") -> str:
    """The text part."""
    return _TEMPLATES.get_template("digest.txt").render(
        digest=_short(digest),
        groups=_groups(digest, _MOST_MODELS[0]),
        version=version,
        unsubscribe=unsubscribe,
    )


def html(digest: Digest, version: str, unsubscribe: str = "", *, is_alone: bool = False) -> str:
    """The HTML part, with tables and inline styles, which all mail programs support.

    It shows the charts that are enclosed in the mail; with `is_alone` it contains them, for a browser.
    """
    state = _worst(digest)
    page = ""
    for most in _MOST_MODELS:
        page = _TEMPLATES.get_template("digest.html").render(
            digest=_short(digest),
            groups=_groups(digest, most),
            version=version,
            unsubscribe=unsubscribe,
            icon=state.icon,
            colour=_COLOURS[state],
            source=_embedded if is_alone else _enclosed,
        )
        if len(page.encode("utf-8", "replace")) <= MOST_BYTES:
            break
    return page.strip() + "\n"


def _enclosed(picture: Picture) -> str:
    return f"cid:{picture.name}"


def _embedded(picture: Picture) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture.png).decode()}"


def mail(digest: Digest, version: str, address: str, unsubscribe: str) -> Message:
    """A mail to one recipient. `unsubscribe` is the URL for unsubscribing with one POST (RFC 8058)."""
    title = f"Watchkeeper digest of {digest.client}"
    return Message(
        digest.subject,
        text(digest, version, unsubscribe),
        html(digest, version, unsubscribe),
        (address,),
        list_headers(f"{digest.client}.digest.watchkeeper", title, unsubscribe),
        files=tuple(Enclosure(chart.name, "image/png", chart.png, is_inline=True) for chart in digest.charts),
    )


def chat(digest: Digest, version: str) -> Message:
    """A Slack message: the verdict as header, a section per model with news, totals, a button."""
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _clamp(digest.verdict, SLACK_HEADER)}}
    ]
    for model in digest.models:
        if model.health is not Health.WORKING or model.has_rollout:
            section = _clamp(_slack_section(model), SLACK_SECTION)
            blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": section}})
    row = digest.rows[0]
    totals = f"{row.name} {row.values[0]} ({digest.columns[1].lower()} {row.values[1]}) · {digest.span}"
    tail: list[dict[str, Any]] = [
        {"type": "context", "elements": [{"type": "mrkdwn", "text": _clamp(_escape(totals), SLACK_SECTION)}]}
    ]
    if digest.page:
        button = {"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": digest.page}
        tail.append({"type": "actions", "elements": [button]})
    return Message(digest.subject, _clamp(text(digest, version), SLACK_SECTION), blocks=_fitted(blocks, tail))


def _fitted(blocks: list[dict[str, Any]], tail: list[dict[str, Any]]) -> str:
    """Blocks within Slack's limits on number and (undocumented) total size; the omitted ones are counted."""
    kept: list[dict[str, Any]] = []
    for index, block in enumerate(blocks):
        left = len(blocks) - index
        more = {"type": "section", "text": {"type": "mrkdwn", "text": f"and {left} more on the page"}}
        size = len(json.dumps([*kept, block, more, *tail]))
        if size > SLACK_TOTAL or len(kept) + 2 + len(tail) > SLACK_BLOCKS:
            kept.append(more)
            break
        kept.append(block)
    return json.dumps([*kept, *tail], ensure_ascii=False)


def _slack_section(one: ModelSection) -> str:
    facts = "".join(f"\n• {_escape(fact.name)}: {_escape(fact.text)}" for fact in one.facts[:4])
    title = f"<{one.link}|{_escape(one.title)}>" if one.link else _escape(one.title)
    return f"*{title}*\n{_escape(one.text)}{facts}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clamp(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _worst(digest: Digest) -> Health:
    return max((model.health for model in digest.models), key=lambda one: one.code, default=Health.WAITING)


def _groups(digest: Digest, most: int) -> list[_Group]:
    """The models by state, worst first, at most `most` with their figures; working ones that are over are named."""
    groups, left = [], most
    for health in reversed(Health):
        models = digest.of(health)
        if not models:
            continue
        shown, over = models[:left], models[left:]
        left -= len(shown)
        plain = tuple(one.title for one in over[:_MOST_PLAIN]) if health is Health.WORKING else ()
        colour, kind = _TEXT[health]
        more = len(over) - len(plain)
        groups.append(_Group(health.word.upper(), health.icon, kind, colour, shown, more, plain))
    return groups


def _short(digest: Digest) -> Digest:
    """The digest with short lists."""
    return replace(digest, notes=digest.notes[:_SHORT_LISTS])
